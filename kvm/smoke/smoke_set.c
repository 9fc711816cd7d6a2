/* SPDX-License-Identifier: GPL-2.0-only */
/* Manages sets of boots: their memory, their totals, and merging two of them. */
#include "smoke.h"

#include "kvm/base/grow.h"

#include "kvm/verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct smoke_boot *smoke_add(struct smoke_set *set)
{
	struct smoke_boot *boot = grow_array(set->boot, &set->room, set->nr + 1U, sizeof(*boot));

	if (!boot)
		return NULL;
	set->boot = boot;
	set->boot[set->nr] = (struct smoke_boot){ 0 };
	return &set->boot[set->nr++];
}

static void free_boot(struct smoke_boot *b)
{
	free(b->id);
	free(b->section);
	free(b->kernel);
	free(b->params);
	free(b->command);
	strlist_free(&b->args);
	free(b->result.verdict);
	free(b->result.text);
	free(b->result.excerpt);
	free(b->result.tail);
}

void smoke_set_free(struct smoke_set *set)
{
	for (unsigned int i = 0; i < set->nr; i++)
		free_boot(&set->boot[i]);
	free(set->boot);
	free(set->file);
	*set = (struct smoke_set){ 0 };
}

struct smoke_counts smoke_count(const struct smoke_set *set)
{
	struct smoke_counts c = { 0 };

	for (unsigned int i = 0; i < set->nr; i++) {
		c.passed += set->boot[i].result.done && set->boot[i].result.passed;
		c.failed += set->boot[i].result.done && !set->boot[i].result.passed;
		c.unable += set->boot[i].result.done && !set->boot[i].result.passed &&
			    set->boot[i].result.exit_code == EXIT_LAUNCHER;
	}
	c.missing = set->total - c.passed - c.failed;
	return c;
}

static int by_index(const void *a, const void *b)
{
	const struct smoke_boot *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

static bool same_matrix(const struct smoke_set *a, const struct smoke_set *b)
{
	return a->total == b->total && a->rounds == b->rounds && !strcmp(a->matrix, b->matrix);
}

int smoke_merge(struct smoke_set *set, struct smoke_set *from, char why[200])
{
	unsigned int sorted = set->nr;

	if (!set->file) {
		*set = *from;
		*from = (struct smoke_set){ 0 };
		return 0;
	}
	if (!same_matrix(set, from)) {
		snprintf(
			why, 200,
			"belongs to a different matrix than the earlier reports (other file, --repeat or kernels)");
		return -EINVAL;
	}
	for (unsigned int i = 0; i < from->nr; i++) {
		struct smoke_boot *b = &from->boot[i];
		struct smoke_boot *to;

		if (bsearch(b, set->boot, sorted, sizeof(*b), by_index)) {
			snprintf(why, 200, "%.100s is also in an earlier report", b->id);
			return -EINVAL;
		}
		to = smoke_add(set);
		if (!to)
			return -ENOMEM;
		*to = *b;
		*b = (struct smoke_boot){ 0 };
	}
	qsort(set->boot, set->nr, sizeof(*set->boot), by_index);
	return 0;
}
