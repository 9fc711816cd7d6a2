/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests sizes, numbers, and the option table's parser with good and bad input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/base/options.h"
#include "messages.h"

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
	{ 0, "call", OPT_CALL, 0, "X", "calls", 0, 1, add_call },
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
		{ "1", MIB },
		{ "512M", 512 * MIB },
		{ "256", 256 * MIB },
		{ "64", 64 * MIB },
		{ "1g", GIB },
		{ "256MB", 256 * MIB },
		{ "256mb", 256 * MIB },
		{ "1gib", GIB },
		{ "1b", 1 },
		{ "17592186044415", UINT64_MAX & ~(MIB - 1) },
		{ "4G", 4 * GIB },
		{ "4g", 4 * GIB },
		{ "64k", 64 * KIB },
		{ "1T", 1024 * GIB },
		{ "1GiB", GIB },
		{ "2MB", 2 * MIB },
		{ "100B", 100 },
		{ "16777215T", 16777215ULL << 40 },
	};
	static const char *const bad[] = { "",	   "M",	   "-1",  " 1",	 "1 M",	 "1X",	 "1MM",
					   "1.5G", "0x10", "+1",  "1iB", "1BB",	 "1BiB", "1Mi",
					   "nan",  "1kBB", "1M ", "1,",	 "1MIBS" };
	static const char *const out_of_range[] = { "0",
						    "0M",
						    "99999999999999999999",
						    "16777216T",
						    "17592186044416",
						    "99999999999999999999M" };
	uint64_t bytes;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(parse_size(good[i].text, &bytes), 0);
		assert_true(bytes == good[i].bytes);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_size(bad[i], &bytes), -EINVAL);
	for (unsigned int i = 0; i < ARRAY_SIZE(out_of_range); i++)
		assert_int_equal(parse_size(out_of_range[i], &bytes), -ERANGE);
}

/* What format_size() prints is read as the same size. */
static void sizes_come_back(void **state)
{
	static const uint64_t sizes_bytes[] = { 1,	 1000,	     KIB,	 64 * MIB,
						GIB + 1, 1025 * MIB, 5ULL << 40, 3ULL << 50 };
	char text[24];
	uint64_t bytes;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes_bytes); i++) {
		assert_int_equal(parse_size(format_size(sizes_bytes[i], text), &bytes), 0);
		assert_true(bytes == sizes_bytes[i]);
	}
}

static void numbers(void **state)
{
	static const char *const bad[] = { "", "-1", "+1", "1x", "x", " 1", "0x" };
	uint64_t n;

	(void)state;
	assert_int_equal(parse_uint("0", &n), 0);
	assert_int_equal(parse_uint("18446744073709551615", &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(parse_uint("0x3f8", &n), 0);
	assert_int_equal(n, 0x3f8);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_uint(bad[i], &n), -EINVAL);
	assert_int_equal(parse_uint("18446744073709551616", &n), -ERANGE);
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

/* What one command line prints; each but the last row is one option given twice. */
static const struct {
	const char *args[4];
	const char *line; /* "": nothing; NULL: refused */
} twice[] = {
	{ { "-t", "a", "-t", "b" }, "--text b: replaces --text a, which was given before" },
	{ { "-t", "a", "--text=a" }, "" },
	{ { "-m", "4M", "--mem", "5M" }, "--mem 5M: replaces --mem 4M, which was given before" },
	{ { "-m4", "-m4" }, "" },
	{ { "-c", "1", "-c", "2" }, "--cpus 2: replaces --cpus 1, which was given before" },
	{ { "--pick=red", "--pick=blue" },
	  "--pick blue: replaces --pick red, which was given before" },
	{ { "--maybe=x", "--maybe=y" }, "--maybe y: replaces --maybe x, which was given before" },
	{ { "--maybe=x", "--maybe" }, "" },
	{ { "--call", "x", "--call=y" }, "" }, /* may be given several times */
	{ { "-l", "x", "-l", "y" }, "" },
	{ { "-v", "-v", "--flag", "--flag" }, "" },
	{ { "-c", "1", "-c", "nine" }, NULL },
};

static void given_twice(void **state)
{
	char path[] = "/tmp/test-options-XXXXXX", text[256], line[256];
	struct messages m;
	struct cfg c;

	(void)state;
	close(mkstemp(path));
	for (unsigned int i = 0; i < ARRAY_SIZE(twice); i++) {
		int nr = 0, end;
		ssize_t n;

		while (nr < 4 && twice[i].args[nr])
			nr++;
		assert_int_equal(messages_begin(&m, path), 0);
		end = parse(&c, nr, (const char **)(uintptr_t)twice[i].args);
		n = pread(m.file, text, sizeof(text) - 1, 0);
		messages_end(&m);
		text[n > 0 ? n : 0] = '\0';
		if (!twice[i].line) {
			assert_int_equal(end, -EINVAL);
			continue;
		}
		assert_int_equal(end, nr + 1);
		snprintf(line, sizeof(line), *twice[i].line ? "kvm: %s\n" : "%s", twice[i].line);
		assert_string_equal(text, line);
	}
	unlink(path);
}

/* "--" ends the options, unless it is an option's argument. */
static void dashes(void **state)
{
	static const struct {
		const char *args[4];
		bool dashes;
		int end;
	} lines[] = {
		{ { "--" }, true, 2 },
		{ { "-v", "--", "x" }, true, 3 },
		{ { "-t", "--", "x" }, false, 3 },
		{ { "-t", "--" }, false, 3 },
		{ { "-t", "--", "--", "x" }, true, 4 },
		{ { "-v", "x", "--" }, false, 2 },
		{ { "--text=--", "--" }, true, 3 },
		{ { "-vt--", "--" }, true, 3 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(lines); i++) {
		char *argv[6] = { (char *)"test" };
		struct cfg c = { .text = NULL };
		int nr = 1;
		bool found;

		for (; nr < 5 && lines[i].args[nr - 1]; nr++)
			argv[nr] = (char *)(uintptr_t)lines[i].args[nr - 1];
		assert_int_equal(opt_parse_to_dashes(rows, ARRAY_SIZE(rows), &c, nr, argv, &found),
				 lines[i].end);
		assert_int_equal(found, lines[i].dashes);
	}
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
		cmocka_unit_test(sizes),       cmocka_unit_test(numbers),
		cmocka_unit_test(good_lines),  cmocka_unit_test(choices),
		cmocka_unit_test(lists),       cmocka_unit_test(sizes_come_back),
		cmocka_unit_test(given_twice), cmocka_unit_test(dashes),
		cmocka_unit_test(bad_lines),   cmocka_unit_test(help_names_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
