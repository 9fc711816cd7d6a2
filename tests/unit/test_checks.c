/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests the lines in a console's bytes, the kernel's reports in them, and the user's patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/checks/expect.h"
#include "kvm/checks/kernlog.h"
#include "kvm/checks/lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sink {
	unsigned int nr;
	char all[8192]; /* the lines, each in angle brackets */
};

static void collect(void *ctx, const char *text, size_t len)
{
	struct sink *s = ctx;
	size_t at = strlen(s->all);

	assert_int_equal(strlen(text), len);
	s->nr++;
	snprintf(s->all + at, sizeof(s->all) - at, "<%s>", text);
}

static void feed(struct lines *l, const char *text)
{
	lines_feed(l, (const uint8_t *)text, strlen(text));
}

static void test_lines_clean(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "plain\r\n", "<plain>" },
		{ "a\nb\n\nc", "<a><b><>" },
		{ "\033[1;31mred\033[0m\n", "<red>" },
		{ "\033]0;title\atext\n", "<text>" },
		{ "\033]0;title\033\\text\n", "<text>" },
		{ "\033(Btext\n", "<text>" },
		{ "\033[12\nnext\n", "<><next>" },
		{ "\033]never ends\nnext\n", "<><next>" },
		{ "a\tb\001\177\bc\n", "<a\tbc>" },
		{ "caf\xc3\xa9\n", "<caf\xc3\xa9>" },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sink whole = { 0 }, bytes = { 0 };
		struct lines l = { .line = collect, .ctx = &whole };
		struct lines m = { .line = collect, .ctx = &bytes };

		feed(&l, rows[i].in);
		for (const char *p = rows[i].in; *p; p++)
			lines_feed(&m, (const uint8_t *)p, 1);
		assert_string_equal(whole.all, rows[i].out);
		assert_string_equal(bytes.all, rows[i].out);
	}
}

static void test_lines_are_bounded(void **state)
{
	struct sink s = { 0 };
	struct lines l = { .line = collect, .ctx = &s };

	(void)state;
	for (unsigned int i = 0; i < 5000; i++)
		feed(&l, "x");
	assert_int_equal(strlen(lines_partial(&l)), LINES_MAX_BYTES);
	feed(&l, "\nnext");
	assert_int_equal(s.nr, 1);
	assert_int_equal(strlen(s.all), LINES_MAX_BYTES + 2);
	assert_string_equal(lines_partial(&l), "next");
	lines_end(&l);
	lines_end(&l);
	assert_int_equal(s.nr, 2);
}

static void test_messages(void **state)
{
	(void)state;
	assert_string_equal(lines_message("[    1.234567] a"), "a");
	assert_string_equal(lines_message("<6>[    1.234567] a"), "a");
	assert_string_equal(lines_message("[    1.234567][  T123]     ok 1 a"), "    ok 1 a");
	assert_string_equal(lines_message("[ BUG: Invalid wait context ]"),
			    "[ BUG: Invalid wait context ]");
	assert_string_equal(lines_message("plain [1.0] text"), "plain [1.0] text");
	assert_string_equal(lines_message(""), "");
	assert_string_equal(lines_message("[1.0]"), "");
	assert_string_equal(lines_message("<>x"), "<>x");
}

/* Feeds the lines of @text. */
static void log_text(struct kernlog *k, const char *text)
{
	char line[LINES_MAX_BYTES];
	uint64_t nr = 0;

	while (*text) {
		size_t n = strcspn(text, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)n, text);
		kernlog_line(k, line, ++nr);
		text += n + (text[n] != '\0');
	}
}

#define TRACE                                                                                      \
	"[    2.0] Call Trace:\n[    2.0]  <TASK>\n[    2.0]  foo+0x1/0x2\n[    2.0]  </TASK>\n"

/* The input, the report's class and title, and the number of its lines. */
static const struct {
	const char *text, *class, *title;
	unsigned int line_nr, nr_lines;
} reports[] = {
	{ "[    1.0] fine\n[    2.0] ------------[ cut here ]------------\n[    2.0] WARNING: CPU: 0 PID: 1 at a.c:1 f\n" TRACE
	  "[    2.0] ---[ end trace 0000000000000000 ]---\n[    3.0] on\n",
	  "warning", "WARNING: CPU: 0 PID: 1 at a.c:1 f", 2, 7 },
	{ "------------[ cut here ]------------\nWARNING: mm/slub.c:12 at f+0x1/0x2, CPU#1: a/7\n---[ end trace 0 ]---\n",
	  "warning", "WARNING: mm/slub.c:12 at f+0x1/0x2, CPU#1: a/7", 1, 3 },
	{ "[ 2.0] ------------[ cut here ]------------\n[ 2.0] kernel BUG at mm/a.c:1!\n[ 2.0] invalid opcode: 0000 [#1] SMP\n" TRACE
	  "[ 2.0] ---[ end trace 0 ]---\n[ 3.0] x\n",
	  "bug", "kernel BUG at mm/a.c:1!", 1, 8 },
	{ "[ 2.0] BUG: kernel NULL pointer dereference, address: 0\n[ 2.0] Oops: 0000 [#1] SMP\n" TRACE
	  "[ 2.0] ---[ end trace 0 ]---\n[ 3.0] x\n",
	  "oops", "BUG: kernel NULL pointer dereference, address: 0", 1, 7 },
	{ "[ 2.0] general protection fault, probably for non-canonical address 0x1: 0000\n[ 2.0] ---[ end trace 0 ]---\n",
	  "oops", "general protection fault, probably for non-canonical address 0x1: 0000", 1, 2 },
	{ "[ 2.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [a:1]\n[ 2.0] Modules linked in:\n" TRACE
	  "[ 3.0] on\n",
	  "soft lockup", "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [a:1]", 1, 6 },
	{ "[ 2.0] watchdog: BUG: soft lockup - CPU#0 stuck for 3s! [a:1]\n[ 2.0] RIP: 0010:f+0x1/0x2\n[ 2.0] Code: 12\n[ 2.0] Call Trace:\n[ 2.0]  <IRQ>\n[ 2.0]  f+0x1/0x2\n[ 2.0]  </IRQ>\n[ 2.0]  <TASK>\n[ 2.0]  asm_f+0x1/0x2\n[ 2.0] RIP: 0010:loop+0x1/0x2\n[ 2.0] RSP: 0018:1\n[ 2.0] RAX: 1\n[ 2.0]  ? g+0x1/0x2\n[ 2.0]  </TASK>\n[ 3.0] on\n",
	  "soft lockup", "watchdog: BUG: soft lockup - CPU#0 stuck for 3s! [a:1]", 1, 14 },
	{ "[ 2.0] INFO: task a:1 blocked for more than 120 seconds.\n[ 2.0]       Not tainted 6.1\n" TRACE,
	  "hung task", "INFO: task a:1 blocked for more than 120 seconds.", 1, 6 },
	{ "[ 2.0] rcu: INFO: rcu_preempt self-detected stall on CPU\n[ 2.0] Call Trace:\n[ 2.0]  f+0x1/0x2\n[ 2.0] other\n",
	  "rcu stall", "rcu: INFO: rcu_preempt self-detected stall on CPU", 1, 3 },
	{ "[ 2.0] rcu: INFO: rcu_sched detected stalls on CPUs/tasks:\n[ 2.0] rcu: RCU grace-period kthread stack dump:\n[ 2.0] task:rcu_sched state:R\n" TRACE
	  "[ 2.0] rcu: Stack dump where RCU GP kthread last ran:\n[ 2.0] CPU: 0 PID: 4\n[ 2.0] RIP: 0010:f+0x1/0x2\n[ 2.0] CS: 0010\n" TRACE
	  "[ 3.0] on\n",
	  "rcu stall", "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:", 1, 15 },
	{ "[ 2.0] ======================================================\n[ 2.0] WARNING: possible circular locking dependency detected\n" TRACE,
	  "lockdep", "WARNING: possible circular locking dependency detected", 2, 5 },
	{ "[ 2.0] ==================================================================\n[ 2.0] BUG: KASAN: slab-out-of-bounds in f\n" TRACE
	  "[ 2.0] Memory state\n[ 2.0] ==================================================================\n[ 2.0] x\n",
	  "kasan", "BUG: KASAN: slab-out-of-bounds in f", 2, 7 },
	{ "[ 2.0] ==================================================================\n[ 2.0] BUG: KFENCE: use-after-free read in f\n[ 2.0] ==================================================================\n",
	  "kfence", "BUG: KFENCE: use-after-free read in f", 2, 2 },
	{ "[ 2.0] ================================================================================\n[ 2.0] UBSAN: shift-out-of-bounds in a.c:1\n[ 2.0] ================================================================================\n",
	  "ubsan", "UBSAN: shift-out-of-bounds in a.c:1", 2, 2 },
	{ "[ 2.0] ------------[ cut here ]------------\n[ 2.0] UBSAN: array-index-out-of-bounds in a.c:1\n" TRACE
	  "[ 2.0] ---[ end trace ]---\n",
	  "ubsan", "UBSAN: array-index-out-of-bounds in a.c:1", 1, 7 },
	{ "[ 2.0] Kernel panic - not syncing: x\n" TRACE
	  "[ 2.0] ---[ end Kernel panic - not syncing: x ]---\n",
	  "panic", "Kernel panic - not syncing: x", 1, 6 },
	{ "[ 2.0] kmemleak: 3 new suspected memory leaks (see /sys)\n[ 2.0] x\n", "kmemleak",
	  "kmemleak: 3 new suspected memory leaks (see /sys)", 1, 1 },
	{ "[ 2.0] irq 9: nobody cared (try booting with the \"irqpoll\" option)\n" TRACE, "irq",
	  "irq 9: nobody cared (try booting with the \"irqpoll\" option)", 1, 5 },
	{ "[ 2.0] BUG: sleeping function called from invalid context at a.c:1\n" TRACE, "bug",
	  "BUG: sleeping function called from invalid context at a.c:1", 1, 5 },
};

static unsigned int count_lines(const struct kernlog_report *r)
{
	unsigned int nr = 0;

	for (size_t i = 0; i < r->len; i++)
		nr += r->text[i] == '\n';
	return nr;
}

static void test_reports(void **state)
{
	struct kernlog *k = malloc(sizeof(*k));

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(reports); i++) {
		memset(k, 0, sizeof(*k));
		log_text(k, reports[i].text);
		assert_int_equal(k->nr_seen, 1);
		assert_string_equal(k->report[0].class, reports[i].class);
		assert_string_equal(k->report[0].title, reports[i].title);
		assert_int_equal(k->report[0].line_nr, reports[i].line_nr);
		assert_int_equal(count_lines(&k->report[0]), reports[i].nr_lines);
		assert_false(k->open);
	}
	free(k);
}

static void test_no_reports(void **state)
{
	static const char *const innocent[] = {
		"[ 1.0] ACPI: bus type USB registered\n[ 1.0] random: crng init done\n",
		"[ 1.0] booted\nWARNING: CPU: 0 PID: 1 at a.c:1\nBUG: of a program's\n",
		"[ 1.0] irq 9: assigned\n[ 1.0] INFO: task started\n[ 1.0] Oopsie\n[ 1.0] kmemleak: Kernel memory leak detector disabled\n",
		"[ 1.0] text with WARNING: CPU: in it\n[ 1.0] WARNING: systemd is slow\n",
		"[ 1.0] watchdog: CPU0 is fine\n[ 1.0] rcu: INFO: rcu_tasks ready\n",
		"[ 1.0] general protection faults are rare\n",
	};
	struct kernlog *k = malloc(sizeof(*k));

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(innocent); i++) {
		memset(k, 0, sizeof(*k));
		log_text(k, innocent[i]);
		assert_int_equal(k->nr_seen, 0);
	}
	free(k);
}

/* A panic is a report of its own, wherever it occurs; a new report ends the one before it. */
static void test_report_in_report(void **state)
{
	struct kernlog *k = calloc(1, sizeof(*k));

	(void)state;
	log_text(
		k,
		"[ 1.0] Oops: 0000 [#1]\n[ 1.0] RIP: f\n[ 1.0] Kernel panic - not syncing: y\n[ 1.0] ---[ end Kernel panic - not syncing: y ]---\n");
	assert_int_equal(k->nr_seen, 2);
	assert_true(k->panicked);
	assert_int_equal(count_lines(&k->report[0]), 2);
	assert_string_equal(k->report[1].class, "panic");
	memset(k, 0, sizeof(*k));
	log_text(
		k,
		"[ 1.0] INFO: task a:1 blocked for\n[ 1.0] Call Trace:\n[ 1.0]  f\n[ 1.0] INFO: task b:2 blocked for\n[ 1.0] Call Trace:\n[ 1.0]  g\n");
	assert_int_equal(k->nr_seen, 2);
	assert_string_equal(k->report[1].title, "INFO: task b:2 blocked for");
	assert_true(k->open);
	kernlog_end(k);
	assert_false(k->open);
	memset(k, 0, sizeof(*k));
	log_text(
		k,
		"[ 1.0] WARNING: lock held when returning to user space!\n[ 1.0] 1 lock held by a/1:\n[ 1.0] BUG: scheduling while atomic: a/1\n[ 1.0] Call Trace:\n[ 1.0]  f\n[ 1.0]  </TASK>\n");
	assert_int_equal(k->nr_seen, 2);
	assert_string_equal(k->report[0].class, "lockdep");
	assert_int_equal(count_lines(&k->report[0]), 2);
	assert_string_equal(k->report[1].class, "bug");
	assert_int_equal(count_lines(&k->report[1]), 4);
	free(k);
}

static void test_reports_are_bounded(void **state)
{
	struct kernlog *k = calloc(1, sizeof(*k));
	char line[LINES_MAX_BYTES + 1];

	(void)state;
	memset(line, 'x', sizeof(line));
	line[LINES_MAX_BYTES] = '\0';
	for (unsigned int i = 0; i < 100; i++) {
		kernlog_line(k, "Oops: 1", 1);
		for (unsigned int j = 0; j < KERNLOG_REPORT_LINES + 5; j++)
			kernlog_line(k, line, 2);
	}
	assert_int_equal(k->nr_seen, 100);
	assert_int_equal(k->nr_reports, KERNLOG_MAX_REPORTS);
	assert_true(k->report[0].len <= KERNLOG_REPORT_BYTES);
	free(k);
}

static void test_expect_order(void **state)
{
	static const char *const wanted[] = { "^one", "two$", "(three|drei)" };
	struct expect e = { 0 };

	(void)state;
	assert_int_equal(expect_init(&e, wanted, 3, NULL, 0, false), 0);
	assert_false(expect_wanted(&e, "two", 1));
	assert_true(expect_wanted(&e, "one two", 2)); /* one on each line */
	assert_string_equal(expect_first_unmet(&e)->text, "two$");
	assert_false(expect_wanted(&e, "drei", 3));
	assert_true(expect_wanted(&e, "two", 4));
	assert_false(expect_all_met(&e));
	assert_true(expect_wanted(&e, "drei", 5));
	assert_true(expect_all_met(&e));
	assert_null(expect_first_unmet(&e));
	assert_int_equal(e.wanted[1].line_nr, 4);
	expect_fini(&e);
}

/* A prompt is matched while it waits, and its line again when it is complete. */
static void test_a_line_meets_one(void **state)
{
	static const char *const wanted[] = { "login:", "login:" };
	struct expect e = { 0 };

	(void)state;
	assert_int_equal(expect_init(&e, wanted, 2, NULL, 0, false), 0);
	assert_true(expect_wanted(&e, "login: ", 7));
	assert_false(expect_wanted(&e, "login: root", 7));
	assert_true(expect_wanted(&e, "login: ", 9));
	assert_true(expect_all_met(&e));
	expect_fini(&e);
}

static void test_expect_any_order(void **state)
{
	static const char *const wanted[] = { "one", "two", "three" };
	static const char *const forbidden[] = { "bad", "^worse$" };
	struct expect e = { 0 };

	(void)state;
	assert_int_equal(expect_init(&e, wanted, 3, forbidden, 2, true), 0);
	assert_true(expect_wanted(&e, "three, two", 1));
	assert_string_equal(expect_first_unmet(&e)->text, "one");
	assert_true(expect_wanted(&e, "one", 2));
	assert_true(expect_all_met(&e));
	assert_null(expect_forbidden(&e, "much worse"));
	assert_string_equal(expect_forbidden(&e, "worse")->text, "^worse$");
	expect_fini(&e);
}

static void test_expect_check(void **state)
{
	static const char *const bad[] = {
		"", "(", "[a", "(a)\\1", "[[:alpha:]]\\2", "[]x](y)\\1"
	};
	static const char *const good[] = { "a",     "[\\1]",	 "[]\\1]", "\\\\1",
					    "a\\.b", "[^]\\1]x", "a{2,3}" };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(expect_compiles("expect", bad[i]), -EINVAL);
	for (unsigned int i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(expect_compiles("expect", good[i]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_clean),
		cmocka_unit_test(test_lines_are_bounded),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_reports),
		cmocka_unit_test(test_no_reports),
		cmocka_unit_test(test_report_in_report),
		cmocka_unit_test(test_reports_are_bounded),
		cmocka_unit_test(test_expect_order),
		cmocka_unit_test(test_a_line_meets_one),
		cmocka_unit_test(test_expect_any_order),
		cmocka_unit_test(test_expect_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
