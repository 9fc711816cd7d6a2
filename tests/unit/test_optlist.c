/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests how lists of options are split: they all have one grammar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/optlist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOST 4

/* Checks that @text has these items, in place and by copies. */
static void check(const char *text, const char *const want[MOST])
{
	char *own = strdup(text), *rest = own;
	const char *list = text;
	struct optitem item;
	char copy[64];

	for (unsigned int i = 0; i < MOST && want[i]; i++) {
		assert_true(optlist_next(&list, &item));
		assert_int_equal(optitem_copy(&item, copy, sizeof(copy)), 0);
		assert_string_equal(copy, want[i]);
		assert_string_equal(optlist_take(&rest), want[i]);
	}
	assert_false(optlist_next(&list, &item));
	assert_null(optlist_take(&rest));
	assert_null(list);
	free(own);
}

static void items_end_at_commas(void **state)
{
	(void)state;
	check("a", (const char *const[MOST]){ "a" });
	check("a,b=c,d", (const char *const[MOST]){ "a", "b=c", "d" });
	check("a=b=c", (const char *const[MOST]){ "a=b=c" });
	check("help", (const char *const[MOST]){ "help" });
}

static void empty_items_are_items(void **state)
{
	(void)state;
	check("", (const char *const[MOST]){ "" });
	check(",", (const char *const[MOST]){ "", "" });
	check("a,", (const char *const[MOST]){ "a", "" });
	check(",a", (const char *const[MOST]){ "", "a" });
}

static void two_commas_are_one_of_the_item(void **state)
{
	(void)state;
	check(",,", (const char *const[MOST]){ "," });
	check(",,,", (const char *const[MOST]){ ",", "" });
	check(",,,,", (const char *const[MOST]){ ",," });
	check("a,,b", (const char *const[MOST]){ "a,b" });
	check("a,,,b", (const char *const[MOST]){ "a,", "b" });
	check("a,,,,b,c=,,", (const char *const[MOST]){ "a,,b", "c=," });
	check("a,b,,,c,,d,", (const char *const[MOST]){ "a", "b,", "c,d", "" });
}

static void nothing_is_read_after_the_nul(void **state)
{
	char text[] = "a,b\0,c";
	char *rest = text;

	(void)state;
	assert_string_equal(optlist_take(&rest), "a");
	assert_string_equal(optlist_take(&rest), "b");
	assert_null(optlist_take(&rest));
	assert_memory_equal(text + 4, ",c", 3);
}

static void values_are_cut_off(void **state)
{
	char pair[] = "key=value=more", word[] = "word", none[] = "key=", nameless[] = "=value",
	     empty[] = "";

	(void)state;
	assert_string_equal(optlist_value(pair), "value=more");
	assert_string_equal(pair, "key");
	assert_null(optlist_value(word));
	assert_string_equal(optlist_value(none), "");
	assert_string_equal(optlist_value(nameless), "value");
	assert_string_equal(nameless, "");
	assert_null(optlist_value(empty));
}

static void copies_fit_or_fail(void **state)
{
	const struct optitem item = { "ab,,c", 5 }, empty = { "x", 0 }, raw = { "a,b", 3 };
	char copy[8];

	(void)state;
	assert_int_equal(optitem_copy(&item, copy, 4), -ENAMETOOLONG);
	assert_int_equal(optitem_copy(&item, copy, 5), 0);
	assert_string_equal(copy, "ab,c");
	assert_int_equal(optitem_copy(&empty, copy, 0), -ENAMETOOLONG);
	assert_int_equal(optitem_copy(&empty, copy, 1), 0);
	assert_string_equal(copy, "");
	/* A comma that no split has read stays. */
	assert_int_equal(optitem_copy(&raw, copy, sizeof(copy)), 0);
	assert_string_equal(copy, "a,b");
}

static void long_texts_are_taken(void **state)
{
	const size_t bytes = 1 << 20;
	char *text = malloc(bytes + 1), *rest = text;

	(void)state;
	memset(text, ',', bytes);
	text[bytes] = '\0';
	assert_int_equal(strlen(optlist_take(&rest)), bytes / 2);
	assert_null(rest);
	memset(text, 'x', bytes);
	text[bytes - 1] = ',';
	rest = text;
	assert_int_equal(strlen(optlist_take(&rest)), bytes - 1);
	assert_string_equal(optlist_take(&rest), "");
	assert_null(rest);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_end_at_commas),
		cmocka_unit_test(empty_items_are_items),
		cmocka_unit_test(two_commas_are_one_of_the_item),
		cmocka_unit_test(nothing_is_read_after_the_nul),
		cmocka_unit_test(values_are_cut_off),
		cmocka_unit_test(copies_fit_or_fail),
		cmocka_unit_test(long_texts_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
