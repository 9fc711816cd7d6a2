/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Caches all tables of a qcow2 image: L1, L2, refcount table and refcount blocks. The cache has up
 * to 64 slices of 4 KiB (of a cluster, if clusters are smaller), allocated when first used. Callers
 * copy entries in and out: no pointer into the cache leaves this file.
 *
 * Changes stay in the cache until a flush, or until a slice is needed and all are dirty. Then all
 * are written in the order of their classes, lower to higher. The file is synced before a class is
 * written if anything was written since the last sync:
 *
 *     data, new refcount blocks | refcount table | L2 tables | L1 table
 *
 * So the target of a reference is on the disk before the reference is, and a reference is never
 * there before the refcounts that cover it. Within a class the order does not matter.
 */
#include "qcow2_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int write_class(struct qcow2 *q, enum meta_class class)
{
	for (unsigned int i = 0; i < META_SLICES; i++) {
		struct meta_slice *s = &q->slices[i];
		int err;

		if (!s->valid || !s->dirty || s->class != class)
			continue;
		if (class != META_REFBLOCK && atomic_exchange(&q->unsynced, false)) {
			err = disk_file_flush(q->file);
			if (err) {
				atomic_store(&q->unsynced, true);
				return err;
			}
		}
		/* The rest of the class follows without a sync in between. */
		for (; i < META_SLICES; i++) {
			s = &q->slices[i];
			if (!s->valid || !s->dirty || s->class != class)
				continue;
			err = disk_file_pwrite(q->file, s->data, q->slice_bytes, s->offset);
			if (err)
				return err;
			s->dirty = false;
			atomic_fetch_sub(&q->nr_dirty, 1);
			atomic_store(&q->unsynced, true);
		}
	}
	return 0;
}

static int write_all(struct qcow2 *q)
{
	int err = 0;

	if (!atomic_load(&q->nr_dirty))
		return 0;
	for (int class = 0; !err && class < META_CLASSES; class ++)
		err = write_class(q, (enum meta_class) class);
	return err;
}

int meta_write_all(struct qcow2 *q)
{
	int err;

	pthread_mutex_lock(&q->meta_lock);
	err = write_all(q);
	pthread_mutex_unlock(&q->meta_lock);
	return err;
}

/* Finds the least recently used clean slice; writes all slices first if none is clean. */
static int find_victim(struct qcow2 *q, struct meta_slice **out)
{
	for (int round = 0; round < 2; round++) {
		struct meta_slice *best = NULL;
		int err;

		for (unsigned int i = 0; i < META_SLICES; i++) {
			struct meta_slice *s = &q->slices[i];

			if (!s->valid) {
				best = s;
				break;
			}
			if (!s->dirty && (!best || s->used_at < best->used_at))
				best = s;
		}
		if (best) {
			*out = best;
			return 0;
		}
		err = write_all(q);
		if (err)
			return err;
	}
	return -EIO;
}

static int load(struct qcow2 *q, enum meta_class class, uint64_t offset, struct meta_slice **out)
{
	struct meta_slice *s;
	int err = find_victim(q, &s);

	if (err)
		return err;
	s->valid = false;
	if (!s->data)
		s->data = malloc(q->slice_bytes);
	if (!s->data)
		return -ENOMEM;
	err = disk_file_pread(q->file, s->data, q->slice_bytes, offset);
	if (err)
		return err;
	s->offset = offset;
	s->class = class;
	s->valid = true;
	s->dirty = false;
	*out = s;
	return 0;
}

static int find(struct qcow2 *q, enum meta_class class, uint64_t offset, struct meta_slice **out)
{
	uint64_t start = align_down(offset, q->slice_bytes);
	int err = 0;

	*out = NULL;
	for (unsigned int i = 0; i < META_SLICES && !*out; i++) {
		if (q->slices[i].valid && q->slices[i].offset == start)
			*out = &q->slices[i];
	}
	/* One place with two kinds of table is corrupt: no order of writing would be correct. */
	if (!*out)
		err = load(q, class, start, out);
	else if ((*out)->class != class)
		err = qcow2_corrupt(q, "tables overlap", offset);
	if (!err)
		(*out)->used_at = ++q->tick;
	return err;
}

bool meta_cached(struct qcow2 *q, uint64_t offset)
{
	uint64_t start = align_down(offset, q->slice_bytes);
	bool found = false;

	if (pthread_mutex_trylock(&q->meta_lock))
		return false;
	for (unsigned int i = 0; i < META_SLICES && !found; i++)
		found = q->slices[i].valid && q->slices[i].offset == start;
	pthread_mutex_unlock(&q->meta_lock);
	return found;
}

int meta_read(struct qcow2 *q, enum meta_class class, uint64_t offset, void *buf, size_t len)
{
	struct meta_slice *s;
	int err;

	pthread_mutex_lock(&q->meta_lock);
	err = find(q, class, offset, &s);
	if (!err)
		memcpy(buf, s->data + (offset - s->offset), len);
	pthread_mutex_unlock(&q->meta_lock);
	return err;
}

int meta_write(struct qcow2 *q, enum meta_class class, uint64_t offset, const void *buf, size_t len)
{
	struct meta_slice *s;
	int err;

	pthread_mutex_lock(&q->meta_lock);
	err = find(q, class, offset, &s);
	if (!err) {
		memcpy(s->data + (offset - s->offset), buf, len);
		if (!s->dirty)
			atomic_fetch_add(&q->nr_dirty, 1);
		s->dirty = true;
	}
	pthread_mutex_unlock(&q->meta_lock);
	return err;
}

int meta_get64(struct qcow2 *q, enum meta_class class, uint64_t offset, uint64_t *value)
{
	uint64_t be;
	int err = meta_read(q, class, offset, &be, sizeof(be));

	if (!err)
		*value = be64toh(be);
	return err;
}

int meta_put64(struct qcow2 *q, enum meta_class class, uint64_t offset, uint64_t value)
{
	uint64_t be = htobe64(value);

	return meta_write(q, class, offset, &be, sizeof(be));
}

void meta_forget(struct qcow2 *q, uint64_t offset, uint64_t len)
{
	pthread_mutex_lock(&q->meta_lock);
	for (unsigned int i = 0; i < META_SLICES; i++) {
		struct meta_slice *s = &q->slices[i];

		if (!s->valid || s->offset < offset || s->offset - offset >= len)
			continue;
		if (s->dirty)
			atomic_fetch_sub(&q->nr_dirty, 1);
		s->valid = false;
		s->dirty = false;
	}
	pthread_mutex_unlock(&q->meta_lock);
}

int meta_zero_cluster(struct qcow2 *q, uint64_t offset)
{
	meta_forget(q, offset, q->cluster_bytes);
	atomic_store(&q->unsynced, true);
	return disk_file_zero(q->file, offset, q->cluster_bytes, false);
}

void meta_free(struct qcow2 *q)
{
	for (unsigned int i = 0; i < META_SLICES; i++)
		free(q->slices[i].data);
}
