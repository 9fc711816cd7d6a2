/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Knows which clusters of a qcow2 image hold tables, so that none of them is used for anything
 * else. Refcounts alone do not prevent that: those of an image that another program has damaged may
 * be 0 for a cluster in use.
 *
 * It knows the header, the refcount table with its blocks, the active L1 table with its L2 tables,
 * the snapshot table and the L1 tables of snapshots; not the L2 tables of snapshots that the active
 * table does not share. Until the first write it knows no L2 table, refcount block or snapshot.
 *
 * The clusters are in a hash set, with what each is used for. Locks: map_lock; exclusively for
 * changes.
 */
#include "qcow2_impl.h"

#include <errno.h>
#include <stdlib.h>

#define MIN_SLOTS 64
#define KIND_BITS                                                                                  \
	2 /* a slot is a cluster's number and, below it, a qcow2_table that is in the set */

static bool inside(uint64_t offset, uint64_t start, uint64_t len)
{
	return offset >= start && offset - start < len;
}

/* Returns the slot of @cluster, or the free one for it. */
static uint64_t *find_slot(uint64_t *slots, uint64_t nr_slots, uint64_t cluster)
{
	uint64_t i = (cluster * 0x9e3779b97f4a7c15ULL) >> 20 & (nr_slots - 1);

	while (slots[i] && slots[i] >> KIND_BITS != cluster)
		i = (i + 1) & (nr_slots - 1);
	return &slots[i];
}

enum qcow2_table qcow2_table_at(const struct qcow2 *q, uint64_t offset)
{
	uint64_t cluster = offset >> q->cluster_bits;

	if (!cluster)
		return QCOW2_HEADER;
	if (inside(offset, q->l1_offset, align_up(q->l1_entries * 8, q->cluster_bytes)))
		return QCOW2_L1;
	if (inside(offset, q->reftable_offset, q->reftable_entries * 8))
		return QCOW2_REFTABLE;
	if (!q->tables)
		return QCOW2_NO_TABLE;
	return (enum qcow2_table)(*find_slot(q->tables, q->max_tables, cluster) &
				  ((1U << KIND_BITS) - 1));
}

static int grow(struct qcow2 *q)
{
	uint64_t max = q->max_tables ? 2 * q->max_tables : MIN_SLOTS;
	uint64_t *more = calloc(max, sizeof(*more));

	if (!more)
		return disk_file_error(q->file, "no memory for the list of tables", 0, -ENOMEM);
	for (uint64_t i = 0; i < q->max_tables; i++) {
		if (q->tables[i])
			*find_slot(more, max, q->tables[i] >> KIND_BITS) = q->tables[i];
	}
	free(q->tables);
	q->tables = more;
	q->max_tables = max;
	return 0;
}

int qcow2_table_add(struct qcow2 *q, uint64_t offset, enum qcow2_table kind)
{
	uint64_t cluster = offset >> q->cluster_bits, *slot;
	int err = 2 * q->nr_tables >= q->max_tables ? grow(q) : 0;

	if (err)
		return err;
	slot = find_slot(q->tables, q->max_tables, cluster);
	if (!*slot)
		q->nr_tables++;
	*slot = cluster << KIND_BITS | kind;
	return 0;
}

void qcow2_table_drop(struct qcow2 *q, uint64_t offset)
{
	uint64_t cluster = offset >> q->cluster_bits, *slot;

	if (!q->tables)
		return;
	slot = find_slot(q->tables, q->max_tables, cluster);
	if (*slot)
		*slot = cluster << KIND_BITS;
}

void qcow2_forget_tables(struct qcow2 *q)
{
	free(q->tables);
	q->tables = NULL;
	q->nr_tables = q->max_tables = 0;
}

/* ---- at the first write ---- */

/* A block that is named twice would count two ranges of clusters; L2 tables may be shared. */
static int add_found(struct qcow2 *q, uint64_t offset, enum qcow2_table kind)
{
	enum qcow2_table old = qcow2_table_at(q, offset);

	if (old != QCOW2_NO_TABLE && (old != kind || kind == QCOW2_REFBLOCK))
		return qcow2_mark_corrupt(q, "two tables in one cluster,", offset);
	return qcow2_table_add(q, offset, kind);
}

/* Skips what is not a possible place: qcow2_map() and find_block() report it when it is used. */
static int add_l2(struct qcow2 *q, uint64_t index, uint64_t entry, void *ctx)
{
	uint64_t offset = entry & QCOW2_OFFSET_MASK;

	(void)index;
	(void)ctx;
	return qcow2_table_ok(q, offset) ? add_found(q, offset, QCOW2_L2) : 0;
}

static int add_refblock(struct qcow2 *q, uint64_t index, uint64_t entry, void *ctx)
{
	uint64_t offset = entry & ~511ULL;

	(void)index;
	(void)ctx;
	return qcow2_table_ok(q, offset) ? add_found(q, offset, QCOW2_REFBLOCK) : 0;
}

static int add_range(struct qcow2 *q, uint64_t offset, uint64_t len)
{
	int err = 0;

	for (uint64_t at = 0; !err && at < len; at += q->cluster_bytes)
		err = add_found(q, offset + at, QCOW2_SNAPSHOT);
	return err;
}

static int add_snapshot(struct qcow2 *q, uint64_t l1, uint64_t entries, void *ctx)
{
	(void)ctx;
	return add_range(q, l1, entries * 8);
}

int qcow2_find_tables(struct qcow2 *q)
{
	uint64_t table_bytes;
	int err = qcow2_each_entry(q, q->reftable_offset, q->reftable_entries, add_refblock, NULL);

	if (!err)
		err = qcow2_each_entry(q, q->l1_offset, q->l1_entries, add_l2, NULL);
	if (!err)
		err = qcow2_each_snapshot(q, add_snapshot, NULL, &table_bytes);
	if (!err)
		err = add_range(q, q->snapshots_offset, table_bytes);
	if (err)
		qcow2_forget_tables(q); /* the next write tries again */
	return err;
}
