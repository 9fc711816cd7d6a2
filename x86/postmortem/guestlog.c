/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints the part of a kernel's log that no console has shown.
 *
 * A log is not shown if the kernel died before its console was up, has none, or has one elsewhere.
 * x86/linux/printk.c reads the ring from guest memory. The code looks for each message in the last
 * bytes that each console has printed, and for its time stamp in what was printed before: all
 * messages after the last one found are new.
 *
 * Thread: any. Locks: takes the autopsy's lock. The guest may be running.
 */
#include "guestlog.h"

#include "gather.h"
#include "kvm/vm.h"
#include "page.h"
#include "x86/linux/linux.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* Shorter texts may occur by chance. */
#define TELLING_BYTES 8
#define NS_PER_US 1000U
/*
 * How many of the last messages to print if consoles have shown output, but none of it is in the
 * ring.
 */
#define LAST_RECORDS 40

/* A console's last bytes, in order, and the newest time stamp before them. */
struct shown {
	bool has_stamp;
	uint64_t stamp_us;
	size_t len;
	char text[TAIL_BYTES];
};

struct search {
	struct autopsy *a;
	const struct shown *shown;
	unsigned int nr_shown;
	bool forgot;	   /* a console has shown more than is kept */
	unsigned int at;   /* the current record, from 1 */
	unsigned int last; /* the last record that a console has shown; 0: none */
};

static void unroll(struct shown *s, const struct console_tail *t)
{
	size_t head = t->nr > TAIL_BYTES ? t->nr % TAIL_BYTES : 0;

	s->has_stamp = t->has_stamp;
	s->stamp_us = t->stamp_us;
	s->len = min_u64(t->nr, TAIL_BYTES);
	memcpy(s->text, t->bytes + head, s->len - head);
	memcpy(s->text + s->len - head, t->bytes, head);
}

/*
 * Keeps the rest of a line that begins with @start, without characters that a terminal would obey.
 */
static void keep_rest(char *to, const char *start, const char *text, size_t len)
{
	size_t skip = strlen(start);

	if (len <= skip || memcmp(text, start, skip) != 0)
		return;
	len = min_u64(len - skip, PANIC_TEXT_BYTES - 1);
	for (size_t i = 0; i < len; i++)
		to[i] = text[skip + i] >= ' ' && text[skip + i] <= '~' ? text[skip + i] : '?';
	to[len] = '\0';
}

static void look_for_shown(void *ctx, uint64_t ts_ns, unsigned int level, const char *text,
			   size_t len)
{
	struct search *s = ctx;
	const char *line = memchr(text, '\n', len);

	(void)level;
	s->at++;
	len = line ? (size_t)(line - text) : len;
	keep_rest(s->a->panic_text, "Kernel panic - not syncing: ", text, len);
	if (!s->a->bug_text[0]) /* the first one causes those that follow */
		keep_rest(s->a->bug_text, "BUG: ", text, len);
	for (unsigned int i = 0; i < s->nr_shown; i++) {
		const struct shown *shown = &s->shown[i];

		if ((shown->has_stamp && shown->stamp_us == ts_ns / NS_PER_US) ||
		    (len >= TELLING_BYTES && memmem(shown->text, shown->len, text, len)))
			s->last = s->at;
	}
}

/*
 * Sets *@shown to how many of the oldest records need not be printed, since consoles have shown
 * them, and *@nr to the number of all records. Returns whether no console has shown the others.
 */
static bool count_shown(struct autopsy *a, const struct linux_guest *g, unsigned int *shown,
			unsigned int *nr)
{
	struct shown texts[CONFIG_NR_SERIAL];
	struct search s = { .a = a, .shown = texts };

	a->panic_text[0] = '\0';
	a->bug_text[0] = '\0';
	pthread_mutex_lock(&a->tail_lock);
	for (unsigned int i = 0; i < CONFIG_NR_SERIAL; i++) {
		s.forgot |= a->tail[i].nr > TAIL_BYTES;
		if (a->tail[i].nr)
			unroll(&texts[s.nr_shown++], &a->tail[i]);
	}
	pthread_mutex_unlock(&a->tail_lock);
	linux_log_walk(g, look_for_shown, &s);
	*nr = s.at;
	*shown = s.nr_shown && !s.last && s.at > LAST_RECORDS ? s.at - LAST_RECORDS : s.last;
	return s.last || !s.forgot;
}

void guestlog_report(FILE *f, struct vm *vm, bool whole)
{
	struct autopsy *a = vm->autopsy;
	const struct linux_cpu *cpu;
	struct linux_guest g;
	unsigned int nr = 0, shown = 0;
	bool unseen = false;
	enum log_end end;

	pthread_mutex_lock(&a->lock);
	cpu = gather_running(vm);
	autopsy_find_kernel(a, cpu);
	if (linux_guest_open(&g, &vm->mem, a->kernel_symbols, cpu))
		unseen = count_shown(a, &g, &shown, &nr);
	if (whole)
		shown = 0;
	if (nr > shown) {
		fprintf(f, "the kernel's log, from its memory: %s %u messages%s\n",
			shown ? "the last" : "all", nr - shown,
			whole	 ? ""
			: unseen ? ", which no console has shown"
				 : "; a console may have shown them before");
		linux_log_print(f, &g, shown, &end);
		if (end == LOG_DAMAGED)
			fputs("(the log is damaged: some of it could not be read)\n", f);
	}
	pthread_mutex_unlock(&a->lock);
}

void guestlog_report_panic(FILE *f, struct vm *vm)
{
	struct autopsy *a = vm->autopsy;

	pthread_mutex_lock(&a->lock);
	if (atomic_load(&a->panic_unseen))
		postmortem_print_panic(f, a->panic_text, a->bug_text);
	pthread_mutex_unlock(&a->lock);
}

int guestlog_print(FILE *f, struct vm *vm)
{
	struct autopsy *a = vm->autopsy;
	enum log_end end = LOG_NONE;
	struct linux_guest g;

	pthread_mutex_lock(&a->lock);
	autopsy_find_kernel(a, NULL);
	if (linux_guest_open(&g, &vm->mem, a->kernel_symbols, NULL))
		linux_log_print(f, &g, 0, &end);
	pthread_mutex_unlock(&a->lock);
	return end == LOG_NONE ? -ENOENT : end == LOG_DAMAGED ? -EIO : 0;
}
