/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of a kernel's log that nobody has seen: it died before its console was up, or had none, or a console that goes elsewhere. The ring
 * is read from the guest's memory (x86/linux/printk.c); what the consoles have shown is left out, by looking for each message in the last
 * bytes that each has printed: all after the last one found there is new.
 *
 * By the same ring a machine's end is judged when no console has told how it came (guestlog_hear_end()): a reset may follow a panic.
 *
 * On whichever thread asks for a report, under the report lock; the guest may be running.
 */
#include "guestlog.h"

#include "page.h"
#include "x86/board/machine.h"
#include "x86/linux/linux.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>

/* Shorter texts may occur by chance. */
#define TELLING_BYTES 8
/* When consoles have shown much, and none of it is in the ring, the last messages are given. */
#define LAST_RECORDS 40

void tail_feed(struct console_tail *t, const uint8_t *bytes, size_t len)
{
	size_t skip = len > TAIL_BYTES ? len - TAIL_BYTES : 0;

	t->nr += skip;
	for (size_t at = skip; at < len;) {
		size_t to = t->nr % TAIL_BYTES, n = min_u64(len - at, TAIL_BYTES - to);

		memcpy(t->bytes + to, bytes + at, n);
		t->nr += n;
		at += n;
	}
}

void guestlog_find_kernel(struct machine *m)
{
	struct symbols *s;

	if (m->kernel_symbols)
		return;
	s = symbols_create();
	if (s && !kallsyms_load(s, &m->vm->mem) && !symbols_finish(s))
		m->kernel_symbols = s;
	else
		symbols_destroy(s);
}

/* A console's last bytes, in order. */
struct shown {
	size_t len;
	char text[TAIL_BYTES];
};

struct search {
	struct machine *m;
	const struct shown *shown;
	unsigned int nr_shown;
	unsigned int at;   /* the record that is looked at, from 1 */
	unsigned int last; /* the last one that was shown; 0: none */
};

static void unroll(struct shown *s, const struct console_tail *t)
{
	size_t head = t->nr > TAIL_BYTES ? t->nr % TAIL_BYTES : 0;

	s->len = min_u64(t->nr, TAIL_BYTES);
	memcpy(s->text, t->bytes + head, s->len - head);
	memcpy(s->text + s->len - head, t->bytes, head);
}

/* The rest of a message that begins with @start, its first line, without what a terminal would obey. */
static void keep_rest(char *to, const char *start, const char *text, size_t len)
{
	size_t skip = strlen(start);

	if (len <= skip || memcmp(text, start, skip) != 0)
		return;
	len = min_u64(len - skip, GUESTLOG_TEXT_BYTES - 1);
	for (size_t i = 0; i < len; i++)
		to[i] = text[skip + i] >= ' ' && text[skip + i] <= '~' ? text[skip + i] : '?';
	to[len] = '\0';
}

static void look_for_shown(void *ctx, uint64_t ts_ns, unsigned int level, const char *text, size_t len)
{
	struct search *s = ctx;
	const char *line = memchr(text, '\n', len);

	(void)ts_ns;
	(void)level;
	s->at++;
	len = line ? (size_t)(line - text) : len;
	keep_rest(s->m->panic_text, "Kernel panic - not syncing: ", text, len);
	if (!s->m->bug_text[0]) /* those that follow come of the first */
		keep_rest(s->m->bug_text, "BUG: ", text, len);
	if (len < TELLING_BYTES)
		return;
	for (unsigned int i = 0; i < s->nr_shown; i++) {
		if (memmem(s->shown[i].text, s->shown[i].len, text, len))
			s->last = s->at;
	}
}

/* How many of the *nr records, the oldest, have been seen. */
static unsigned int count_shown(struct machine *m, const struct linux_guest *g, unsigned int *nr)
{
	struct shown shown[CONFIG_NR_SERIAL];
	struct search s = { .m = m, .shown = shown };

	m->panic_text[0] = '\0';
	m->bug_text[0] = '\0';
	pthread_mutex_lock(&m->tail_lock);
	for (unsigned int i = 0; i < CONFIG_NR_SERIAL; i++) {
		if (m->com_tail[i].nr)
			unroll(&shown[s.nr_shown++], &m->com_tail[i]);
	}
	pthread_mutex_unlock(&m->tail_lock);
	linux_log_walk(g, look_for_shown, &s);
	*nr = s.at;
	if (s.nr_shown && !s.last && s.at > LAST_RECORDS)
		return s.at - LAST_RECORDS;
	return s.last;
}

void guestlog_report(FILE *f, struct vm *vm, bool whole)
{
	struct machine *m = vm->machine;
	struct linux_guest g;
	unsigned int nr = 0, shown = 0;
	enum log_end end;

	pthread_mutex_lock(&m->report_lock);
	guestlog_find_kernel(m);
	if (linux_guest_open(&g, &vm->mem, m->kernel_symbols))
		shown = count_shown(m, &g, &nr);
	if (whole)
		shown = 0;
	if (nr > shown) {
		fprintf(f, "the kernel's log, from its memory: %s %u messages%s\n",
			shown ? "the last" : "all", nr - shown, whole ? "" : ", which no console has shown");
		linux_log_print(f, &g, shown, &end);
		if (end == LOG_DAMAGED)
			fputs("(the log is damaged: some of it could not be read)\n", f);
	}
	pthread_mutex_unlock(&m->report_lock);
}

/*--- its end, when no console told ----------------------------------------------------------------------------------------*/

/*
 * A Linux with a log has touched at least this much; what has not is not worth a search. (A large program that started this one counts in the most
 * that was ever resident: then a search is made for nothing.)
 */
#define LEAST_LINUX_KIB (16 * 1024)

static bool may_be_linux(void)
{
	struct rusage usage;

	return !getrusage(RUSAGE_SELF, &usage) && usage.ru_maxrss >= LEAST_LINUX_KIB;
}

struct hearing {
	struct watch watch;
	unsigned int found;
};

/* A message as the console would have had it, a line. */
static void hear(void *ctx, uint64_t ts_ns, unsigned int level, const char *text, size_t len)
{
	struct hearing *h = ctx;

	(void)ts_ns;
	(void)level;
	h->found |= watch_feed(&h->watch, (const uint8_t *)text, len);
	h->found |= watch_feed(&h->watch, (const uint8_t *)"\n", 1);
}

void guestlog_hear_end(struct machine *m)
{
	struct hearing h = { .found = 0 };
	struct linux_guest g;
	bool open;

	if (atomic_load(&m->panicked) || atomic_load(&m->halted) || atomic_load(&m->restarting) ||
	    !may_be_linux())
		return;
	pthread_mutex_lock(&m->report_lock);
	/* The kernel's symbols take longer to find than its note, and are needed before there is one. */
	open = linux_guest_open(&g, &m->vm->mem, NULL);
	if (!open) {
		guestlog_find_kernel(m);
		open = linux_guest_open(&g, &m->vm->mem, m->kernel_symbols);
	}
	if (open)
		linux_log_walk(&g, hear, &h);
	pthread_mutex_unlock(&m->report_lock);
	if (h.found & 1U << WATCH_PANIC && !atomic_exchange(&m->panicked, true))
		atomic_store(&m->panic_unseen, true);
	if (h.found & 1U << WATCH_HALTED)
		atomic_store(&m->halted, true);
	if (h.found & 1U << WATCH_RESTARTING)
		atomic_store(&m->restarting, true);
}

void guestlog_report_panic(FILE *f, struct vm *vm)
{
	struct machine *m = vm->machine;

	pthread_mutex_lock(&m->report_lock);
	if (atomic_load(&m->panic_unseen))
		postmortem_print_panic(f, m->panic_text, m->bug_text);
	pthread_mutex_unlock(&m->report_lock);
}

int guestlog_print(FILE *f, struct vm *vm)
{
	struct machine *m = vm->machine;
	enum log_end end = LOG_NONE;
	struct linux_guest g;

	pthread_mutex_lock(&m->report_lock);
	guestlog_find_kernel(m);
	if (linux_guest_open(&g, &vm->mem, m->kernel_symbols))
		linux_log_print(f, &g, 0, &end);
	pthread_mutex_unlock(&m->report_lock);
	return end == LOG_NONE ? -ENOENT : end == LOG_DAMAGED ? -EIO : 0;
}
