/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records the time of each stage of a boot, and prints them.
 *
 * The first thread that sees a stage reached (main, a vCPU, the loop) writes its time, once; it is
 * read when all is over. What the guest prints is seen line by line, or within a few milliseconds,
 * as consoles show their output.
 */
#include "kvm/timeline.h"

#include "kvm/loop.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <time.h>

#define TEXT_BYTES 64

static const char *const words[NR_TIMELINE_STAGES] = {
	[TIMELINE_OPTIONS] = "launcher: options parsed",
	[TIMELINE_KVM] = "launcher: KVM set up",
	[TIMELINE_LOADED] = "launcher: devices, tables, kernel and initrd in place",
	[TIMELINE_ENTRY] = "guest: first instruction",
	[TIMELINE_KERNEL] = "guest: decompressed, the kernel itself runs",
	[TIMELINE_CONSOLE] = "guest: first console output",
	[TIMELINE_VERSION] = "guest: Linux version",
	[TIMELINE_SMP] = "guest: all CPUs are up",
	[TIMELINE_INIT] = "guest: init started",
	[TIMELINE_END] = "launcher: the machine has ended",
};

uint64_t timeline_exec_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return now_ns() - ((uint64_t)used.tv_sec * 1000000000ULL + (uint64_t)used.tv_nsec);
}

void timeline_reach(struct timeline *t, enum timeline_stage stage)
{
	uint64_t none = 0;

	if (t && !atomic_load_explicit(&t->stage_ns[stage], memory_order_relaxed))
		atomic_compare_exchange_strong(&t->stage_ns[stage], &none, now_ns());
}

bool timeline_reached(const struct timeline *t, enum timeline_stage stage)
{
	return t && atomic_load(&t->stage_ns[stage]);
}

void timeline_mark(struct timeline *t, unsigned int value)
{
	unsigned int n = t ? atomic_load(&t->nr_marks) : TIMELINE_MARKS;

	while (n < TIMELINE_MARKS && !atomic_compare_exchange_weak(&t->nr_marks, &n, n + 1))
		;
	if (n >= TIMELINE_MARKS)
		return;
	atomic_store(&t->mark[n].value, value);
	atomic_store(&t->mark[n].ns, now_ns());
}

/*
 * Returns the index of the first that was reached after @after, or at that time with an index above
 * @place; -1 if there is none.
 */
static int next(const struct timeline *t, uint64_t after, int place)
{
	uint64_t best_ns = UINT64_MAX;
	int best = -1;

	for (int i = 0; i < NR_TIMELINE_STAGES + TIMELINE_MARKS; i++) {
		uint64_t ns = i < NR_TIMELINE_STAGES ? t->stage_ns[i]
						     : t->mark[i - NR_TIMELINE_STAGES].ns;

		if (ns && (ns > after || (ns == after && i > place)) && ns < best_ns) {
			best = i;
			best_ns = ns;
		}
	}
	return best;
}

void timeline_walk(const struct timeline *t, void (*each)(void *ctx, uint64_t ns, const char *what),
		   void *ctx)
{
	char text[TEXT_BYTES];
	uint64_t ns = 0;
	int at = -1;

	while ((at = next(t, ns, at)) >= 0) {
		if (at < NR_TIMELINE_STAGES) {
			ns = t->stage_ns[at];
			each(ctx, ns, words[at]);
			continue;
		}
		ns = t->mark[at - NR_TIMELINE_STAGES].ns;
		snprintf(text, sizeof(text), "guest: mark 0x%02x",
			 t->mark[at - NR_TIMELINE_STAGES].value);
		each(ctx, ns, text);
	}
}

struct table {
	FILE *f;
	uint64_t exec_ns, last_ns;
};

static void print_row(void *ctx, uint64_t ns, const char *what)
{
	struct table *table = ctx;

	fprintf(table->f, "  %10.3f  %+10.3f  %s\n", (double)(ns - table->exec_ns) / 1e6,
		(double)(ns - table->last_ns) / 1e6, what);
	table->last_ns = ns;
}

void timeline_print(FILE *f, const struct timeline *t)
{
	struct table table = { .f = f, .exec_ns = t->exec_ns, .last_ns = t->exec_ns };

	fputs("timeline, in ms since exec, and since the line before:\n", f);
	timeline_walk(t, print_row, &table);
}
