/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rebuilds the refcounts of an image that a program with lazy refcounts left open (incompatible bit
 * 0). It counts all references, from the header, the tables and the snapshots, and sets each count
 * on the disk to the result. It runs when the image is opened, before the guest runs. It does not
 * repair contradictions (references outside the file, counts that have no place); `qemu-img check`
 * does more.
 *
 * Each L2 table is read once, however many L1 tables name it. The counts need up to four bytes of
 * memory for each cluster of the file while this runs.
 */
#include "qcow2_impl.h"

#include "kvm/log.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_CLUSTERS (1ULL << 26)
#define MAX_L2_BYTES (64 * GIB) /* of all L2 tables: a limit on the time */

struct counts {
	struct qcow2 *q;
	uint16_t *of;
	uint16_t *l2; /* how many L1 entries name the L2 table in this cluster */
	uint64_t nr_clusters;
	unsigned char *table; /* one cluster */
};

static int count(struct counts *c, uint64_t offset, uint64_t len, uint16_t times)
{
	uint64_t first = offset >> c->q->cluster_bits;
	uint64_t nr = ((offset & (c->q->cluster_bytes - 1)) + len + c->q->cluster_bytes - 1) >>
		      c->q->cluster_bits;

	if (first >= c->nr_clusters || nr > c->nr_clusters - first)
		return qcow2_mark_corrupt(c->q, "a reference beyond the end,", offset);
	for (uint64_t i = first; i < first + nr; i++) {
		if (times >= UINT16_MAX - c->of[i])
			return -EFBIG;
		c->of[i] = (uint16_t)(c->of[i] + times);
	}
	return 0;
}

static int count_entry(struct counts *c, uint64_t entry, uint16_t times)
{
	uint64_t start = entry & QCOW2_OFFSET_MASK, end = start + c->q->cluster_bytes;

	if (entry & QCOW2_COMPRESSED)
		start = align_down(qcow2_packed_at(c->q->cluster_bits, entry, &end), 512);
	else if (!start)
		return 0;
	return count(c, start, end - start, times);
}

static int count_l2(struct counts *c, uint64_t l2, uint16_t times)
{
	int err = count(c, l2, c->q->cluster_bytes, times);

	if (!err)
		err = disk_file_pread(c->q->file, c->table, c->q->cluster_bytes, l2);
	for (uint64_t i = 0; !err && i < c->q->cluster_bytes / 8; i++)
		err = count_entry(c, load_be64(c->table + i * 8), times);
	return err;
}

static int count_l2_tables(struct counts *c)
{
	uint64_t left = MAX_L2_BYTES;
	int err = 0;

	for (uint64_t i = 0; !err && i < c->nr_clusters; i++) {
		if (!c->l2[i])
			continue;
		if (left < c->q->cluster_bytes)
			return -EFBIG;
		left -= c->q->cluster_bytes;
		err = count_l2(c, i << c->q->cluster_bits, c->l2[i]);
	}
	return err;
}

static int note_l2(struct qcow2 *q, uint64_t index, uint64_t entry, void *ctx)
{
	struct counts *c = ctx;
	uint64_t l2 = entry & QCOW2_OFFSET_MASK;
	uint16_t *times;

	(void)index;
	if (!l2)
		return 0;
	if (!qcow2_table_ok(q, l2) || l2 >> q->cluster_bits >= c->nr_clusters)
		return qcow2_mark_corrupt(q, "an L2 table at an impossible place,", l2);
	times = &c->l2[l2 >> q->cluster_bits];
	if (++*times == UINT16_MAX)
		return -EFBIG;
	return 0;
}

static int count_l1(struct qcow2 *q, uint64_t l1, uint64_t entries, void *ctx)
{
	int err = entries ? count(ctx, l1, entries * 8, 1) : 0;

	return err ? err : qcow2_each_entry(q, l1, entries, note_l2, ctx);
}

static int count_refblock(struct qcow2 *q, uint64_t index, uint64_t entry, void *ctx)
{
	struct counts *c = ctx;
	uint64_t block = entry & ~511ULL;
	int err = block ? count(c, block, q->cluster_bytes, 1) : 0;

	(void)index;
	/* Only the header and the refcount table have been counted before. */
	if (!err && block && c->of[block >> q->cluster_bits] != 1)
		err = qcow2_mark_corrupt(q, "a refcount block in a cluster in use,", block);
	return err;
}

static int count_all(struct counts *c)
{
	struct qcow2 *q = c->q;
	uint64_t table_bytes;
	int err = count(c, 0, q->cluster_bytes, 1);

	if (!err)
		err = count(c, q->reftable_offset, q->reftable_entries * 8, 1);
	if (!err)
		err = qcow2_each_entry(q, q->reftable_offset, q->reftable_entries, count_refblock,
				       c);
	if (!err)
		err = count_l1(q, q->l1_offset, q->l1_entries, c);
	if (!err)
		err = qcow2_each_snapshot(q, count_l1, c, &table_bytes);
	if (!err && table_bytes)
		err = count(c, q->snapshots_offset, table_bytes, 1);
	return err ? err : count_l2_tables(c);
}

static int set_all(struct counts *c)
{
	uint64_t changed = 0;

	for (uint64_t i = 0; i < c->nr_clusters; i++) {
		uint64_t now;
		int err = refcount_get(c->q, i, &now);

		if (!err && now != c->of[i]) {
			err = refcount_set(c->q, i, c->of[i]);
			changed++;
		}
		if (err)
			return err;
	}
	pr_info("%s: was not closed properly; %llu refcounts updated", c->q->file->path,
		(unsigned long long)changed);
	return qcow2_commit(c->q);
}

int qcow2_repair(struct qcow2 *q)
{
	struct counts c = { .q = q };
	int err = -ENOMEM;

	c.nr_clusters =
		align_up(atomic_load(&q->file->size_bytes), q->cluster_bytes) >> q->cluster_bits;
	if (c.nr_clusters <= MAX_CLUSTERS) {
		c.of = calloc(c.nr_clusters, sizeof(*c.of));
		c.l2 = calloc(c.nr_clusters, sizeof(*c.l2));
	}
	c.table = malloc(q->cluster_bytes);
	if (c.of && c.l2 && c.table)
		err = count_all(&c);
	if (!err)
		err = set_all(&c);
	if (err)
		pr_err("%s: was not closed properly and its refcounts cannot be rebuilt here; `qemu-img check -r all` may repair it",
		       q->file->path);
	free(c.of);
	free(c.l2);
	free(c.table);
	return err;
}
