/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the KTAP parser: output of KUnit and kselftest, output that breaks off, and lines that only
 * look like KTAP.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/checks/ktap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void parse(struct ktap *k, const char *text)
{
	char line[1024];
	uint64_t nr = 0;

	*k = (struct ktap){ 0 };
	while (*text) {
		size_t n = strcspn(text, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)n, text);
		ktap_line(k, line, ++nr);
		text += n + (text[n] != '\0');
	}
	ktap_end(k, nr);
}

/* "path=status" of all results that count, separated by spaces. */
static void render(const struct ktap *k, char *to, size_t room)
{
	static const char letter[] = "+-stE";
	char path[800];
	size_t len = 0;

	to[0] = '\0';
	for (unsigned int i = 0; i < k->nr_nodes; i++) {
		if (ktap_counts(&k->node[i]))
			len += (size_t)snprintf(to + len, room - len, "%s%c%s", len ? " " : "",
						letter[k->node[i].status],
						ktap_path(k, (int)i, path, sizeof(path)));
	}
}

static const struct {
	const char *text, *results;
} rows[] = {
	/* flat, with names and without, with directives */
	{ "TAP version 13\n1..4\nok 1 - a\nnot ok 2 b\nok 3\nok 4 - d # SKIP why not\n",
	  "+a -b +test 3 sd" },
	{ "TAP version 13\n1..1\nok 12345678901234567\n", "+test 1234567890123456" },
	{ "KTAP version 1\n1..2\nnot ok 1 a # TODO later\nok 2 b # skip\n", "ta sb" },
	{ "1..2\n", "" },
	{ "ok 1 not a test\nnot ok 2 nor this\n", "" },
	/* KUnit, now and before 6.3; with time stamps */
	{ "KTAP version 1\n1..2\n    KTAP version 1\n    # Subtest: s\n    1..2\n    ok 1 a\n    not ok 2 b\nnot ok 1 s\n    KTAP version 1\n    # Subtest: t\n    1..1\n    ok 1 c\nok 2 t\n",
	  "+s.a -s.b +t.c" },
	{ "TAP version 14\n1..1\n    # Subtest: s\n    1..2\n    ok 1 - a\n    ok 2 - b\nok 1 - s\n",
	  "+s.a +s.b" },
	{ "[    1.000000] KTAP version 1\n[    1.000000] 1..1\n[    1.000000]     KTAP version 1\n[    1.000000]     # Subtest: s\n[    1.000000]     1..1\n[    1.000000]     ok 1 a\n[    1.000000] ok 1 s\n",
	  "+s.a" },
	/* parameterised: three levels, the deepest without a plan */
	{ "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..2\n        KTAP version 1\n        # Subtest: p\n        ok 1 x\n        ok 2 y\n    ok 1 p\n    ok 2 q\nok 1 s\n",
	  "+s.p.x +s.p.y +s.q" },
	/* kselftest: nested behind "# " */
	{ "TAP version 13\n1..2\n# timeout set to 45\n# selftests: a: b\n# TAP version 13\n# 1..2\n# ok 1 x\n# not ok 2 y\n# # Totals: pass:1 fail:1\nnot ok 1 selftests: a: b # exit=1\nok 2 selftests: a: c # SKIP\n",
	  "+selftests: a: b.x -selftests: a: b.y sselftests: a: c" },
	/* a suite that fails by itself */
	{ "KTAP version 1\n1..1\n    # Subtest: s\n    1..1\n    ok 1 a\nnot ok 1 s\n", "+s.a -s" },
	/* output that breaks off: in a flat list, in a suite, between suites */
	{ "TAP version 13\n1..3\nok 1 a\n", "+a Etests" },
	{ "KTAP version 1\n1..2\n    KTAP version 1\n    # Subtest: s\n    1..2\n    ok 1 a\n",
	  "+s.a Es Etests" },
	{ "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..2\n    ok 1 a\nok 1 s\n",
	  "+s.a Es.missing results" },
	{ "TAP version 13\n1..2\nok 1 a\nBail out! no more\n", "+a Etests" },
	{ "TAP version 13\nok 1 a\nBail out! no more\n", "+a EBail out!" },
	/* between results the kernel prints messages; after the last one there are no more tests */
	{ "TAP version 13\n1..2\n[    1.0] usb: new device\nok 1 a\nhello\nok 2 b\nok 3 c\n",
	  "+a +b" },
	{ "TAP version 13\n1..1\nok 1 a\nTAP version 13\n1..1\nnot ok 1 a\n", "+a -a" },
	{ "TAP version 13\n1..0 # SKIP no hardware\nok 1 x\n", "" },
};

static void test_results(void **state)
{
	char got[2000];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ktap k;

		parse(&k, rows[i].text);
		render(&k, got, sizeof(got));
		assert_string_equal(got, rows[i].results);
		ktap_fini(&k);
	}
}

static void test_totals(void **state)
{
	struct ktap_totals t;
	struct ktap k;

	(void)state;
	parse(&k,
	      "TAP version 13\n1..5\nok 1 a\nnot ok 2 b\nok 3 c # SKIP\nnot ok 4 d # TODO\nnot ok 5 e\n");
	t = ktap_totals(&k);
	assert_int_equal(t.passed, 1);
	assert_int_equal(t.failed, 2);
	assert_int_equal(t.skipped, 1);
	assert_int_equal(t.todo, 1);
	assert_string_equal(k.node[t.first_failed].name, "b");
	ktap_fini(&k);
}

/*
 * A failed test's output before its result is kept, or its latest part if it is long; a passed
 * test's output is not.
 */
static void test_diagnostics(void **state)
{
	struct ktap k;

	(void)state;
	parse(&k,
	      "TAP version 13\n1..2\n# of a\nok 1 a\n# b: EXPECTATION FAILED\n    at b.c:1\nnot ok 2 b\n");
	assert_null(k.node[0].diagnostic);
	assert_string_equal(k.node[1].diagnostic, "# b: EXPECTATION FAILED\n    at b.c:1\n");
	ktap_fini(&k);
	k = (struct ktap){ 0 };
	ktap_line(&k, "TAP version 13", 1);
	for (unsigned int i = 0; i < 10000; i++)
		ktap_line(&k, i == 9999 ? "last" : "a line of no interest", 2);
	ktap_line(&k, "not ok 1 a", 3);
	assert_true(strlen(k.node[0].diagnostic) <= KTAP_DIAGNOSTIC_BYTES);
	assert_non_null(strstr(k.node[0].diagnostic, "\nlast\n"));
	ktap_fini(&k);
}

static void test_bounds(void **state)
{
	struct ktap k = { 0 };
	char line[64];

	(void)state;
	for (unsigned int i = 0; i < 3 * KTAP_MAX_DEPTH; i++) {
		snprintf(line, sizeof(line), "%*sTAP version 13", (int)(2 * i), "");
		ktap_line(&k, line, 1);
	}
	assert_true(k.nr_levels <= KTAP_MAX_DEPTH);
	for (unsigned int i = 0; i < KTAP_MAX_NODES + 10; i++)
		ktap_line(&k, i % 2 ? "ok 1 a" : "not ok 1 a", 2);
	assert_int_equal(k.nr_nodes, KTAP_MAX_NODES);
	assert_true(k.nr_dropped_bad >= 5);
	assert_true(ktap_totals(&k).failed >= KTAP_MAX_NODES / 2);
	ktap_fini(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_totals),
		cmocka_unit_test(test_diagnostics),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
