/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks tables of a qcow2 image in the file, not in the cache: call it only while nothing has been
 * changed. It also reads the snapshot table ("Snapshots").
 *
 * The image is not trusted: the snapshot table and all L1 tables of snapshots have limits on their
 * sums, so that no image can make this take long.
 */
#include "qcow2_impl.h"

#include <errno.h>
#include <stdlib.h>

#define CHUNK_BYTES (64 * KIB)
#define SNAPSHOT_BYTES 40 /* of an entry, without its variable parts */
#define MAX_SNAPSHOT_TABLE_BYTES (64 * MIB)
#define MAX_L1_ENTRIES (32 * MIB / 8)
#define MAX_SNAPSHOT_L1_ENTRIES (1ULL << 26) /* of all snapshots */

int qcow2_each_entry(struct qcow2 *q, uint64_t offset, uint64_t nr, qcow2_entry_fn fn, void *ctx)
{
	uint64_t len = nr * 8;
	unsigned char *buf = malloc(min_u64(len, CHUNK_BYTES) + 1);
	int err = 0;

	if (!buf)
		return disk_file_error(q->file, "no memory for a table", offset, -ENOMEM);
	for (uint64_t at = 0; !err && at < len; at += CHUNK_BYTES) {
		uint64_t step = min_u64(len - at, CHUNK_BYTES);

		err = disk_file_pread(q->file, buf, step, offset + at);
		for (uint64_t i = 0; !err && i < step; i += 8)
			err = fn(q, (at + i) / 8, load_be64(buf + i), ctx);
	}
	free(buf);
	return err;
}

static int check_snapshot(struct qcow2 *q, uint64_t at, uint64_t l1, uint64_t entries,
			  uint64_t *sum)
{
	uint64_t end = align_up(atomic_load(&q->file->size_bytes), q->cluster_bytes);

	*sum += entries;
	if (entries > MAX_L1_ENTRIES || *sum > MAX_SNAPSHOT_L1_ENTRIES)
		return qcow2_mark_corrupt(q, "the L1 tables of its snapshots are too large,", at);
	if (entries &&
	    (!qcow2_table_ok(q, l1) || align_up(entries * 8, q->cluster_bytes) > end - l1))
		return qcow2_mark_corrupt(q, "a snapshot's L1 table at an impossible place,", l1);
	return 0;
}

int qcow2_each_snapshot(struct qcow2 *q, qcow2_snapshot_fn fn, void *ctx, uint64_t *table_bytes)
{
	uint64_t end = align_up(atomic_load(&q->file->size_bytes), q->cluster_bytes);
	uint64_t at = q->snapshots_offset, sum = 0;
	int err = 0;

	for (uint64_t i = 0; !err && i < q->nr_snapshots; i++) {
		unsigned char p[SNAPSHOT_BYTES];
		uint64_t variable;

		err = disk_file_pread(q->file, p, sizeof(p), at);
		if (err)
			return err;
		err = check_snapshot(q, at, load_be64(p), load_be32(p + 8), &sum);
		if (!err)
			err = fn(q, load_be64(p), load_be32(p + 8), ctx);
		variable = (uint64_t)load_be32(p + 36) + (load_be32(p + 12) >> 16) +
			   (load_be32(p + 12) & 0xffff);
		at += align_up(SNAPSHOT_BYTES + variable, 8);
		if (!err && (at > end || at - q->snapshots_offset > MAX_SNAPSHOT_TABLE_BYTES))
			err = qcow2_mark_corrupt(q, "a snapshot table that is too large,", at);
	}
	*table_bytes = at - q->snapshots_offset;
	return err;
}

bool qcow2_table_ok(struct qcow2 *q, uint64_t offset)
{
	return is_aligned(offset, q->cluster_bytes) && offset >= q->cluster_bytes &&
	       offset < align_up(atomic_load(&q->file->size_bytes), q->cluster_bytes);
}
