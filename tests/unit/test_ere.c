/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the matcher of --expect and --fail-on: the language, what is refused, and what a hostile
 * line costs. tests/fuzz/fuzz_ere.c compares it with libc's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/checks/ere.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>

static const struct {
	const char *pattern, *yes[3], *no[3];
} cases[] = {
	{ "b.d", { "good or bad", "b d" }, { "bd", "" } },
	{ "^a$", { "a" }, { "ba", "ab", "" } },
	{ "", { "", "a" }, { 0 } },
	{ "^(one|two|)$", { "one", "two", "" }, { "three" } },
	{ "a|b|^c$", { "xa", "bx", "c" }, { "cc", "" } },
	{ "^ab*c+d?$", { "acd", "abbcc" }, { "ad", "abcdd" } },
	{ "^(ab){2,3}$", { "abab", "ababab" }, { "ab", "abababab" } },
	{ "^a{2}b{1,}c{,1}$", { "aab", "aabbc" }, { "ab", "aabcc" } },
	{ "^(a*)*$", { "", "aaa" }, { "ab" } },
	{ "^(a|b{0}){3}$", { "aaa", "a" }, { "aaaa", "b" } },
	{ "^[a-c]+$", { "abc" }, { "abd" } },
	{ "^[^a-c]$", { "d", "]", "\xff" }, { "a" } },
	{ "^[]x]$", { "]", "x" }, { "[" } },
	{ "^[^]x]$", { "[" }, { "]" } },
	{ "^[[:digit:][:space:]-]+$", { "1 -\t2" }, { "1a" } },
	{ "^[\\1]+$", { "1\\" }, { "2" } },
	{ "^[[.-.]-/]$", { "-", ".", "/" }, { "0" } },
	{ "[[:alpha:][]x", { "ax", "[x" }, { "1x" } },
	{ "\\.\\*\\(\\{", { ".*({" }, { "a*({" } },
	{ "\\bend\\b", { "the end.", "end" }, { "bend", "ends" } },
	{ "\\<s\\w+\\>", { "a state" }, { "as" } },
	{ "o\\Bn", { "con" }, { "o n" } },
	{ "^\\W\\S\\s$", { "-a " }, { "aa ", "-  " } },
	{ "a)", { "a)" }, { "a" } },
	{ "login: $", { "debian login: " }, { "login: x" } },
	{ "\xc3\xbc.+", { "\xc3\xbc\xe4" }, { "\xc3\xbc" } },
};

static void test_language(void **state)
{
	const char *why;
	struct ere *e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (ere_compile(&e, cases[i].pattern, &why))
			fail_msg("/%s/: %s", cases[i].pattern, why);
		for (int k = 0; k < 3; k++) {
			if (cases[i].yes[k] && !ere_matches(e, cases[i].yes[k]))
				fail_msg("/%s/ does not match \"%s\"", cases[i].pattern,
					 cases[i].yes[k]);
			if (cases[i].no[k] && ere_matches(e, cases[i].no[k]))
				fail_msg("/%s/ matches \"%s\"", cases[i].pattern, cases[i].no[k]);
		}
		ere_free(e);
	}
}

static const char *const refused[][2] = {
	{ "(", "( without )" },
	{ "(a|b", "( without )" },
	{ "[a", "[ without ]" },
	{ "[[:alpha:]", "[ without ]" },
	{ "[[:alpha:", "[ without ]" },
	{ "*a", "nothing to repeat" },
	{ "a|+", "nothing to repeat" },
	{ "(?a)", "nothing to repeat" },
	{ "a{2,1}", "invalid interval in braces" },
	{ "a{x}", "invalid interval in braces" },
	{ "a{99999}", "invalid interval in braces" },
	{ "a{2", "invalid interval in braces" },
	{ "[b-a]", "invalid range in brackets" },
	{ "[[:alpha:]-z]", "invalid range in brackets" },
	{ "[a-c-e]", "invalid range in brackets" },
	{ "[[:letter:]]", "unknown name in brackets" },
	{ "[[.space.]]", "unknown name in brackets" },
	{ "a\\", "a backslash at the end" },
	{ "(a)\\1", "back-references are not supported" },
	{ "([[:alpha:][])\\1(]?)", "back-references are not supported" },
	{ "a{32767}", "too long, or repeats too much" },
	{ "((a{100}){100}){100}", "too long, or repeats too much" },
};

static void test_refused(void **state)
{
	char deep[600];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		const char *why = "accepted";
		struct ere *e;

		assert_int_equal(ere_compile(&e, refused[i][0], &why), -EINVAL);
		assert_null(e);
		if (strcmp(why, refused[i][1]) != 0)
			fail_msg("/%s/: %s", refused[i][0], why);
	}
	memset(deep, '(', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	for (const char *why = ""; !strstr(why, "nested");) {
		struct ere *e;

		assert_int_equal(ere_compile(&e, deep, &why), -EINVAL);
	}
}

/* A line cannot make a match need memory, however many positions it keeps alive. */
static void test_hostile_lines(void **state)
{
	char line[1025];
	const char *why;
	struct ere *e;
	size_t before;

	(void)state;
	assert_int_equal(ere_compile(&e, ".*e.{40}timeou7", &why), 0);
	before = mallinfo2().uordblks;
	for (unsigned int round = 0; round < 20; round++) {
		for (size_t i = 0; i < sizeof(line) - 1; i++)
			line[i] = "error timeout"[(i * 7 + i / 13 * round) % 13];
		line[sizeof(line) - 1] = '\0';
		assert_false(ere_matches(e, line));
	}
	assert_int_equal(mallinfo2().uordblks, before);
	ere_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_language),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_hostile_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
