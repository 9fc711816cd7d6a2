/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests the kernel command line: the launcher's part, then the user's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/types.h"
#include "x86/boot/boot.h"

#include <stdlib.h>
#include <string.h>

static const struct row {
	const char *ours, *users, *want;
} rows[] = {
	{ "console=ttyS0", "root=/dev/vda ro", "console=ttyS0 root=/dev/vda ro" },
	{ "console=ttyS0", "quiet -- sh -c 'a  b'", "console=ttyS0 quiet -- sh -c 'a  b'" },
	{ "console=ttyS0", "-- single", "console=ttyS0 -- single" },
	{ "console=ttyS0", NULL, "console=ttyS0" },
	{ "console=ttyS0", "", "console=ttyS0" },
	{ NULL, "quiet", "quiet" },
	{ "", "quiet", "quiet" },
	{ NULL, NULL, "" },
};

static void ours_come_first(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		char *line = boot_cmdline(rows[i].ours, rows[i].users);

		assert_non_null(line);
		assert_string_equal(line, rows[i].want);
		free(line);
	}
}

static void nothing_is_ever_cut(void **state)
{
	enum { LONG = 100000 };
	char *users = malloc(LONG + 1), *line;

	(void)state;
	memset(users, 'x', LONG);
	users[LONG] = '\0';
	line = boot_cmdline("a", users);
	assert_int_equal(strlen(line), LONG + 2);
	assert_string_equal(line + 2, users);
	free(line);
	free(users);
}

static const struct has_row {
	const char *params;
	bool want;
} has_rows[] = {
	{ "root=/dev/vda", true },
	{ "quiet root=LABEL=x rw", true },
	{ "quiet\troot=", true },
	{ "a=\"b c\" root=/dev/vda", true },
	{ "\"root=/dev/a b\"", true },
	{ "xroot=/dev/vda", false },
	{ "nfsroot=1.2.3.4", false },
	{ "root", false },
	{ "rootwait", false },
	{ "a=\"b root=/dev/vda\"", false },
	{ "a= -- root=/dev/vda", false },
	{ "--root root=/dev/vda", true },
	{ "", false },
	{ "  ", false },
	{ "\"", false },
	{ NULL, false },
};

static void parameters_are_whole_words(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(has_rows); i++) {
		if (boot_cmdline_has(has_rows[i].params, "root") != has_rows[i].want)
			fail_msg("%s", has_rows[i].params);
	}
}

static void words_are_found_whole(void **state)
{
	static const char *const with[] = { "noapic", "a noapic", "noapic\tb", "\"noapic\"x noapic",
					    "noapic -- x" };
	static const char *const without[] = { "noapictimer",	 "nolapic",   "noapic=1", "xnoapic",
					       "a=\"b noapic\"", "-- noapic", "",	  NULL };

	(void)state;
	for (unsigned int i = 0; i < sizeof(with) / sizeof(with[0]); i++)
		assert_true(boot_cmdline_has_word(with[i], "noapic"));
	for (unsigned int i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		assert_false(boot_cmdline_has_word(without[i], "noapic"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ours_come_first),
		cmocka_unit_test(nothing_is_ever_cut),
		cmocka_unit_test(parameters_are_whole_words),
		cmocka_unit_test(words_are_found_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
