/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serves requests on a qcow2 image, on pool threads.
 *
 *   - Reads, and writes to clusters that only this image uses, hold map_lock shared during the
 *     transfer.
 *   - A write that needs a new cluster holds map_lock exclusively. It allocates a cluster, copies
 *     into it what the guest's write does not cover (from the backing file, from a cluster that is
 *     compressed or shared with a snapshot, or zeros), writes the data, and only then changes the
 *     mapping. That change stays in memory until the next flush: after a crash the old contents may
 *     be visible, which is allowed.
 *   - Discards and writes of zeroes change the mappings of whole clusters.
 */
#include "qcow2_impl.h"

#include <errno.h>
#include <stdlib.h>

#define AT_ONCE_IOVECS 64
#define MAX_UNLINKED 1024   /* extents, until a commit frees them without a flush */
#define CHANGE_CLUSTERS 256 /* a discard changes this many, then other requests get the lock */
#define WRITE_CLUSTERS 16   /* a write allocates this many, then likewise */

static struct qcow2 *to_qcow2(struct disk_node *n)
{
	return (struct qcow2 *)n;
}

static int read_backing(struct qcow2 *q, uint64_t offset, uint64_t len, struct disk_cursor *to)
{
	uint64_t size = q->backing ? q->backing->size_bytes : 0;
	uint64_t there = offset < size ? min_u64(len, size - offset) : 0;
	int err = there ? q->backing->ops->read(q->backing, offset, there, to) : 0;

	if (!err)
		cursor_zero(to, len - there);
	return err;
}

static int read_mapped(struct qcow2 *q, const struct qcow2_mapping *m, uint64_t offset,
		       uint64_t len, struct disk_cursor *to)
{
	switch (m->type) {
	case QCOW2_UNALLOCATED:
		return read_backing(q, offset, len, to);
	case QCOW2_NORMAL:
		return disk_file_read(q->file, m->host + (offset & (q->cluster_bytes - 1)), len,
				      to);
	case QCOW2_IS_COMPRESSED:
		return qcow2_read_compressed(q, m, offset & (q->cluster_bytes - 1), len, to);
	default:
		cursor_zero(to, len);
		return 0;
	}
}

int qcow2_read(struct disk_node *n, uint64_t offset, uint64_t len, struct disk_cursor *to)
{
	struct qcow2 *q = to_qcow2(n);
	int err = 0;

	pthread_rwlock_rdlock(&q->map_lock);
	while (!err && len > 0) {
		struct qcow2_mapping m;
		uint64_t run;

		err = qcow2_map_run(q, offset, len, &m, &run);
		if (!err)
			err = read_mapped(q, &m, offset, run, to);
		offset += run;
		len -= run;
	}
	pthread_rwlock_unlock(&q->map_lock);
	return err;
}

static uint64_t run_at_once(struct qcow2 *q, uint64_t offset, uint64_t len, const struct iovec *iov)
{
	const struct disk_cursor all = { .iov = iov };
	struct iovec part[AT_ONCE_IOVECS];
	struct qcow2_mapping m;
	unsigned int nr;
	uint64_t run;

	if (qcow2_map_at_once(q, offset, len, &m, &run) || m.type != QCOW2_NORMAL)
		return 0;
	nr = cursor_slice(&all, run, part, AT_ONCE_IOVECS);
	return disk_file_read_cached(q->file, m.host + (offset & (q->cluster_bytes - 1)), part, nr);
}

/* Runs on the caller's thread: reads no table, and waits for no lock. */
uint64_t qcow2_read_at_once(struct disk_node *n, uint64_t offset, uint64_t len,
			    const struct iovec *iov, unsigned int nr)
{
	struct qcow2 *q = to_qcow2(n);
	uint64_t got;

	if (nr > AT_ONCE_IOVECS || pthread_rwlock_tryrdlock(&q->map_lock))
		return 0;
	got = run_at_once(q, offset, len, iov);
	pthread_rwlock_unlock(&q->map_lock);
	return got;
}

/* Copies the old contents of [@offset, @offset + @len) of the disk to the new cluster at @host. */
static int keep_old(struct qcow2 *q, const struct qcow2_mapping *old, uint64_t offset, uint64_t len,
		    uint64_t host, bool fresh)
{
	uint64_t in_cluster = offset & (q->cluster_bytes - 1);
	bool zeros = old->type == QCOW2_ZERO_PLAIN || old->type == QCOW2_ZERO_ALLOCATED ||
		     (old->type == QCOW2_UNALLOCATED &&
		      (!q->backing || offset >= q->backing->size_bytes));
	void *buf;
	int err = 0;

	if (!len || (zeros && fresh))
		return 0;
	if (zeros)
		return disk_file_zero(q->file, host + in_cluster, len, false);
	buf = malloc(min_u64(len, QCOW2_COPY_BYTES));
	if (!buf)
		return disk_file_error(q->file, "no memory for a copy", host, -ENOMEM);
	for (uint64_t at = 0; !err && at < len; at += QCOW2_COPY_BYTES) {
		struct iovec iov = { buf, min_u64(len - at, QCOW2_COPY_BYTES) };
		struct disk_cursor c = { .iov = &iov };

		err = read_mapped(q, old, offset + at, iov.iov_len, &c);
		if (!err)
			err = disk_file_pwrite(q->file, buf, iov.iov_len, host + in_cluster + at);
	}
	free(buf);
	return err;
}

static int fill_cluster(struct qcow2 *q, const struct qcow2_mapping *old, uint64_t offset,
			uint64_t len, uint64_t host, bool fresh, struct disk_cursor *from)
{
	uint64_t in_cluster = offset & (q->cluster_bytes - 1);
	int err = keep_old(q, old, offset - in_cluster, in_cluster, host, fresh);

	if (!err)
		err = disk_file_write(q->file, host + in_cluster, len, from);
	if (!err)
		err = keep_old(q, old, offset + len, q->cluster_bytes - in_cluster - len, host,
			       fresh);
	atomic_store(&q->unsynced, true);
	return err;
}

static void unlink_old(struct qcow2 *q, const struct qcow2_mapping *old)
{
	if (old->host)
		qcow2_unlink(q, old->host, old->nr_clusters);
}

/* The range is inside one cluster. Locks: map_lock, held exclusively. */
static int write_to_new(struct qcow2 *q, const struct qcow2_mapping *old, uint64_t offset,
			uint64_t len, struct disk_cursor *from)
{
	uint64_t host, size = atomic_load(&q->file->size_bytes);
	int err = qcow2_alloc(q, &host);

	if (err)
		return err;
	err = fill_cluster(q, old, offset, len, host, !q->file->block_device && host >= size, from);
	if (!err)
		err = qcow2_map_set(q, offset, host | QCOW2_COPIED);
	if (err)
		qcow2_unlink(q, host, 1);
	else
		unlink_old(q, old);
	return err;
}

static int write_changing(struct qcow2 *q, const struct qcow2_mapping *old, uint64_t offset,
			  uint64_t len, struct disk_cursor *from)
{
	int err;

	if (!old->copied || old->type != QCOW2_ZERO_ALLOCATED)
		return write_to_new(q, old, offset, len, from);
	err = fill_cluster(q, old, offset, len, old->host, false, from);
	return err ? err : qcow2_map_set(q, offset, old->host | QCOW2_COPIED);
}

static int commit_if_many(struct qcow2 *q)
{
	return q->nr_unlinked >= MAX_UNLINKED ? qcow2_commit(q) : 0;
}

/*
 * Called before every change. Before the first one it finds the tables that no change may
 * overwrite, and clears the header's autoclear bits.
 */
static int begin_change(struct qcow2 *q)
{
	int err = 0;

	if (atomic_load(&q->marked_corrupt))
		return -EUCLEAN;
	if (atomic_load(&q->changing))
		return 0;
	pthread_rwlock_wrlock(&q->map_lock);
	if (!atomic_load(&q->changing)) {
		err = qcow2_find_tables(q);
		if (!err)
			err = qcow2_clear_autoclear(q);
		atomic_store(&q->changing, !err);
	}
	pthread_rwlock_unlock(&q->map_lock);
	return err;
}

static bool is_own(const struct qcow2_mapping *m)
{
	return m->type == QCOW2_NORMAL && m->copied;
}

/* Writes a run of our own clusters; *@run is 0 if the first cluster is not one. */
static int write_own(struct qcow2 *q, uint64_t offset, uint64_t len, struct disk_cursor *from,
		     uint64_t *run)
{
	struct qcow2_mapping m;
	int err;

	*run = 0;
	pthread_rwlock_rdlock(&q->map_lock);
	err = qcow2_map(q, offset, &m); /* a long run that is not ours must not be looked up */
	if (!err && is_own(&m))
		err = qcow2_map_run(q, offset, len, &m, run);
	if (!err && *run)
		err = disk_file_write(q->file, m.host + (offset & (q->cluster_bytes - 1)), *run,
				      from);
	pthread_rwlock_unlock(&q->map_lock);
	return err;
}

/* Writes some clusters that are not our own, up to the first that is. *@done: the bytes. */
static int write_others(struct qcow2 *q, uint64_t offset, uint64_t len, struct disk_cursor *from,
			uint64_t *done)
{
	int err = 0;

	*done = 0;
	pthread_rwlock_wrlock(&q->map_lock);
	for (unsigned int n = 0; !err && n < WRITE_CLUSTERS && *done < len; n++) {
		uint64_t at = offset + *done;
		uint64_t part =
			min_u64(len - *done, q->cluster_bytes - (at & (q->cluster_bytes - 1)));
		struct qcow2_mapping m;

		err = qcow2_map(q, at, &m);
		if (!err && is_own(&m))
			break;
		if (!err)
			err = write_changing(q, &m, at, part, from);
		if (!err)
			err = commit_if_many(q);
		*done += part;
	}
	pthread_rwlock_unlock(&q->map_lock);
	return err;
}

int qcow2_write(struct disk_node *n, uint64_t offset, uint64_t len, struct disk_cursor *from)
{
	struct qcow2 *q = to_qcow2(n);
	int err = 0;

	while (!err && len > 0) {
		uint64_t run;

		err = begin_change(q);
		if (!err)
			err = write_own(q, offset, len, from, &run);
		if (!err && !run)
			err = write_others(q, offset, len, from, &run);
		if (err)
			break;
		offset += run;
		len -= run;
	}
	return err;
}

/* ---- discards and zeroes ---- */

static bool reads_as_zeros(const struct qcow2 *q, const struct qcow2_mapping *m, uint64_t offset)
{
	if (m->type == QCOW2_UNALLOCATED)
		return !q->backing || offset >= q->backing->size_bytes;
	return m->type == QCOW2_ZERO_PLAIN || m->type == QCOW2_ZERO_ALLOCATED;
}

/* Changes a whole cluster's mapping to @entry, which needs no cluster of the file. */
static int replace(struct qcow2 *q, const struct qcow2_mapping *old, uint64_t offset,
		   uint64_t entry)
{
	int err = qcow2_map_set(q, offset, entry);

	if (!err)
		unlink_old(q, old);
	return err;
}

/*
 * Returns the entry that makes a cluster without space read as zeros; -1: version 2 has no such
 * entry here.
 */
static int64_t zero_entry(const struct qcow2 *q)
{
	if (!q->backing)
		return 0;
	return q->version >= 3 ? (int64_t)QCOW2_ZERO : -1;
}

static int discard_cluster(struct qcow2 *q, uint64_t offset, const struct qcow2_mapping *m)
{
	int64_t entry = zero_entry(q);

	if (!m->host || entry < 0)
		return 0;
	return replace(q, m, offset, (uint64_t)entry);
}

/* Returns 1 if zeros must be written as data. */
static int zero_cluster(struct qcow2 *q, uint64_t offset, const struct qcow2_mapping *m, bool unmap)
{
	int64_t entry = zero_entry(q);

	if (reads_as_zeros(q, m, offset) && !(unmap && m->host))
		return 0;
	if (m->type == QCOW2_NORMAL && m->copied && !unmap) {
		if (q->version < 3)
			return 1;
		return qcow2_map_set(q, offset, m->host | QCOW2_COPIED | QCOW2_ZERO);
	}
	return entry < 0 ? 1 : replace(q, m, offset, (uint64_t)entry);
}

static int write_zeros(struct qcow2 *q, uint64_t offset, uint64_t len)
{
	struct iovec iov[DISK_ZERO_IOVECS];
	int err = 0;

	disk_zero_source(iov);
	while (!err && len > 0) {
		struct disk_cursor c = { .iov = iov };
		uint64_t n = min_u64(len, DISK_ZERO_BYTES);

		err = qcow2_write(&q->node, offset, n, &c);
		offset += n;
		len -= n;
	}
	return err;
}

/* Writes zeros to a part of a cluster. */
static int zero_part(struct qcow2 *q, uint64_t offset, uint64_t len)
{
	struct qcow2_mapping m;
	bool zeros;
	int err;

	pthread_rwlock_rdlock(&q->map_lock);
	err = qcow2_map(q, offset, &m);
	zeros = !err && reads_as_zeros(q, &m, offset);
	pthread_rwlock_unlock(&q->map_lock);
	return err || zeros ? err : write_zeros(q, offset, len);
}

enum change { CHANGE_DISCARD, CHANGE_ZERO, CHANGE_ZERO_UNMAP };

/*
 * Changes clusters from *@at on. Stops after CHANGE_CLUSTERS, or (returns 1) before a cluster that
 * must be written. Locks: map_lock, held exclusively.
 */
static int change_some(struct qcow2 *q, uint64_t *at, uint64_t end, enum change change)
{
	int err = 0;

	for (unsigned int n = 0; !err && n < CHANGE_CLUSTERS && *at < end; n++) {
		struct qcow2_mapping m;

		err = qcow2_map(q, *at, &m);
		if (!err && change == CHANGE_DISCARD)
			err = discard_cluster(q, *at, &m);
		else if (!err)
			err = zero_cluster(q, *at, &m, change == CHANGE_ZERO_UNMAP);
		if (!err)
			*at += q->cluster_bytes;
	}
	return err ? err : commit_if_many(q);
}

static int change_clusters(struct qcow2 *q, uint64_t at, uint64_t end, enum change change)
{
	int err = 0;

	while (err >= 0 && at < end) {
		err = begin_change(q);
		if (err)
			return err;
		pthread_rwlock_wrlock(&q->map_lock);
		err = change_some(q, &at, end, change);
		pthread_rwlock_unlock(&q->map_lock);
		if (err == 1) {
			err = write_zeros(q, at,
					  min_u64(q->cluster_bytes, q->node.size_bytes - at));
			at += q->cluster_bytes;
		}
	}
	return err;
}

/* If the disk ends inside its last cluster, that one counts as whole. */
static uint64_t whole_end(const struct qcow2 *q, uint64_t end)
{
	return end == q->node.size_bytes ? align_up(end, q->cluster_bytes)
					 : align_down(end, q->cluster_bytes);
}

int qcow2_discard(struct disk_node *n, uint64_t offset, uint64_t len)
{
	struct qcow2 *q = to_qcow2(n);

	return change_clusters(q, align_up(offset, q->cluster_bytes), whole_end(q, offset + len),
			       CHANGE_DISCARD);
}

int qcow2_zero(struct disk_node *n, uint64_t offset, uint64_t len, bool unmap)
{
	struct qcow2 *q = to_qcow2(n);
	uint64_t end = offset + len, whole = whole_end(q, end);
	int err = 0;

	while (!err && offset < end) {
		uint64_t border = align_down(offset, q->cluster_bytes) + q->cluster_bytes;

		if (is_aligned(offset, q->cluster_bytes) && offset < whole) {
			border = whole;
			err = change_clusters(q, offset, whole,
					      unmap ? CHANGE_ZERO_UNMAP : CHANGE_ZERO);
		} else {
			err = zero_part(q, offset, min_u64(border, end) - offset);
		}
		offset = border;
	}
	return err;
}
