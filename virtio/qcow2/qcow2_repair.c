/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rebuilds the refcounts of an image that a program with lazy refcounts left open (incompatible bit
 * 0). It counts all references, from the header, the tables and the snapshots, and sets each count
 * on the disk to the result. It runs when the image is opened, before the guest runs. It does not
 * repair contradictions (references outside the file, counts that have no place); `qemu-img check`
 * does more.
 *
 * The counts need two bytes of memory for each cluster of the file while this runs.
 */
#include "qcow2_impl.h"

#include "kvm/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CLUSTERS (1ULL << 26)
#define SNAPSHOT_BYTES 40 /* of an entry, without its variable parts */

struct counts {
	struct qcow2 *q;
	uint16_t *of;
	uint64_t nr_clusters;
	unsigned char *table; /* one cluster */
};

static int count(struct counts *c, uint64_t offset, uint64_t len)
{
	uint64_t first = offset >> c->q->cluster_bits;
	uint64_t nr = ((offset & (c->q->cluster_bytes - 1)) + len + c->q->cluster_bytes - 1) >>
		      c->q->cluster_bits;

	if (first >= c->nr_clusters || nr > c->nr_clusters - first)
		return qcow2_corrupt(c->q, "a reference beyond the end,", offset);
	for (uint64_t i = first; i < first + nr; i++) {
		if (++c->of[i] == UINT16_MAX)
			return qcow2_corrupt(c->q, "too many references", offset);
	}
	return 0;
}

static int count_entry(struct counts *c, uint64_t entry)
{
	unsigned int offset_bits = 62 - (c->q->cluster_bits - 8);
	uint64_t start;

	if (!(entry & QCOW2_COMPRESSED)) {
		start = entry & QCOW2_OFFSET_MASK;
		return start ? count(c, start, c->q->cluster_bytes) : 0;
	}
	start = entry & ((1ULL << offset_bits) - 1);
	entry = (entry & ~(QCOW2_COPIED | QCOW2_COMPRESSED)) >> offset_bits;
	return count(c, align_down(start, 512), (entry + 1) * 512);
}

static int count_l2(struct counts *c, uint64_t l2)
{
	int err = count(c, l2, c->q->cluster_bytes);

	if (!err && !is_aligned(l2, c->q->cluster_bytes))
		err = qcow2_corrupt(c->q, "an L2 table that is not aligned,", l2);
	if (!err)
		err = disk_file_pread(c->q->file, c->table, c->q->cluster_bytes, l2);
	for (uint64_t i = 0; !err && i < c->q->cluster_bytes / 8; i++)
		err = count_entry(c, load_be64(c->table + i * 8));
	return err;
}

static int count_l1(struct counts *c, uint64_t l1, uint64_t entries)
{
	int err = entries ? count(c, l1, entries * 8) : 0;

	for (uint64_t i = 0; !err && i < entries; i++) {
		unsigned char raw[8];
		uint64_t l2;

		err = disk_file_pread(c->q->file, raw, sizeof(raw), l1 + i * 8);
		l2 = err ? 0 : load_be64(raw) & QCOW2_OFFSET_MASK;
		if (l2)
			err = count_l2(c, l2);
	}
	return err;
}

static int count_refcounts(struct counts *c)
{
	int err = count(c, c->q->reftable_offset, c->q->reftable_entries * 8);

	for (uint64_t i = 0; !err && i < c->q->reftable_entries; i++) {
		uint64_t block;

		err = meta_get64(c->q, META_REFTABLE, c->q->reftable_offset + i * 8, &block);
		if (!err && (block & ~511ULL))
			err = count(c, block & ~511ULL, c->q->cluster_bytes);
	}
	return err;
}

static int count_snapshots(struct counts *c, const struct qcow2_header *h)
{
	uint64_t at = h->snapshots_offset;
	int err = 0;

	for (uint64_t i = 0; !err && i < h->nr_snapshots; i++) {
		unsigned char p[SNAPSHOT_BYTES];
		uint64_t variable;

		err = disk_file_pread(c->q->file, p, sizeof(p), at);
		if (err)
			return err;
		if (load_be32(p + 8) > 32 * MIB / 8)
			return qcow2_corrupt(c->q, "a snapshot's L1 table is too large,", at);
		err = count_l1(c, load_be64(p), load_be32(p + 8));
		variable = (uint64_t)load_be32(p + 36) + (load_be32(p + 12) >> 16) +
			   (load_be32(p + 12) & 0xffff);
		at += align_up(SNAPSHOT_BYTES + variable, 8);
	}
	if (!err && h->nr_snapshots)
		err = count(c, h->snapshots_offset, at - h->snapshots_offset);
	return err;
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

int qcow2_repair(struct qcow2 *q, const struct qcow2_header *h)
{
	struct counts c = { .q = q };
	int err = -ENOMEM;

	c.nr_clusters =
		align_up(atomic_load(&q->file->size_bytes), q->cluster_bytes) >> q->cluster_bits;
	if (c.nr_clusters <= MAX_CLUSTERS)
		c.of = calloc(c.nr_clusters, sizeof(*c.of));
	c.table = malloc(q->cluster_bytes);
	if (c.of && c.table)
		err = count(&c, 0, q->cluster_bytes);
	if (!err)
		err = count_refcounts(&c);
	if (!err)
		err = count_l1(&c, q->l1_offset, q->l1_entries);
	if (!err)
		err = count_snapshots(&c, h);
	if (!err)
		err = set_all(&c);
	if (err)
		pr_err("%s: was not closed properly and its refcounts cannot be rebuilt here; `qemu-img check -r all` may repair it",
		       q->file->path);
	free(c.of);
	free(c.table);
	return err;
}
