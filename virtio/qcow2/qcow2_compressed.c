/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads compressed clusters of a qcow2 image ("Compressed Clusters Descriptor"). Each is a raw
 * deflate stream or a Zstandard frame anywhere in the file; its table entry has the first byte and
 * the last sector. They are only read: a write replaces them by ordinary clusters.
 *
 * The last unpacked cluster is kept, so that sequential small reads unpack it once. Locks:
 * unpack_lock guards it while it is filled and copied; it is taken with map_lock held. The kept
 * copy cannot become wrong: no program writes compressed clusters while we have the image open.
 */
#include "qcow2_impl.h"

#include "inflate.h"
#include "zstd.h"

#include <errno.h>
#include <stdlib.h>

static ssize_t unpack_to_cluster(struct qcow2 *q, const void *packed, size_t packed_bytes)
{
	return q->zstd ? zstd_unpack(packed, packed_bytes, q->unpacked, q->cluster_bytes)
		       : inflate_raw(packed, packed_bytes, q->unpacked, q->cluster_bytes);
}

static int unpack(struct qcow2 *q, const struct qcow2_mapping *m)
{
	unsigned char *packed = malloc(m->packed_bytes);
	int err = packed ? 0 : -ENOMEM;

	q->unpacked_from = 0;
	if (!err && !q->unpacked)
		q->unpacked = malloc(q->cluster_bytes);
	if (!q->unpacked)
		err = -ENOMEM;
	if (!err)
		err = disk_file_pread(q->file, packed, m->packed_bytes, m->packed);
	if (!err && unpack_to_cluster(q, packed, m->packed_bytes) != (ssize_t)q->cluster_bytes)
		err = qcow2_corrupt(q, "a compressed cluster that cannot be unpacked,", m->packed);
	if (!err)
		q->unpacked_from = m->packed;
	free(packed);
	return err;
}

int qcow2_read_compressed(struct qcow2 *q, const struct qcow2_mapping *m, uint64_t in_cluster,
			  uint64_t len, struct disk_cursor *to)
{
	int err = 0;

	pthread_mutex_lock(&q->unpack_lock);
	if (q->unpacked_from != m->packed)
		err = unpack(q, m);
	if (!err)
		cursor_copy_in(to, q->unpacked + in_cluster, len);
	pthread_mutex_unlock(&q->unpack_lock);
	return err;
}
