/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the boot timeline: which marks count, their order, the table, and its place in a JSON
 * trace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/loop.h"
#include "kvm/timeline.h"
#include "kvm/trace/trace.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void none_is_fine(void **state)
{
	(void)state;
	timeline_reach(NULL, TIMELINE_KVM);
	timeline_mark(NULL, 1);
	assert_false(timeline_reached(NULL, TIMELINE_KVM));
	trace_timeline(NULL, NULL);
}

static void exec_is_before_now(void **state)
{
	uint64_t exec_ns = timeline_exec_ns();

	(void)state;
	assert_true(exec_ns && exec_ns < now_ns());
	assert_true(now_ns() - exec_ns < 60 * 1000000000ULL);
}

static void the_first_time_counts(void **state)
{
	struct timeline t = { 0 };
	uint64_t first;

	(void)state;
	assert_false(timeline_reached(&t, TIMELINE_SMP));
	timeline_reach(&t, TIMELINE_SMP);
	first = t.stage_ns[TIMELINE_SMP];
	assert_true(timeline_reached(&t, TIMELINE_SMP));
	while (now_ns() == first)
		;
	timeline_reach(&t, TIMELINE_SMP);
	assert_true(t.stage_ns[TIMELINE_SMP] == first);
}

static void marks_are_kept_to_a_limit(void **state)
{
	struct timeline t = { 0 };

	(void)state;
	for (unsigned int i = 0; i < 2 * TIMELINE_MARKS; i++)
		timeline_mark(&t, i);
	assert_int_equal(t.nr_marks, TIMELINE_MARKS);
	assert_int_equal(t.mark[TIMELINE_MARKS - 1].value, TIMELINE_MARKS - 1);
	assert_true(t.mark[0].ns && t.mark[0].ns <= t.mark[TIMELINE_MARKS - 1].ns);
}

/* Out of order, and two at the same time. */
static struct timeline example(void)
{
	struct timeline t = { .exec_ns = 5000000000, .nr_marks = 1 };

	t.stage_ns[TIMELINE_LOADED] = 5001500000;
	t.stage_ns[TIMELINE_KVM] = 5003000000;
	t.stage_ns[TIMELINE_ENTRY] = 5003000000;
	t.stage_ns[TIMELINE_END] = 6000000000;
	t.mark[0].ns = 5500250000;
	t.mark[0].value = 0x7b;
	return t;
}

static void the_table_goes_by_time(void **state)
{
	struct timeline t = example();
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	timeline_print(f, &t);
	fclose(f);
	assert_string_equal(
		text,
		"timeline, in ms since exec, and since the line before:\n"
		"       1.500      +1.500  launcher: devices, tables, kernel and initrd in place\n"
		"       3.000      +1.500  launcher: KVM set up\n"
		"       3.000      +0.000  guest: first instruction\n"
		"     500.250    +497.250  guest: mark 0x7b\n"
		"    1000.000    +499.750  launcher: the machine has ended\n");
	free(text);
}

static void a_json_trace_gets_it(void **state)
{
	struct timeline t = example();
	struct trace_config c = { .start_ns = t.exec_ns };
	struct trace *trace;
	char path[64], text[2048];
	size_t n;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/test_timeline.%d.json", (int)getpid());
	c.path = path;
	assert_int_equal(trace_open(&trace, &c, NULL, NULL), 0);
	trace_timeline(trace, &t);
	trace_close(trace);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	unlink(path);
	assert_non_null(strstr(text, "{\"traceEvents\":[\n{\"name\":\"launcher: devices"));
	assert_non_null(strstr(
		text,
		"\"name\":\"guest: mark 0x7b\",\"cat\":\"timeline\",\"ph\":\"i\",\"s\":\"p\",\"ts\":500250.000,"));
	assert_string_equal(text + n - 5, "}\n]}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_is_fine),
		cmocka_unit_test(exec_is_before_now),
		cmocka_unit_test(the_first_time_counts),
		cmocka_unit_test(marks_are_kept_to_a_limit),
		cmocka_unit_test(the_table_goes_by_time),
		cmocka_unit_test(a_json_trace_gets_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
