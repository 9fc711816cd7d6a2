/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serves a disk whose writes are discarded at the end (`snapshot`). Writes go to an unlinked sparse
 * file at the same offsets, and a bitmap shows for each 4 KiB which file has the current data. The
 * bitmap's pieces, 4 KiB for 128 MiB of disk, are allocated at the first write in their range, and
 * so are the lists of pieces, one for 8 TiB. So a guest can make the bitmap a 32768th as large as
 * the disk. The image below is open for reading only and is shared with other readers.
 *
 * Locks: one reader-writer lock. Requests that only look up the bitmap hold it shared during their
 * I/O. A write that must change the bitmap holds it exclusively, and first copies up the rest of a
 * cluster that it writes in part. A flush does nothing.
 */
#include "disk_impl.h"

#include "kvm/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CLUSTER_BYTES 4096
#define PIECE_BYTES 4096
#define PIECE_CLUSTERS (PIECE_BYTES * 8)
#define LIST_PIECES 65536
#define LIST_BYTES ((uint64_t)LIST_PIECES * PIECE_CLUSTERS * CLUSTER_BYTES)

struct snapshot {
	struct disk_node node;
	struct disk_node *base;
	struct disk_file *upper;
	pthread_rwlock_t lock;
	uint64_t ***lists; /* of pieces; the host gives memory to what is used of a list */
	uint64_t nr_lists;
};

static struct snapshot *to_snapshot(struct disk_node *n)
{
	return (struct snapshot *)n;
}

static bool is_upper(const struct snapshot *s, uint64_t cluster)
{
	uint64_t nr = cluster / PIECE_CLUSTERS, bit = cluster % PIECE_CLUSTERS;
	uint64_t **list = s->lists[nr / LIST_PIECES];
	const uint64_t *piece = list ? list[nr % LIST_PIECES] : NULL;

	return piece && (piece[bit / 64] >> (bit % 64) & 1);
}

static int make_upper(struct snapshot *s, uint64_t cluster)
{
	uint64_t nr = cluster / PIECE_CLUSTERS, bit = cluster % PIECE_CLUSTERS;
	uint64_t ***list = &s->lists[nr / LIST_PIECES], **piece;

	if (!*list)
		*list = calloc(LIST_PIECES, sizeof(**list));
	piece = *list ? &(*list)[nr % LIST_PIECES] : NULL;
	if (piece && !*piece)
		*piece = calloc(1, PIECE_BYTES);
	if (!piece || !*piece)
		return disk_file_error(s->upper, "no memory for a snapshot: write",
				       cluster * CLUSTER_BYTES, -ENOMEM);
	(*piece)[bit / 64] |= 1ULL << (bit % 64);
	return 0;
}

/* Returns how many bytes from @offset on are in the same file. */
static uint64_t same_side(const struct snapshot *s, uint64_t offset, uint64_t len, bool *upper)
{
	uint64_t cluster = offset / CLUSTER_BYTES, end = (cluster + 1) * CLUSTER_BYTES;

	*upper = is_upper(s, cluster);
	while (end < offset + len && is_upper(s, end / CLUSTER_BYTES) == *upper)
		end += CLUSTER_BYTES;
	return min_u64(len, end - offset);
}

static int snapshot_read(struct disk_node *n, uint64_t offset, uint64_t len, struct disk_cursor *to)
{
	struct snapshot *s = to_snapshot(n);
	int err = 0;

	pthread_rwlock_rdlock(&s->lock);
	while (!err && len > 0) {
		bool upper;
		uint64_t run = same_side(s, offset, len, &upper);

		if (upper)
			err = disk_file_read(s->upper, offset, run, to);
		else
			err = s->base->ops->read(s->base, offset, run, to);
		offset += run;
		len -= run;
	}
	pthread_rwlock_unlock(&s->lock);
	return err;
}

static bool all_upper(const struct snapshot *s, uint64_t offset, uint64_t len)
{
	bool upper;

	return same_side(s, offset, len, &upper) == len && upper;
}

static int copy_up(struct snapshot *s, uint64_t cluster)
{
	uint64_t offset = cluster * CLUSTER_BYTES;
	uint64_t len = min_u64(CLUSTER_BYTES, s->base->size_bytes - offset);
	char buf[CLUSTER_BYTES];
	struct iovec iov = { buf, len };
	struct disk_cursor c = { .iov = &iov };
	int err;

	if (is_upper(s, cluster))
		return 0;
	err = s->base->ops->read(s->base, offset, len, &c);
	if (!err)
		err = disk_file_pwrite(s->upper, buf, len, offset);
	return err ? err : make_upper(s, cluster);
}

/*
 * Writes new clusters. The clusters at both ends keep what is not written. @from NULL: writes
 * zeros, as a hole in the upper file. Locks: held exclusively.
 */
static int write_new(struct snapshot *s, uint64_t offset, uint64_t len, struct disk_cursor *from)
{
	uint64_t first = offset / CLUSTER_BYTES, last = (offset + len - 1) / CLUSTER_BYTES;
	int err = 0;

	if (!is_aligned(offset, CLUSTER_BYTES))
		err = copy_up(s, first);
	if (!err && !is_aligned(offset + len, CLUSTER_BYTES))
		err = copy_up(s, last);
	if (!err)
		err = from ? disk_file_write(s->upper, offset, len, from)
			   : disk_file_zero(s->upper, offset, len, true);
	for (uint64_t cluster = first; !err && cluster <= last; cluster++)
		err = make_upper(s, cluster);
	return err;
}

static int snapshot_write(struct disk_node *n, uint64_t offset, uint64_t len,
			  struct disk_cursor *from)
{
	struct snapshot *s = to_snapshot(n);
	int err;

	pthread_rwlock_rdlock(&s->lock);
	if (all_upper(s, offset, len)) {
		err = disk_file_write(s->upper, offset, len, from);
		pthread_rwlock_unlock(&s->lock);
		return err;
	}
	pthread_rwlock_unlock(&s->lock);
	pthread_rwlock_wrlock(&s->lock);
	err = write_new(s, offset, len, from);
	pthread_rwlock_unlock(&s->lock);
	return err;
}

static int snapshot_flush(struct disk_node *n)
{
	(void)n;
	return 0;
}

static int snapshot_zero(struct disk_node *n, uint64_t offset, uint64_t len, bool unmap)
{
	struct snapshot *s = to_snapshot(n);
	int err;

	(void)unmap;
	pthread_rwlock_wrlock(&s->lock);
	err = write_new(s, offset, len, NULL);
	pthread_rwlock_unlock(&s->lock);
	return err;
}

/* Frees the space of whole written clusters, which then read as zeros; others do not change. */
static int snapshot_discard(struct disk_node *n, uint64_t offset, uint64_t len)
{
	struct snapshot *s = to_snapshot(n);
	uint64_t at = align_up(offset, CLUSTER_BYTES),
		 end = align_down(offset + len, CLUSTER_BYTES);
	int err = 0;

	pthread_rwlock_wrlock(&s->lock);
	while (!err && at < end) {
		bool upper;
		uint64_t run = same_side(s, at, end - at, &upper);

		if (upper)
			err = disk_file_discard(s->upper, at, run);
		at += run;
	}
	pthread_rwlock_unlock(&s->lock);
	return err;
}

static void free_list(uint64_t **list, uint64_t nr_pieces)
{
	for (uint64_t i = 0; list && i < nr_pieces; i++)
		free(list[i]);
	free(list);
}

static int snapshot_close(struct disk_node *n)
{
	struct snapshot *s = to_snapshot(n);
	uint64_t nr_pieces = n->size_bytes / ((uint64_t)PIECE_CLUSTERS * CLUSTER_BYTES) + 1;
	int err = s->base->ops->close(s->base);

	disk_file_close(s->upper);
	for (uint64_t i = 0; i < s->nr_lists; i++)
		free_list(s->lists[i], min_u64(LIST_PIECES, nr_pieces - i * LIST_PIECES));
	free(s->lists);
	pthread_rwlock_destroy(&s->lock);
	free(s);
	return err;
}

static const struct disk_node_ops snapshot_ops = {
	.read = snapshot_read,
	.write = snapshot_write,
	.flush = snapshot_flush,
	.discard = snapshot_discard,
	.zero = snapshot_zero,
	.close = snapshot_close,
};

int disk_snapshot_open(struct disk_node **out, struct disk_node *base)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	int err = -ENOMEM;

	if (s) {
		s->nr_lists = base->size_bytes / LIST_BYTES + 1;
		s->lists = calloc(s->nr_lists, sizeof(*s->lists));
	}
	if (!s || !s->lists)
		pr_err("snapshot: no memory for a disk of %llu bytes",
		       (unsigned long long)base->size_bytes);
	else
		err = disk_file_temporary(&s->upper);
	if (err) {
		free(s ? s->lists : NULL);
		free(s);
		return err;
	}
	s->base = base;
	s->node = (struct disk_node){ .ops = &snapshot_ops, .size_bytes = base->size_bytes };
	pthread_rwlock_init(&s->lock, NULL);
	*out = &s->node;
	return 0;
}
