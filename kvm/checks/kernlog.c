/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds a kernel's reports of its own faults by a table of their texts, taken from the sources of
 * Linux 6.1 to 6.17.
 *
 * - A report begins with one of the texts at the beginning of a message (after its time stamp), or
 *   with "cut here"; then the first of the texts in it names it.
 * - Once a console has shown time stamps, only lines with one begin a report: a program that prints
 *   "WARNING: ..." is not the kernel.
 * - A report ends by the rule of its class, or at the latest after KERNLOG_REPORT_LINES lines.
 * - A panic ends any report in which it comes, and begins its own.
 */
#include "kernlog.h"

#include "lines.h"

#include <stdio.h>
#include <string.h>

enum ends_by {
	BY_TRACE,  /* "---[ end ..." */
	BY_STACK,  /* the last line of its first call trace */
	BY_STACKS, /* the line after its last call trace, of several */
	BY_BAR,	   /* a line of ===== */
	BY_LINE,   /* at once: it has one line */
};

/* Arrays, not pointers: the loader relocates pointers at each start. */
struct text {
	char class[20];
	enum ends_by ends_by;
	char text[52];
};

#define CUT_HERE "------------[ cut here ]------------"
#define PANIC "Kernel panic - not syncing"

static const struct text texts[] = {
	{ "panic", BY_TRACE, PANIC },
	{ "bug", BY_TRACE, "kernel BUG at " },
	{ "oops", BY_TRACE, "Oops" },
	{ "oops", BY_TRACE, "BUG: unable to handle " },
	{ "oops", BY_TRACE, "BUG: kernel NULL pointer dereference" },
	{ "oops", BY_TRACE, "general protection fault" },
	{ "oops", BY_TRACE, "invalid opcode: " },
	{ "oops", BY_TRACE, "divide error: " },
	{ "oops", BY_TRACE, "stack segment: " },
	{ "oops", BY_TRACE, "double fault: " },
	{ "oops", BY_TRACE, "traps: PANIC: double fault" },
	{ "oops", BY_TRACE, "BUG: stack guard page was hit" },
	{ "kasan", BY_BAR, "BUG: KASAN: " },
	{ "kfence", BY_BAR, "BUG: KFENCE: " },
	{ "kmsan", BY_BAR, "BUG: KMSAN: " },
	{ "kcsan", BY_BAR, "BUG: KCSAN: " },
	{ "ubsan", BY_BAR, "UBSAN: " },
	{ "slub", BY_STACK, "BUG kmalloc" },
	{ "kmemleak", BY_LINE, "kmemleak: " },
	{ "soft lockup", BY_STACK, "watchdog: BUG: soft lockup" },
	{ "hard lockup", BY_STACK, "watchdog: Watchdog detected hard LOCKUP" },
	{ "hard lockup", BY_STACK, "watchdog: CPU" },
	{ "hard lockup", BY_STACK, "NMI watchdog: Watchdog detected hard LOCKUP" },
	{ "workqueue lockup", BY_STACK, "BUG: workqueue lockup" },
	{ "hung task", BY_STACK, "INFO: task " },
	{ "rcu stall", BY_STACKS, "rcu: INFO: rcu_" },
	{ "rcu stall", BY_STACKS, "INFO: rcu_" },
	{ "lockdep", BY_STACK, "WARNING: possible " },
	{ "lockdep", BY_STACK, "WARNING: inconsistent lock state" },
	{ "lockdep", BY_STACK, "WARNING: suspicious RCU usage" },
	{ "lockdep", BY_STACK, "WARNING: bad unlock balance" },
	{ "lockdep", BY_STACK, "WARNING: bad contention detected" },
	{ "lockdep", BY_STACK, "WARNING: held lock freed" },
	{ "lockdep", BY_STACK, "WARNING: lock held when returning to user space" },
	{ "lockdep", BY_STACK, "WARNING: Nested lock was not taken" },
	{ "lockdep", BY_STACK, "WARNING: HARDIRQ-" },
	{ "lockdep", BY_STACK, "WARNING: SOFTIRQ-" },
	{ "lockdep", BY_STACK, "[ BUG: Invalid wait context ]" },
	{ "lockdep", BY_STACK, "INFO: trying to register non-static key" },
	{ "lockdep", BY_STACK, "BUG: MAX_LOCK" },
	{ "lockdep", BY_STACK, "BUG: MAX_STACK_TRACE_ENTRIES too low" },
	{ "warning", BY_TRACE, "WARNING: CPU: " },
	{ "irq", BY_STACK, "irq " },
	{ "bug", BY_STACK, "BUG: " },
};

/*
 * Returns whether the rest of the line fits texts that are too short to identify a report by
 * themselves.
 */
static bool plausible(const struct text *t, const char *message)
{
	if (!strcmp(t->text, "irq "))
		return strstr(message, ": nobody cared");
	if (!strcmp(t->text, "INFO: task "))
		return strstr(message, " blocked ");
	if (!strcmp(t->text, "INFO: rcu_") || !strcmp(t->text, "rcu: INFO: rcu_"))
		return strstr(message, "stall");
	if (!strcmp(t->text, "kmemleak: "))
		return strstr(message, "suspected memory leak");
	if (!strcmp(t->text, "watchdog: CPU"))
		return strstr(message, "hard LOCKUP");
	if (!strcmp(t->text, "Oops"))
		return message[4] == ':' || !strncmp(message + 4, " - ", 3);
	if (!strcmp(t->text, "general protection fault"))
		return strchr(":,", message[strlen(t->text)]);
	return true;
}

/* Since 6.18 a warning is "WARNING: file.c:123 at function, CPU#0: ...". */
static bool is_new_warning(const char *message)
{
	return !strncmp(message, "WARNING: ", 9) && strstr(message, " at ") &&
	       strstr(message, "CPU#");
}

static const struct text *find_text(const char *message)
{
	static const struct text new_warning = { "warning", BY_TRACE, "WARNING: " };

	for (unsigned int i = 0; i < ARRAY_SIZE(texts); i++) {
		if (!strncmp(message, texts[i].text, strlen(texts[i].text)) &&
		    plausible(&texts[i], message))
			return &texts[i];
	}
	return is_new_warning(message) ? &new_warning : NULL;
}

static bool is_bar(const char *message)
{
	return strspn(message, "=") >= 18;
}

static struct kernlog_report *last(struct kernlog *k)
{
	return &k->report[k->nr_reports - 1];
}

static void append(struct kernlog *k, const char *line)
{
	struct kernlog_report *r = last(k);
	size_t len = strlen(line);

	if (KERNLOG_REPORT_BYTES - r->len <= len)
		return;
	memcpy(r->text + r->len, line, len);
	r->text[r->len + len] = '\n';
	r->len += len + 1;
}

static void name_report(struct kernlog *k, const struct text *t, const char *message)
{
	struct kernlog_report *r = last(k);

	r->class = t->class;
	snprintf(r->title, sizeof(r->title), "%s", message);
}

static enum kernlog_event begin(struct kernlog *k, const struct text *t, const char *line,
				const char *message, uint64_t line_nr)
{
	k->nr_seen++;
	k->open = false;
	if (k->nr_reports == KERNLOG_MAX_REPORTS)
		return KERNLOG_BEGINS;
	k->nr_reports++;
	last(k)->len = 0;
	last(k)->line_nr = line_nr;
	k->open = true;
	k->stack_seen = false;
	k->nr_lines = 1;
	k->ends_by = t->ends_by == BY_BAR && !k->bars ? BY_STACK : t->ends_by;
	name_report(k, t, message);
	append(k, line);
	k->open = t->ends_by != BY_LINE;
	return k->open ? KERNLOG_BEGINS : KERNLOG_ENDS;
}

/*
 * Returns whether @message shows registers. They stand between a call trace's lines where an
 * interrupt or a system call interrupted something.
 */
static bool is_registers(const char *message)
{
	static const char names[][6] = { "RIP: ", "Code: ", "RSP: ", "RAX: ", "RDX: ",
					 "RBP: ", "R10: ",  "R13: ", "FS: ",  "CS: ",
					 "CR2: ", "EIP: ",  "EAX: ", "ESI: ", "DS: " };

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strncmp(message, names[i], strnlen(names[i], sizeof(names[i]))))
			return true;
	}
	return false;
}

/*
 * Returns whether @message is part of an RCU stall, which shows one after the other the CPUs, RCU's
 * own thread, and the call trace of each.
 */
static bool is_of_stall(const char *message)
{
	static const char texts_of[][16] = { "rcu: ",	    "NMI backtrace",  "Sending NMI",
					     "task:",	    "CPU: ",	      "Hardware name",
					     "Call Trace:", "Modules linked", "\t(detect" };

	for (unsigned int i = 0; i < ARRAY_SIZE(texts_of); i++) {
		if (!strncmp(message, texts_of[i], strnlen(texts_of[i], sizeof(texts_of[i]))))
			return true;
	}
	return false;
}

static bool by_stack(const struct kernlog *k)
{
	return k->ends_by == BY_STACK || k->ends_by == BY_STACKS;
}

/*
 * Returns whether @message comes after the call trace, whose lines are indented, except registers.
 */
static bool stack_is_over(struct kernlog *k, const char *message)
{
	if (!strncmp(message, "Call Trace:", 11)) {
		k->stack_seen = true;
		return false;
	}
	return k->stack_seen && *message != ' ' && !is_registers(message) &&
	       (k->ends_by != BY_STACKS || !is_of_stall(message));
}

/*
 * Returns whether the next report begins here. Some reports have no call trace, and the next one
 * follows at once.
 */
static bool is_next(const struct kernlog *k, const struct text *t)
{
	return t && by_stack(k) && !k->stack_seen && k->nr_lines > 1;
}

static enum kernlog_event go_on(struct kernlog *k, const char *line, const char *message)
{
	bool over = ++k->nr_lines >= KERNLOG_REPORT_LINES;

	if (by_stack(k) && stack_is_over(k, message)) {
		k->open = false;
		return KERNLOG_ENDS; /* this line belongs to another message */
	}
	append(k, line);
	over = over || (k->ends_by == BY_STACK && k->stack_seen && !strcmp(message, " </TASK>"));
	over = over || (k->ends_by == BY_TRACE && !strncmp(message, "---[ end ", 9));
	over = over || (k->ends_by == BY_BAR && is_bar(message));
	k->open = !over;
	return over ? KERNLOG_ENDS : KERNLOG_NOTHING;
}

static const char *message_of(struct kernlog *k, const char *line, bool *own)
{
	const char *message = lines_message(line);
	bool stamped = message != line;

	k->stamped = k->stamped || stamped;
	*own = stamped || !k->stamped;
	return message;
}

enum kernlog_event kernlog_line(struct kernlog *k, const char *line, uint64_t line_nr)
{
	static const struct text cut_here = { "warning", BY_TRACE, CUT_HERE };
	enum kernlog_event event = KERNLOG_NOTHING;
	bool own, panics;
	const char *message = message_of(k, line, &own);
	const struct text *t = own ? find_text(message) : NULL;

	if (own && !t && !strncmp(message, CUT_HERE, sizeof(CUT_HERE) - 1))
		t = &cut_here;
	panics = t && t == &texts[0] && !k->panicked;
	if (k->open && !panics && !is_next(k, t)) {
		if (t && t != &cut_here && !strcmp(last(k)->title, CUT_HERE))
			name_report(k, t, message);
		event = go_on(k, line, message);
		/* The line after a call trace may be the next report's first. */
		if (event != KERNLOG_ENDS || !by_stack(k) || !stack_is_over(k, message))
			return event;
	}
	k->panicked = k->panicked || panics;
	if (t)
		event = begin(k, t, line, message, line_nr);
	k->bars = is_bar(message);
	return event;
}

void kernlog_end(struct kernlog *k)
{
	k->open = false;
}
