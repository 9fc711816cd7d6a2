/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests sizes, numbers, and the option table's parser with good and bad input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/base/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct cfg {
	const char *text;
	uint64_t size, number, count;
	bool flag;
	unsigned int calls;
	enum { RED, GREEN, BLUE } choice;
	const char *list[2], *plain[1];
	unsigned int nr_list, nr_plain;
};

static int add_call(void *config, const char *name, const char *arg)
{
	struct cfg *c = config;

	assert_string_equal(name, "call");
	c->calls++;
	return strcmp(arg, "bad") ? 0 : -EINVAL;
}

/* --maybe, --maybe=X */
static int maybe_call(void *config, const char *name, const char *arg)
{
	struct cfg *c = config;

	assert_string_equal(name, "maybe");
	c->text = arg ? arg : "nothing";
	return 0;
}

/* Returns whether @arg may be listed. */
static int list_check(void *config, const char *name, const char *arg)
{
	(void)config;
	assert_string_equal(name, "list");
	return strcmp(arg, "bad") ? 0 : -EINVAL;
}

static const struct opt rows[] = {
	{ 't', "text", OPT_STRING, offsetof(struct cfg, text), "T", "a text", 0, 0, NULL },
	{ 'm', "mem", OPT_SIZE, offsetof(struct cfg, size), "SIZE", "a size", MIB, GIB, NULL },
	{ 'c', "cpus", OPT_UINT, offsetof(struct cfg, number), "N", "a number", 1, 8, NULL },
	{ 'v', "verbose", OPT_COUNT, offsetof(struct cfg, count), NULL, "more", 0, 0, NULL },
	{ 0, "flag", OPT_FLAG, offsetof(struct cfg, flag), NULL, "a flag\nof two lines", 0, 0,
	  NULL },
	{ 0, "call", OPT_CALL, 0, "X", "calls", 0, 0, add_call },
	{ 0, "maybe", OPT_CALL, 0, "[=X]", "may have an argument", 0, 0, maybe_call },
	{ 0, "pick", OPT_CHOICE, offsetof(struct cfg, choice), "red|green|blue", "one of them" },
	{ 'l', "list", OPT_LIST, offsetof(struct cfg, list), "X", "at most two", 0, 2, list_check,
	  offsetof(struct cfg, nr_list) },
	{ 0, "plain", OPT_LIST, offsetof(struct cfg, plain), "X", "at most one", 0, 1, NULL,
	  offsetof(struct cfg, nr_plain) },
};

static int parse(struct cfg *c, int argc, const char **args)
{
	char *argv[16] = { (char *)"test" };

	for (int i = 0; i < argc; i++)
		argv[i + 1] = (char *)args[i];
	memset(c, 0, sizeof(*c));
	return opt_parse(rows, ARRAY_SIZE(rows), c, argc + 1, argv);
}

#define PARSE(c, ...)                                                                              \
	({                                                                                         \
		const char *args_[] = { __VA_ARGS__ };                                             \
		parse(c, (int)ARRAY_SIZE(args_), args_);                                           \
	})

static void sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "1", 1 },	     { "512M", 512 * MIB },
		{ "4G", 4 * GIB },   { "4g", 4 * GIB },
		{ "64k", 64 * KIB }, { "1T", 1024 * GIB },
		{ "1GiB", GIB },     { "2MB", 2 * MIB },
		{ "100B", 100 },     { "16777215T", 16777215ULL << 40 },
	};
	static const char *const bad[] = { "",
					   "M",
					   "-1",
					   "0",
					   " 1",
					   "1 M",
					   "1X",
					   "1MM",
					   "1.5G",
					   "0x10",
					   "+1",
					   "1iB",
					   "99999999999999999999",
					   "16777216T",
					   "1Mi",
					   "nan" };
	uint64_t bytes;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(parse_size(good[i].text, &bytes), 0);
		assert_true(bytes == good[i].bytes);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_size(bad[i], &bytes), -EINVAL);
}

static void numbers(void **state)
{
	static const char *const bad[] = { "",	"-1", "+1", "1x", "x", " 1", "18446744073709551616",
					   "0x" };
	uint64_t n;

	(void)state;
	assert_int_equal(parse_uint("0", &n), 0);
	assert_int_equal(parse_uint("18446744073709551615", &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(parse_uint("0x3f8", &n), 0);
	assert_int_equal(n, 0x3f8);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_uint(bad[i], &n), -EINVAL);
}

static void good_lines(void **state)
{
	struct cfg c;

	(void)state;
	assert_int_equal(PARSE(&c, "-m", "4M", "--text=a=b", "-vv", "-c8", "--flag"), 7);
	assert_int_equal(c.size, 4 * MIB);
	assert_string_equal(c.text, "a=b");
	assert_int_equal(c.count, 2);
	assert_int_equal(c.number, 8);
	assert_true(c.flag);
	assert_int_equal(PARSE(&c, "--call", "x", "--call", "y"), 5);
	assert_int_equal(c.calls, 2);
	assert_int_equal(PARSE(&c, "--maybe=x"), 2);
	assert_string_equal(c.text, "x");
	assert_int_equal(PARSE(&c, "--maybe", "x"), 2); /* the next word is not its argument */
	assert_string_equal(c.text, "nothing");
	assert_int_equal(PARSE(&c, "--verb"), 2); /* a unique abbreviation */
	assert_int_equal(PARSE(&c, "-v", "rest", "-v"), 2);
	assert_int_equal(c.count, 1);
	assert_int_equal(PARSE(&c, "-v", "--", "-v"), 3);
	assert_int_equal(c.count, 1);
}

static void choices(void **state)
{
	static const char *const bad[] = {
		"", "r", "re", "redd", "red|green", "|", "blue|", "RED"
	};
	struct cfg c;

	(void)state;
	assert_int_equal(PARSE(&c, "--pick", "blue"), 3);
	assert_int_equal(c.choice, BLUE);
	assert_int_equal(PARSE(&c, "--pick=blue", "--pick=red"), 3); /* the last one counts */
	assert_int_equal(c.choice, RED);
	assert_int_equal(PARSE(&c, "--pick", "green"), 3);
	assert_int_equal(c.choice, GREEN);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(PARSE(&c, "--pick", bad[i]), -EINVAL);
}

static void lists(void **state)
{
	struct cfg c;

	(void)state;
	assert_int_equal(PARSE(&c, "-l", "one", "--plain=x", "--list=two"), 5);
	assert_int_equal(c.nr_list, 2);
	assert_string_equal(c.list[0], "one");
	assert_string_equal(c.list[1], "two");
	assert_int_equal(c.nr_plain, 1);
	assert_string_equal(c.plain[0], "x");
	assert_int_equal(PARSE(&c, "-l1", "-l2", "-l3"), -EINVAL);
	assert_int_equal(c.nr_list, 2);
	assert_int_equal(PARSE(&c, "-l1", "-lbad"), -EINVAL);
	assert_int_equal(c.nr_list, 1);
}

static void bad_lines(void **state)
{
	struct cfg c;

	(void)state;
	assert_int_equal(PARSE(&c, "-m"), -EINVAL);
	assert_int_equal(PARSE(&c, "-m", "4X"), -EINVAL);
	assert_int_equal(PARSE(&c, "-m", "1K"), -EINVAL);
	assert_int_equal(PARSE(&c, "-m", "2G"), -EINVAL);
	assert_int_equal(PARSE(&c, "-c", "0"), -EINVAL);
	assert_int_equal(PARSE(&c, "-c", "9"), -EINVAL);
	assert_int_equal(PARSE(&c, "-c", "two"), -EINVAL);
	assert_int_equal(PARSE(&c, "--flag=1"), -EINVAL);
	assert_int_equal(PARSE(&c, "--none"), -EINVAL);
	assert_int_equal(PARSE(&c, "-z"), -EINVAL);
	assert_int_equal(PARSE(&c, "--call", "bad"), -EINVAL);
}

static void help_names_every_option(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	opt_help(f, rows, ARRAY_SIZE(rows));
	fclose(f);
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
		assert_non_null(strstr(text, rows[i].name));
	assert_non_null(strstr(text, "-m, --mem SIZE"));
	assert_non_null(strstr(text, "--maybe[=X]"));
	assert_non_null(strstr(text, "of two lines"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(numbers),
		cmocka_unit_test(good_lines),
		cmocka_unit_test(choices),
		cmocka_unit_test(lists),
		cmocka_unit_test(bad_lines),
		cmocka_unit_test(help_names_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
