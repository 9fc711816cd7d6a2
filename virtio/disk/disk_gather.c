/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads that need not wait: their data are in the page cache, and where they lie is known. Copying
 * them here and now is sooner done than handing them over, to io_uring too: a quarter of the CPU
 * time of 4 KiB.
 *
 * They gather from disk_submit() until disk_kick(), on whatever thread that is. Then each run of
 * neighbours, where one begins where the one before ends, is read by one system call into the
 * buffers of all: a driver that reads on with many small requests under way costs little more than
 * one with large ones. A run that stops short is gone on with from the first request that is not
 * whole; one that gives nothing at all would have had to wait, and goes the ordinary way. With
 * every miss in a row the next few go there untried: one, three, at most fifteen. A single one
 * costs nothing more, for reading on has such a miss for each readahead.
 *
 * A request stays one of its own: each has its own end, and an error belongs to the one that it
 * met.
 */
#include "disk_impl.h"

#include <string.h>

#define MAX_SKIP 15
#define RUN_IOVECS 64

struct run {
	struct disk_request *first;
	unsigned int nr, nr_iov;
	uint64_t len_bytes;
	struct iovec iov[RUN_IOVECS];
};

void disk_gather_init(struct disk_gather *g)
{
	pthread_mutex_init(&g->lock, NULL);
	disk_list_init(&g->list);
	g->skip = g->next_skip = 0;
}

void disk_gather_fini(struct disk_gather *g)
{
	pthread_mutex_destroy(&g->lock);
}

bool disk_gather_add(struct disk_gather *g, const struct disk_node *n, struct disk_request *r)
{
	unsigned int skip = atomic_load_explicit(&g->skip, memory_order_relaxed);

	if (r->op != DISK_READ || !n->ops->read_at_once || r->nr_iov > RUN_IOVECS ||
	    r->len_bytes > n->max_at_once_bytes)
		return false;
	if (skip) {
		atomic_store_explicit(&g->skip, skip - 1, memory_order_relaxed);
		return false;
	}
	pthread_mutex_lock(&g->lock);
	disk_list_add(&g->list, r);
	pthread_mutex_unlock(&g->lock);
	return true;
}

/*
 * The first request of @list, with those behind it that go on where it ends. They stay on the list.
 */
static void find_run(struct run *run, const struct disk_list *list, uint64_t max_bytes)
{
	const struct disk_request *r = list->head;
	uint64_t offset = r->offset_bytes;

	run->first = list->head;
	run->nr = run->nr_iov = 0;
	run->len_bytes = 0;
	while (r && r->offset_bytes == offset + run->len_bytes &&
	       r->nr_iov <= RUN_IOVECS - run->nr_iov &&
	       r->len_bytes <= max_bytes - run->len_bytes) {
		memcpy(run->iov + run->nr_iov, r->iov, r->nr_iov * sizeof(*r->iov));
		run->nr_iov += r->nr_iov;
		run->len_bytes += r->len_bytes;
		run->nr++;
		r = r->next;
	}
}

/* Moves those that the first @got bytes cover to @done. Returns whether any was. */
static bool take_whole(struct disk_list *list, unsigned int nr, uint64_t got,
		       struct disk_list *done)
{
	bool any = false;

	while (nr-- && list->head->len_bytes <= got) {
		got -= list->head->len_bytes;
		disk_list_add(done, disk_list_take(list));
		any = true;
	}
	return any;
}

static void skip_some(struct disk_gather *g)
{
	unsigned int n = atomic_load_explicit(&g->next_skip, memory_order_relaxed);

	atomic_store_explicit(&g->skip, n, memory_order_relaxed);
	atomic_store_explicit(&g->next_skip, n < MAX_SKIP ? 2 * n + 1 : n, memory_order_relaxed);
}

void disk_gather_run(struct disk_gather *g, struct disk_node *n, struct disk_list *done,
		     struct disk_list *other)
{
	struct disk_list list;
	struct run run;

	pthread_mutex_lock(&g->lock);
	disk_list_move(&list, &g->list);
	pthread_mutex_unlock(&g->lock);
	while (list.head) {
		uint64_t got;

		find_run(&run, &list, n->max_at_once_bytes);
		got = n->ops->read_at_once(n, run.first->offset_bytes, run.len_bytes, run.iov,
					   run.nr_iov);
		if (take_whole(&list, run.nr, got, done)) {
			atomic_store_explicit(&g->next_skip, 0, memory_order_relaxed);
			continue;
		}
		skip_some(g);
		while (list.head)
			disk_list_add(other, disk_list_take(&list));
	}
}
