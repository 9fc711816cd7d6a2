/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Maps a guest offset to a cluster of the image file, by two levels of tables ("Cluster mapping").
 * The file is not trusted: an offset in an entry is used only if it is aligned, not in the header,
 * and inside the file.
 *
 * An L2 table that a snapshot shares (its L1 entry is not "copied") is copied before it is changed;
 * the refcounts of the data clusters already cover both tables.
 */
#include "qcow2_impl.h"

#include <errno.h>
#include <stdlib.h>

/* @at_once: the caller must not wait, and another thread will find the same and report it. */
static int impossible(struct qcow2 *q, bool at_once, const char *what, uint64_t offset)
{
	return at_once ? -EAGAIN : qcow2_mark_corrupt(q, what, offset);
}

static int get(struct qcow2 *q, bool at_once, enum meta_class class_of, uint64_t offset,
	       uint64_t *entry)
{
	return at_once ? meta_try_get64(q, class_of, offset, entry)
		       : meta_get64(q, class_of, offset, entry);
}

static int find_l2(struct qcow2 *q, bool at_once, uint64_t offset, uint64_t *l2, bool *copied)
{
	uint64_t entry, index = offset >> (q->cluster_bits + q->l2_bits);
	enum qcow2_table used;
	int err;

	*l2 = 0;
	*copied = false;
	if (index >= q->l1_entries)
		return -EINVAL;
	err = get(q, at_once, META_L1, q->l1_offset + index * 8, &entry);
	if (err)
		return err;
	*l2 = entry & QCOW2_OFFSET_MASK;
	*copied = entry & QCOW2_COPIED;
	used = qcow2_table_at(q, *l2);
	if (*l2 && (!qcow2_table_ok(q, *l2) || (used != QCOW2_NO_TABLE && used != QCOW2_L2)))
		return impossible(q, at_once, "an L2 table at an impossible place,", *l2);
	return 0;
}

static uint64_t l2_place(const struct qcow2 *q, uint64_t l2, uint64_t offset)
{
	return l2 + (offset >> q->cluster_bits & ((1ULL << q->l2_bits) - 1)) * 8;
}

static int decode_compressed(struct qcow2 *q, uint64_t entry, struct qcow2_mapping *m)
{
	uint64_t end, size = atomic_load(&q->file->size_bytes);
	uint64_t start = qcow2_packed_at(q->cluster_bits, entry, &end);

	m->type = QCOW2_IS_COMPRESSED;
	m->copied = false;
	m->host = align_down(start, q->cluster_bytes);
	m->nr_clusters = (align_up(end, q->cluster_bytes) - m->host) >> q->cluster_bits;
	if (start < q->cluster_bytes || start >= size)
		return qcow2_corrupt(q, "a compressed cluster that is not in the file,", start);
	m->packed = start;
	m->packed_bytes = min_u64(end, size) - start;
	return 0;
}

/* @at_once does not report what is wrong with the data, either. */
static int decode(struct qcow2 *q, bool at_once, uint64_t entry, struct qcow2_mapping *m)
{
	bool zero = q->version >= 3 && (entry & QCOW2_ZERO);
	bool bad = false;

	if (entry & QCOW2_COMPRESSED)
		return at_once ? -EAGAIN : decode_compressed(q, entry, m);
	m->host = entry & QCOW2_OFFSET_MASK;
	m->copied = entry & QCOW2_COPIED;
	m->nr_clusters = 1;
	if (m->host)
		m->type = zero ? QCOW2_ZERO_ALLOCATED : QCOW2_NORMAL;
	else
		m->type = zero ? QCOW2_ZERO_PLAIN : QCOW2_UNALLOCATED;
	if (m->host && !is_aligned(m->host, q->cluster_bytes))
		return impossible(q, at_once, "a data cluster that is not aligned,", m->host);
	/* A zero cluster's space may not have been written yet, and the file may end before it. */
	bad = m->type == QCOW2_NORMAL && m->host >= atomic_load(&q->file->size_bytes);
	if (bad && !at_once)
		qcow2_corrupt(q, "or truncated: a data cluster beyond the end,", m->host);
	return bad ? -EUCLEAN : 0;
}

/* Whether no table is in the clusters that hold data. */
static int check_data(struct qcow2 *q, bool at_once, const struct qcow2_mapping *m)
{
	for (uint64_t i = 0; m->host && i < m->nr_clusters; i++) {
		uint64_t offset = m->host + (i << q->cluster_bits);

		if (qcow2_table_at(q, offset) != QCOW2_NO_TABLE)
			return impossible(q, at_once, "data in the cluster of a table,", offset);
	}
	return 0;
}

static int map(struct qcow2 *q, bool at_once, uint64_t offset, struct qcow2_mapping *m)
{
	uint64_t l2, entry;
	bool l2_copied;
	int err = find_l2(q, at_once, offset, &l2, &l2_copied);

	*m = (struct qcow2_mapping){ .type = QCOW2_UNALLOCATED };
	if (err || !l2)
		return err;
	err = get(q, at_once, META_L2, l2_place(q, l2, offset), &entry);
	if (!err)
		err = decode(q, at_once, entry, m);
	if (!err)
		err = check_data(q, at_once, m);
	if (!l2_copied)
		m->copied = false; /* the snapshot's table refers to this cluster too */
	return err;
}

int qcow2_map(struct qcow2 *q, uint64_t offset, struct qcow2_mapping *m)
{
	return map(q, false, offset, m);
}

static bool goes_on(const struct qcow2 *q, const struct qcow2_mapping *first,
		    const struct qcow2_mapping *next, uint64_t clusters)
{
	if (next->type != first->type || next->copied != first->copied ||
	    first->type == QCOW2_IS_COMPRESSED)
		return false;
	return !first->host || next->host == first->host + (clusters << q->cluster_bits);
}

static int map_run(struct qcow2 *q, bool at_once, uint64_t offset, uint64_t len,
		   struct qcow2_mapping *m, uint64_t *run)
{
	uint64_t at = align_down(offset, q->cluster_bytes), end = at + q->cluster_bytes;
	int err = map(q, at_once, offset, m);

	for (uint64_t n = 1; !err && end < offset + len; n++) {
		struct qcow2_mapping next;

		/* Report an error there only to the request that needs that cluster. */
		if (map(q, at_once, end, &next) || !goes_on(q, m, &next, n))
			break;
		end += q->cluster_bytes;
	}
	*run = min_u64(len, end - offset);
	return err;
}

int qcow2_map_run(struct qcow2 *q, uint64_t offset, uint64_t len, struct qcow2_mapping *m,
		  uint64_t *run)
{
	return map_run(q, false, offset, len, m, run);
}

int qcow2_map_at_once(struct qcow2 *q, uint64_t offset, uint64_t len, struct qcow2_mapping *m,
		      uint64_t *run)
{
	return map_run(q, true, offset, len, m, run);
}

static int copy_cluster(struct qcow2 *q, uint64_t from, uint64_t to)
{
	uint64_t step = min_u64(q->cluster_bytes, QCOW2_COPY_BYTES);
	void *buf = malloc(step);
	int err = buf ? 0 : disk_file_error(q->file, "no memory for a copy", from, -ENOMEM);

	for (uint64_t at = 0; !err && at < q->cluster_bytes; at += step) {
		err = disk_file_pread(q->file, buf, step, from + at);
		if (!err)
			err = disk_file_pwrite(q->file, buf, step, to + at);
	}
	atomic_store(&q->unsynced, true);
	free(buf);
	return err;
}

/* Stores the L2 table for @offset in @l2, after making it or copying a shared one. */
static int own_l2(struct qcow2 *q, uint64_t offset, uint64_t *l2)
{
	uint64_t old, fresh;
	bool copied;
	int err = find_l2(q, false, offset, &old, &copied);

	*l2 = old;
	if (err || (old && copied))
		return err;
	err = qcow2_alloc(q, &fresh);
	if (err)
		return err;
	err = qcow2_table_add(q, fresh, QCOW2_L2);
	if (!err)
		err = old ? copy_cluster(q, old, fresh) : meta_zero_cluster(q, fresh);
	if (!err)
		err = meta_put64(q, META_L1,
				 q->l1_offset + (offset >> (q->cluster_bits + q->l2_bits)) * 8,
				 fresh | QCOW2_COPIED);
	if (err) {
		qcow2_unlink(q, fresh, 1);
		return err;
	}
	if (old)
		qcow2_unlink(q, old, 1);
	*l2 = fresh;
	return 0;
}

int qcow2_map_set(struct qcow2 *q, uint64_t offset, uint64_t entry)
{
	uint64_t l2;
	int err = atomic_load(&q->marked_corrupt) ? -EUCLEAN : own_l2(q, offset, &l2);

	return err ? err : meta_put64(q, META_L2, l2_place(q, l2, offset), entry);
}
