/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Manages the reference counts of a qcow2 image ("Host cluster management"): a refcount table whose
 * entries point to refcount blocks, each of which is a cluster of counts of 1 to 64 bits. Each
 * cluster of the file has a count, whatever it holds.
 *
 * Allocation takes the first cluster with count 0, from free_hint on. It searches a refcount block
 * a slice at a time, and past the blocks that are known to be full, so that a large image is
 * searched once. Every cluster that goes into use is checked against the known tables first, see
 * qcow2_overlap.c.
 *
 *   - Clusters that no block describes yet: the new block goes into the first of them and counts
 *     itself.
 *   - The refcount table is too small: a larger one, and the blocks that describe it, go after all
 *     clusters that the old one described; then one write changes the header.
 *
 * Clusters that lose a reference are only recorded (`unlinked`). A commit writes all tables, syncs,
 * and then lowers their counts; these reach the disk with a later commit, and a crash before that
 * leaks the clusters. Locks: requests and flushes call with map_lock held.
 */
#include "qcow2_impl.h"

#include "kvm/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE_BYTES (1ULL << 55)
#define MAX_REFTABLE_BYTES (8 * MIB)
#define HEADER_REFTABLE 48 /* offset (8 bytes), clusters (4) */

/* Stores the refcount block of @cluster in @block; 0: there is none. */
static int find_block(struct qcow2 *q, uint64_t cluster, uint64_t *block)
{
	uint64_t index = cluster >> q->refblock_bits, entry;
	enum qcow2_table used;
	int err;

	*block = 0;
	if (index >= q->reftable_entries)
		return 0;
	err = meta_get64(q, META_REFTABLE, q->reftable_offset + index * 8, &entry);
	if (err)
		return err;
	*block = entry & ~511ULL;
	used = qcow2_table_at(q, *block);
	if (*block &&
	    (!qcow2_table_ok(q, *block) || (used != QCOW2_NO_TABLE && used != QCOW2_REFBLOCK)))
		return qcow2_mark_corrupt(q, "a refcount block at an impossible place,", *block);
	return 0;
}

struct place {
	unsigned int byte, nr_bytes, shift;
	uint64_t mask;
};

static struct place find_place(const struct qcow2 *q, uint64_t cluster)
{
	unsigned int bits = 1U << q->refcount_order;
	uint64_t bit = (cluster & ((1ULL << q->refblock_bits) - 1)) << q->refcount_order;

	return (struct place){
		.byte = (unsigned int)(bit / 8),
		.nr_bytes = bits < 8 ? 1 : bits / 8,
		.shift = (unsigned int)(bit % 8),
		.mask = bits == 64 ? UINT64_MAX : (1ULL << bits) - 1,
	};
}

static uint64_t get_count(const unsigned char *p, const struct place *at)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < at->nr_bytes; i++)
		v = v << 8 | p[i];
	return v >> at->shift & at->mask;
}

static void put_count(unsigned char *p, const struct place *at, uint64_t count)
{
	if (at->nr_bytes == 1)
		count = (p[0] & ~(at->mask << at->shift)) | count << at->shift;
	for (unsigned int i = at->nr_bytes; i-- > 0; count >>= 8)
		p[i] = (unsigned char)count;
}

int refcount_get(struct qcow2 *q, uint64_t cluster, uint64_t *count)
{
	struct place at = find_place(q, cluster);
	unsigned char p[8];
	uint64_t block;
	int err = find_block(q, cluster, &block);

	*count = 0;
	if (err || !block)
		return err;
	err = meta_read(q, META_REFBLOCK, block + at.byte, p, at.nr_bytes);
	if (!err)
		*count = get_count(p, &at);
	return err;
}

static int set_in_block(struct qcow2 *q, uint64_t block, uint64_t cluster, uint64_t count)
{
	struct place at = find_place(q, cluster);
	unsigned char p[8];
	int err;

	if (count > at.mask)
		return qcow2_mark_corrupt(q, "a refcount that its width cannot hold,",
					  cluster << q->cluster_bits);
	err = meta_read(q, META_REFBLOCK, block + at.byte, p, at.nr_bytes);
	if (err)
		return err;
	put_count(p, &at, count);
	return meta_write(q, META_REFBLOCK, block + at.byte, p, at.nr_bytes);
}

static int check_free(struct qcow2 *q, uint64_t offset)
{
	if (qcow2_table_at(q, offset) != QCOW2_NO_TABLE)
		return qcow2_mark_corrupt(q, "refcount 0 for a table", offset);
	if (offset >= MAX_FILE_BYTES)
		return -EFBIG;
	if (q->file->block_device && offset > atomic_load(&q->file->size_bytes) - q->cluster_bytes)
		disk_file_look_again(q->file);
	if (q->file->block_device && offset > atomic_load(&q->file->size_bytes) - q->cluster_bytes)
		return disk_file_error(q->file, "the device is full: allocation", offset, -ENOSPC);
	return 0;
}

/* @cluster must be the first cluster without a block. */
static int add_block(struct qcow2 *q, uint64_t cluster)
{
	uint64_t offset = cluster << q->cluster_bits;
	int err = check_free(q, offset);

	if (!err)
		err = qcow2_table_add(q, offset, QCOW2_REFBLOCK);
	if (!err)
		err = meta_zero_cluster(q, offset);
	if (!err)
		err = set_in_block(q, offset, cluster, 1);
	if (!err)
		err = meta_put64(q, META_REFTABLE,
				 q->reftable_offset + (cluster >> q->refblock_bits) * 8, offset);
	if (err && !atomic_load(&q->marked_corrupt))
		qcow2_table_drop(q, offset);
	return err;
}

/* A larger refcount table: first the blocks, then the table; @nr_blocks describe them all. */
struct growth {
	uint64_t first_cluster, nr_blocks, table_clusters;
};

static int plan_growth(const struct qcow2 *q, struct growth *g)
{
	uint64_t per_block = 1ULL << q->refblock_bits, entries;

	g->first_cluster = q->reftable_entries << q->refblock_bits;
	if (g->first_cluster >= MAX_FILE_BYTES >> q->cluster_bits)
		return -EFBIG;
	for (g->nr_blocks = 1;; g->nr_blocks++) {
		entries = q->reftable_entries + q->reftable_entries / 2 + g->nr_blocks + 1;
		g->table_clusters = (entries * 8 + q->cluster_bytes - 1) >> q->cluster_bits;
		if (g->table_clusters > MAX_REFTABLE_BYTES >> q->cluster_bits)
			return -EFBIG;
		if (g->nr_blocks * per_block >= g->nr_blocks + g->table_clusters)
			return 0;
	}
}

static int write_growth_blocks(struct qcow2 *q, const struct growth *g, unsigned char *buf)
{
	uint64_t per_block = 1ULL << q->refblock_bits,
		 end = g->first_cluster + g->nr_blocks + g->table_clusters;

	for (uint64_t b = 0; b < g->nr_blocks; b++) {
		uint64_t first = g->first_cluster + b * per_block;
		int err;

		memset(buf, 0, q->cluster_bytes);
		for (uint64_t c = first; c < end && c < first + per_block; c++) {
			struct place at = find_place(q, c);

			put_count(buf + at.byte, &at, 1);
		}
		err = disk_file_pwrite(q->file, buf, q->cluster_bytes,
				       (g->first_cluster + b) << q->cluster_bits);
		if (err)
			return err;
	}
	return 0;
}

static int write_growth_table(struct qcow2 *q, const struct growth *g, unsigned char *buf)
{
	uint64_t old_bytes = q->reftable_entries * 8, entries = q->cluster_bytes / 8;

	for (uint64_t t = 0; t < g->table_clusters; t++) {
		uint64_t at = t << q->cluster_bits;
		int err = 0;

		memset(buf, 0, q->cluster_bytes);
		if (at < old_bytes)
			err = disk_file_pread(q->file, buf, q->cluster_bytes,
					      q->reftable_offset + at);
		for (uint64_t b = 0; b < g->nr_blocks; b++) {
			uint64_t index = q->reftable_entries + b;
			uint64_t entry = htobe64((g->first_cluster + b) << q->cluster_bits);

			if (index / entries == t)
				memcpy(buf + index % entries * 8, &entry, sizeof(entry));
		}
		if (!err)
			err = disk_file_pwrite(q->file, buf, q->cluster_bytes,
					       (g->first_cluster + g->nr_blocks + t)
						       << q->cluster_bits);
		if (err)
			return err;
	}
	return disk_file_flush(q->file);
}

static int switch_table(struct qcow2 *q, const struct growth *g)
{
	uint64_t offset = (g->first_cluster + g->nr_blocks) << q->cluster_bits,
		 old = q->reftable_offset;
	uint64_t old_clusters = q->reftable_entries * 8 >> q->cluster_bits;
	uint64_t be_offset = htobe64(offset);
	uint32_t be_clusters = htobe32((uint32_t)g->table_clusters);
	unsigned char fields[12];
	int err;

	memcpy(fields, &be_offset, 8);
	memcpy(fields + 8, &be_clusters, 4);
	err = disk_file_pwrite(q->file, fields, sizeof(fields), HEADER_REFTABLE);
	if (!err)
		err = disk_file_flush(q->file);
	if (err)
		return err;
	meta_forget(q, old, q->reftable_entries * 8);
	q->reftable_offset = offset;
	q->reftable_entries = g->table_clusters * (q->cluster_bytes / 8);
	qcow2_unlink(q, old, old_clusters);
	return 0;
}

/* No table may be among the clusters that the growth takes; none of them has a refcount yet. */
static int claim_growth(struct qcow2 *q, const struct growth *g)
{
	int err = 0;

	for (uint64_t i = 0; !err && i < g->nr_blocks + g->table_clusters; i++)
		err = check_free(q, (g->first_cluster + i) << q->cluster_bits);
	for (uint64_t i = 0; !err && i < g->nr_blocks; i++)
		err = qcow2_table_add(q, (g->first_cluster + i) << q->cluster_bits, QCOW2_REFBLOCK);
	return err;
}

static void drop_growth(struct qcow2 *q, const struct growth *g)
{
	for (uint64_t i = 0; i < g->nr_blocks; i++)
		qcow2_table_drop(q, (g->first_cluster + i) << q->cluster_bits);
}

static int grow_table(struct qcow2 *q)
{
	struct growth g;
	unsigned char *buf;
	int err = plan_growth(q, &g);

	if (err)
		return disk_file_error(q->file, "the refcount table cannot grow: allocation", 0,
				       err);
	buf = malloc(q->cluster_bytes);
	if (!buf)
		return disk_file_error(q->file, "no memory for a table", 0, -ENOMEM);
	meta_forget(q, g.first_cluster << q->cluster_bits,
		    (g.nr_blocks + g.table_clusters) << q->cluster_bits);
	err = meta_write_all(q); /* the old table is copied from the file */
	if (!err)
		err = claim_growth(q, &g);
	if (!err)
		err = write_growth_blocks(q, &g, buf);
	if (!err)
		err = write_growth_table(q, &g, buf);
	if (!err)
		err = switch_table(q, &g);
	if (err && !atomic_load(&q->marked_corrupt))
		drop_growth(q, &g);
	free(buf);
	return err;
}

int refcount_set(struct qcow2 *q, uint64_t cluster, uint64_t count)
{
	uint64_t block;
	int err = find_block(q, cluster, &block);

	if (err)
		return err;
	if (!block)
		return qcow2_mark_corrupt(q, "no refcount block for a cluster in use",
					  cluster << q->cluster_bits);
	return set_in_block(q, block, cluster, count);
}

/* ---- the search for a free cluster ---- */

static bool is_full(const struct qcow2 *q, uint64_t index)
{
	return q->full && q->full[index / 64] >> (index % 64) & 1;
}

/* Remembers that no cluster of the block is free; without memory it is searched again. */
static void set_full(struct qcow2 *q, uint64_t index)
{
	if (!q->full)
		q->full = calloc(MAX_REFTABLE_BYTES / 8 / 64, sizeof(*q->full));
	if (q->full)
		q->full[index / 64] |= 1ULL << (index % 64);
}

static void set_free(struct qcow2 *q, uint64_t cluster)
{
	uint64_t index = cluster >> q->refblock_bits;

	if (q->full)
		q->full[index / 64] &= ~(1ULL << (index % 64));
	if (cluster < q->free_hint)
		q->free_hint = cluster;
}

/* Whether one of the counts in 8 bytes is 0. */
static bool has_zero(const struct qcow2 *q, const unsigned char *p)
{
	unsigned int bits = 1U << q->refcount_order;
	uint64_t ones = bits == 64 ? 1 : UINT64_MAX / ((1ULL << bits) - 1), v;

	memcpy(&v, p, sizeof(v));
	return (v - ones) & ~v & ones << (bits - 1);
}

/* Searches the slice of counts in @buf, from *@cluster on. Returns whether one is 0. */
static bool search_slice(const struct qcow2 *q, const unsigned char *buf, uint64_t *cluster)
{
	uint64_t per_word = 64 >> q->refcount_order;

	do {
		struct place at = find_place(q, *cluster);
		unsigned int byte = at.byte & (unsigned int)(q->slice_bytes - 1);

		if (is_aligned(*cluster, per_word) && !has_zero(q, buf + byte))
			*cluster += per_word;
		else if (get_count(buf + byte, &at))
			++*cluster;
		else
			return true;
	} while (*cluster & ((q->slice_bytes * 8 >> q->refcount_order) - 1));
	return false;
}

/* Searches @block from *@cluster on. If *@found is false, *@cluster is in the next block. */
static int search_block(struct qcow2 *q, uint64_t block, uint64_t *cluster, bool *found)
{
	uint64_t index = *cluster >> q->refblock_bits;
	int err = 0;

	*found = false;
	if (!q->scratch)
		q->scratch = malloc(q->slice_bytes);
	if (!q->scratch)
		return disk_file_error(q->file, "no memory for a table", block, -ENOMEM);
	while (!err && !*found && *cluster >> q->refblock_bits == index) {
		uint64_t at = block + find_place(q, *cluster).byte;

		err = meta_peek(q, align_down(at, q->slice_bytes), q->scratch);
		if (!err)
			*found = search_slice(q, q->scratch, cluster);
	}
	return err;
}

/*
 * Goes on to the next free cluster, from *@cluster on and within one block. If *@found is false,
 * the search continues at *@cluster.
 */
static int find_free(struct qcow2 *q, uint64_t *cluster, bool *found)
{
	uint64_t index = *cluster >> q->refblock_bits, block;
	int err;

	*found = false;
	if (index >= q->reftable_entries)
		return grow_table(q);
	if (is_full(q, index)) {
		*cluster = (index + 1) << q->refblock_bits;
		return 0;
	}
	err = find_block(q, *cluster, &block);
	if (!err && !block) {
		err = add_block(q, *cluster);
		*cluster += !err;
		return err;
	}
	if (!err)
		err = search_block(q, block, cluster, found);
	if (!err && !*found)
		set_full(q, index); /* nothing below free_hint is free, either */
	return err;
}

int qcow2_alloc(struct qcow2 *q, uint64_t *offset)
{
	uint64_t cluster = q->free_hint;
	bool found = false;
	int err = atomic_load(&q->marked_corrupt) ? -EUCLEAN : 0;

	while (!err && !found)
		err = find_free(q, &cluster, &found);
	if (!err)
		err = check_free(q, cluster << q->cluster_bits);
	if (!err)
		err = refcount_set(q, cluster, 1);
	if (err)
		return err;
	q->free_hint = cluster + 1;
	*offset = cluster << q->cluster_bits;
	meta_forget(q, *offset, q->cluster_bytes);
	return 0;
}

void qcow2_unlink(struct qcow2 *q, uint64_t offset, uint64_t nr_clusters)
{
	uint64_t first = offset >> q->cluster_bits;
	struct qcow2_extent *last = q->nr_unlinked ? &q->unlinked[q->nr_unlinked - 1] : NULL;

	if (last && last->first_cluster + last->nr_clusters == first) {
		last->nr_clusters += nr_clusters;
		return;
	}
	if (!q->unlinked || q->nr_unlinked == q->max_unlinked) {
		size_t max = q->max_unlinked ? 2 * q->max_unlinked : 64;
		struct qcow2_extent *more = realloc(q->unlinked, max * sizeof(*more));

		if (!more)
			return;
		q->unlinked = more;
		q->max_unlinked = max;
	}
	q->unlinked[q->nr_unlinked++] = (struct qcow2_extent){ first, nr_clusters };
}

/* Sets @is_free if the cluster now has no reference. */
static int lower(struct qcow2 *q, uint64_t cluster, bool *is_free)
{
	uint64_t count;
	int err = refcount_get(q, cluster, &count);

	*is_free = false;
	if (!err && !count)
		return qcow2_mark_corrupt(q, "refcount 0 for a cluster that was in use",
					  cluster << q->cluster_bits);
	if (!err)
		err = refcount_set(q, cluster, count - 1);
	*is_free = !err && count == 1;
	return err;
}

static int lower_extent(struct qcow2 *q, const struct qcow2_extent *e)
{
	uint64_t run = 0, end = e->first_cluster + e->nr_clusters;
	int err = 0;

	for (uint64_t c = e->first_cluster; c <= end && !err; c++) {
		bool is_free = false;

		if (c < end)
			err = lower(q, c, &is_free);
		if (is_free) {
			run++;
			meta_forget(q, c << q->cluster_bits, q->cluster_bytes);
			qcow2_table_drop(q, c << q->cluster_bits);
			set_free(q, c);
			continue;
		}
		if (run && q->punch)
			disk_file_discard(q->file, (c - run) << q->cluster_bits,
					  run << q->cluster_bits);
		run = 0;
	}
	return err;
}

int qcow2_commit(struct qcow2 *q)
{
	struct qcow2_extent *list = q->unlinked;
	size_t nr = q->nr_unlinked;
	int err = meta_write_all(q);

	/*
	 * If the sync fails, keep `unsynced`: no table that relies on those writes may be written
	 * before a sync.
	 */
	if (!err) {
		atomic_store(&q->unsynced, false);
		err = disk_file_flush(q->file);
		if (err)
			atomic_store(&q->unsynced, true);
	}
	if (err || !nr)
		return err;
	q->unlinked = NULL;
	q->nr_unlinked = 0;
	q->max_unlinked = 0;
	for (size_t i = 0; i < nr && !atomic_load(&q->marked_corrupt); i++)
		lower_extent(q, &list[i]); /* an error is reported; what was flushed is safe */
	free(list);
	return 0;
}
