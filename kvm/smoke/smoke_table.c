/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints the results of a set as a table: a line for each boot or, if each machine was started
 * several times, a line for each machine and a histogram of its boot times, with crosses for those
 * that failed. Text from a guest or a file is printed without control characters.
 */
#include "kvm/base/options.h"
#include "kvm/base/quote.h"
#include "smoke.h"

#include <stdlib.h>
#include <string.h>

#define MAX_BUCKETS 12
#define BAR 40

/*
 * The rounds of one machine that are done: boots [first, first + nr) of the set, and their times in
 * ascending order.
 */
struct group {
	const struct smoke_boot *first;
	unsigned int nr, nr_done, nr_passed;
	uint64_t *ms;
};

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/*
 * Finds the group that begins at boot @at; @ms has room for all of the set's boots. Returns where
 * the next group begins.
 */
static unsigned int take_group(const struct smoke_set *set, unsigned int at, struct group *g,
			       uint64_t *ms)
{
	uint64_t machine = set->boot[at].index / set->rounds;

	*g = (struct group){ .first = &set->boot[at], .ms = ms };
	for (; at < set->nr && set->boot[at].index / set->rounds == machine; at++) {
		const struct smoke_result *r = &set->boot[at].result;

		g->nr++;
		if (!r->done)
			continue;
		g->nr_passed += r->passed;
		ms[g->nr_done++] = r->duration_ms;
	}
	qsort(ms, g->nr_done, sizeof(*ms), by_number);
	return at;
}

/* Returns the length of the boot's name without the number of its round. */
static int name_length(const struct smoke_set *set, const struct smoke_boot *b)
{
	size_t len = strlen(b->id);
	const char *end = set->rounds > 1 ? strrchr(b->id, '-') : NULL;

	return (int)(end && end[1] == 'r' ? (size_t)(end - b->id) : len);
}

static void put_name(FILE *f, const struct smoke_set *set, const struct smoke_boot *b, int width)
{
	int len = name_length(set, b);

	quote_line(f, b->id, (size_t)len);
	fprintf(f, "%*s", width > len ? width - len : 0, "");
}

static void put_seconds(FILE *f, int width, uint64_t ms)
{
	fprintf(f, "%*llu.%03llu", width - 4, (unsigned long long)(ms / 1000),
		(unsigned long long)(ms % 1000));
}

static void put_machine(FILE *f, const struct smoke_set *set, const struct smoke_boot *b, int width)
{
	char size[24];

	put_name(f, set, b, width);
	fprintf(f, "  %4llu  %6s", (unsigned long long)b->cpus, format_size(b->mem_bytes, size));
}

static void put_boot(FILE *f, const struct smoke_set *set, const struct smoke_boot *b, int width)
{
	const struct smoke_result *r = &b->result;
	uint64_t tests = r->tests_passed + r->tests_failed;

	put_machine(f, set, b, width);
	fprintf(f, "  %s", r->passed ? "passed" : "FAILED");
	put_seconds(f, 10, r->duration_ms);
	if (!r->passed) {
		fputs("  ", f);
		quote_line(f, r->text, strlen(r->text));
	} else if (tests) {
		fprintf(f, "  %llu tests", (unsigned long long)tests);
	}
	fputs("\n", f);
}

static void put_group(FILE *f, const struct smoke_set *set, const struct group *g, int width)
{
	put_machine(f, set, g->first, width);
	fprintf(f, "  %6u  %6u", g->nr_passed, g->nr_done - g->nr_passed);
	put_seconds(f, 10, g->ms[0]);
	put_seconds(f, 10, g->ms[g->nr_done / 2]);
	put_seconds(f, 10, g->ms[g->nr_done - 1]);
	fputs("\n", f);
}

static int widest(const struct smoke_set *set)
{
	int width = 4;

	for (unsigned int i = 0; i < set->nr; i++) {
		int len = name_length(set, &set->boot[i]);

		width = len > width ? len : width;
	}
	return width;
}

static void put_sum(FILE *f, const struct smoke_set *set)
{
	struct smoke_counts c = smoke_count(set);

	fprintf(f, "%llu boots: %llu passed, %llu failed", (unsigned long long)set->total,
		(unsigned long long)c.passed, (unsigned long long)c.failed);
	if (c.missing)
		fprintf(f, ", %llu missing", (unsigned long long)c.missing);
	fputs("\n", f);
}

void smoke_table(FILE *f, const struct smoke_set *set)
{
	uint64_t *ms = calloc(set->nr + 1, sizeof(*ms));
	int width = widest(set);
	struct group g;

	if (!ms)
		return;
	fprintf(f, "%-*s  CPUs  memory%s\n", width, "boot",
		set->rounds > 1 ? "  passed  failed   least s  median s    most s"
				: "  result         s");
	for (unsigned int at = 0; at < set->nr;) {
		const struct smoke_boot *b = &set->boot[at];

		at = take_group(set, at, &g, ms);
		if (g.nr_done && set->rounds > 1)
			put_group(f, set, &g, width);
		else if (g.nr_done)
			put_boot(f, set, b, width);
	}
	free(ms);
	if (set->rounds > 1)
		smoke_histograms(f, set);
	put_sum(f, set);
}

/* Returns 1, 2 or 5 times a power of ten, so that [least, most] needs at most MAX_BUCKETS. */
static uint64_t bucket_width(uint64_t least, uint64_t most)
{
	static const unsigned int steps[] = { 1, 2, 5 };
	uint64_t ten = 1;

	for (unsigned int i = 0;; i++) {
		uint64_t width = steps[i % 3] * ten;

		if (most / width - least / width < MAX_BUCKETS)
			return width;
		if (i % 3 == 2)
			ten *= 10;
	}
}

static void put_bar(FILE *f, unsigned int passed, unsigned int failed, unsigned int most)
{
	unsigned int scale = most > BAR ? most : BAR;
	unsigned int hashes = passed * BAR / scale, crosses = failed * BAR / scale;

	hashes += passed && !hashes;
	crosses += failed && !crosses;
	for (unsigned int i = 0; i < hashes; i++)
		fputc('#', f);
	for (unsigned int i = 0; i < crosses; i++)
		fputc('x', f);
	fprintf(f, " %u\n", passed + failed);
}

static void put_histogram(FILE *f, const struct group *g)
{
	uint64_t width = bucket_width(g->ms[0], g->ms[g->nr_done - 1]), first = g->ms[0] / width;
	unsigned int passed[MAX_BUCKETS] = { 0 }, failed[MAX_BUCKETS] = { 0 }, most = 0;
	uint64_t nr = g->ms[g->nr_done - 1] / width - first + 1;

	for (unsigned int i = 0; i < g->nr; i++) {
		const struct smoke_result *r = &g->first[i].result;
		uint64_t at = r->done ? r->duration_ms / width - first : 0;

		passed[at] += r->done && r->passed;
		failed[at] += r->done && !r->passed;
		most = passed[at] + failed[at] > most ? passed[at] + failed[at] : most;
	}
	for (uint64_t i = 0; i < nr; i++) {
		put_seconds(f, 10, (first + i) * width);
		fputs(" ..", f);
		put_seconds(f, 10, (first + i + 1) * width);
		fputs(" s  ", f);
		put_bar(f, passed[i], failed[i], most);
	}
}

void smoke_histograms(FILE *f, const struct smoke_set *set)
{
	uint64_t *ms = calloc(set->nr + 1, sizeof(*ms));
	struct group g;

	for (unsigned int at = 0; ms && at < set->nr;) {
		const struct smoke_boot *b = &set->boot[at];

		at = take_group(set, at, &g, ms);
		if (!g.nr_done)
			continue;
		fputs("\n", f);
		put_name(f, set, b, 0);
		fprintf(f, ": %u boots, %u failed\n", g.nr_done, g.nr_done - g.nr_passed);
		put_histogram(f, &g);
	}
	fputs("\n", f);
	free(ms);
}
