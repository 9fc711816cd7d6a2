/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Caches all tables of a qcow2 image: L1, L2, refcount table and refcount blocks, in slices of
 * 4 KiB (of a cluster, if clusters are smaller). A slice gets its memory when it is first used.
 * Their number follows the image: enough for all its tables, but at most 32 MiB. Callers copy
 * entries in and out: no pointer into the cache leaves this file.
 *
 * Changes stay in the cache until a flush, or until a slice is needed and all are dirty. Then all
 * are written in the order of their classes, lower to higher. The file is synced before a class is
 * written if anything was written since the last sync:
 *
 *     data, new refcount blocks | refcount table | L2 tables | L1 table
 *
 * So the target of a reference is on the disk before the reference is, and a reference is never
 * there before the refcounts that cover it. Within a class the order does not matter.
 *
 * A slice is in one of the hash table's chains, and in one list: that of the dirty slices of its
 * class, or that of the clean ones, in the order of their last use.
 */
#include "qcow2_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_BYTES 4096
#define MIN_SLICES 64
#ifndef QCOW2_CACHE_BYTES /* tests define less, so that small images have slices replaced */
#define QCOW2_CACHE_BYTES (32 * MIB)
#endif
#define SLICES_IN_CHAIN 8

struct meta_slice {
	struct meta_list list; /* the first member */
	struct meta_slice *chain;
	uint64_t offset;
	enum meta_class class_of;
	bool dirty;
	unsigned char data[];
};

static bool list_empty(const struct meta_list *l)
{
	return l->next == l;
}

static void list_del(struct meta_list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
}

static void list_add_last(struct meta_list *head, struct meta_list *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

static struct meta_slice *first_of(struct meta_list *head)
{
	return (struct meta_slice *)head->next;
}

void meta_init(struct qcow2 *q, uint64_t file_bytes)
{
	uint64_t clusters = (q->node.size_bytes >> q->cluster_bits) + 1;
	uint64_t counted = file_bytes >> q->cluster_bits;
	uint64_t table_bytes = clusters * 8 + q->l1_entries * 8 + q->reftable_entries * 8 +
			       (counted << q->refcount_order >> 3);

	q->slice_bytes = min_u64(SLICE_BYTES, q->cluster_bytes);
	q->max_slices =
		max_u64(MIN_SLICES, min_u64(table_bytes, QCOW2_CACHE_BYTES) / q->slice_bytes);
	q->nr_chains = 1;
	while (q->nr_chains < q->max_slices / SLICES_IN_CHAIN)
		q->nr_chains *= 2;
	q->clean = (struct meta_list){ &q->clean, &q->clean };
	for (unsigned int i = 0; i < META_CLASSES; i++)
		q->dirty[i] = (struct meta_list){ &q->dirty[i], &q->dirty[i] };
	pthread_mutex_init(&q->meta_lock, NULL);
}

static struct meta_slice **chain_of(struct qcow2 *q, uint64_t offset)
{
	return &q->chains[offset / q->slice_bytes & (q->nr_chains - 1)];
}

static struct meta_slice *lookup(struct qcow2 *q, uint64_t offset)
{
	struct meta_slice *s = q->chains ? *chain_of(q, offset) : NULL;

	while (s && s->offset != offset)
		s = s->chain;
	return s;
}

static void unchain(struct qcow2 *q, struct meta_slice *s)
{
	struct meta_slice **at = chain_of(q, s->offset);

	while (*at != s)
		at = &(*at)->chain;
	*at = s->chain;
}

static int sync_before(struct qcow2 *q)
{
	int err = 0;

	if (atomic_exchange(&q->unsynced, false))
		err = disk_file_flush(q->file);
	if (err)
		atomic_store(&q->unsynced, true);
	return err;
}

static int write_class(struct qcow2 *q, unsigned int n)
{
	struct meta_list *dirty = &q->dirty[n];
	int err = !list_empty(dirty) && n != META_REFBLOCK ? sync_before(q) : 0;

	while (!err && !list_empty(dirty)) {
		struct meta_slice *s = first_of(dirty);

		err = disk_file_pwrite(q->file, s->data, q->slice_bytes, s->offset);
		if (err)
			break;
		s->dirty = false;
		list_del(&s->list);
		list_add_last(&q->clean, &s->list);
		atomic_fetch_sub(&q->nr_dirty, 1);
		atomic_store(&q->unsynced, true);
	}
	return err;
}

static int write_all(struct qcow2 *q)
{
	int err = 0;

	if (!atomic_load(&q->nr_dirty))
		return 0;
	for (unsigned int n = 0; !err && n < META_CLASSES; n++)
		err = write_class(q, n);
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

static void drop(struct qcow2 *q, struct meta_slice *s)
{
	unchain(q, s);
	list_del(&s->list);
	if (s->dirty)
		atomic_fetch_sub(&q->nr_dirty, 1);
	q->nr_slices--;
	free(s);
}

/*
 * Makes a slice; drops the clean one that was not used for longest if there are enough. Writes all
 * first if none is clean.
 */
static int make_slice(struct qcow2 *q, uint64_t offset, struct meta_slice **out)
{
	int err;

	if (!q->chains)
		q->chains = calloc(q->nr_chains, sizeof(struct meta_slice *));
	if (q->chains && q->nr_slices >= q->max_slices) {
		err = list_empty(&q->clean) ? write_all(q) : 0;
		if (err)
			return err;
		drop(q, first_of(&q->clean));
	}
	*out = q->chains ? malloc(sizeof(**out) + q->slice_bytes) : NULL;
	if (*out)
		return 0;
	disk_file_error(q->file, "no memory for a table", offset, -ENOMEM);
	return -ENOMEM;
}

static int load(struct qcow2 *q, enum meta_class class_of, uint64_t offset, struct meta_slice **out)
{
	struct meta_slice *s;
	int err = make_slice(q, offset, &s);

	if (err)
		return err;
	err = disk_file_pread(q->file, s->data, q->slice_bytes, offset);
	if (err) {
		free(s);
		return err;
	}
	s->offset = offset;
	s->class_of = class_of;
	s->dirty = false;
	s->chain = *chain_of(q, offset);
	*chain_of(q, offset) = s;
	list_add_last(&q->clean, &s->list);
	q->nr_slices++;
	*out = s;
	return 0;
}

static void used(struct qcow2 *q, struct meta_slice *s)
{
	if (s->dirty)
		return;
	list_del(&s->list);
	list_add_last(&q->clean, &s->list);
}

static int find(struct qcow2 *q, enum meta_class class_of, uint64_t offset, struct meta_slice **out)
{
	uint64_t start = align_down(offset, q->slice_bytes);

	*out = lookup(q, start);
	if (!*out)
		return load(q, class_of, start, out);
	/* One place with two kinds of table is corrupt: no order of writing would be correct. */
	if ((*out)->class_of != class_of)
		return qcow2_mark_corrupt(q, "two tables in one place,", offset);
	used(q, *out);
	return 0;
}

int meta_read(struct qcow2 *q, enum meta_class class_of, uint64_t offset, void *buf, size_t len)
{
	struct meta_slice *s;
	int err;

	pthread_mutex_lock(&q->meta_lock);
	err = find(q, class_of, offset, &s);
	if (!err)
		memcpy(buf, s->data + (offset - s->offset), len);
	pthread_mutex_unlock(&q->meta_lock);
	return err;
}

int meta_write(struct qcow2 *q, enum meta_class class_of, uint64_t offset, const void *buf,
	       size_t len)
{
	struct meta_slice *s;
	int err;

	pthread_mutex_lock(&q->meta_lock);
	err = find(q, class_of, offset, &s);
	if (!err) {
		memcpy(s->data + (offset - s->offset), buf, len);
		if (!s->dirty) {
			atomic_fetch_add(&q->nr_dirty, 1);
			list_del(&s->list);
			list_add_last(&q->dirty[class_of], &s->list);
		}
		s->dirty = true;
	}
	pthread_mutex_unlock(&q->meta_lock);
	return err;
}

int meta_get64(struct qcow2 *q, enum meta_class class_of, uint64_t offset, uint64_t *value)
{
	uint64_t be;
	int err = meta_read(q, class_of, offset, &be, sizeof(be));

	if (!err)
		*value = be64toh(be);
	return err;
}

int meta_put64(struct qcow2 *q, enum meta_class class_of, uint64_t offset, uint64_t value)
{
	uint64_t be = htobe64(value);

	return meta_write(q, class_of, offset, &be, sizeof(be));
}

int meta_try_get64(struct qcow2 *q, enum meta_class class_of, uint64_t offset, uint64_t *value)
{
	struct meta_slice *s;
	int err = -EAGAIN;

	if (pthread_mutex_trylock(&q->meta_lock))
		return err;
	s = lookup(q, align_down(offset, q->slice_bytes));
	if (s && s->class_of == class_of) {
		*value = load_be64(s->data + (offset - s->offset));
		used(q, s);
		err = 0;
	}
	pthread_mutex_unlock(&q->meta_lock);
	return err;
}

int meta_peek(struct qcow2 *q, uint64_t offset, unsigned char *buf)
{
	struct meta_slice *s;

	pthread_mutex_lock(&q->meta_lock);
	s = lookup(q, offset);
	if (s)
		memcpy(buf, s->data, q->slice_bytes);
	pthread_mutex_unlock(&q->meta_lock);
	return s ? 0 : disk_file_pread(q->file, buf, q->slice_bytes, offset);
}

void meta_forget(struct qcow2 *q, uint64_t offset, uint64_t len)
{
	pthread_mutex_lock(&q->meta_lock);
	for (uint64_t at = 0; at < len && q->nr_slices; at += q->slice_bytes) {
		struct meta_slice *s = lookup(q, offset + at);

		if (s)
			drop(q, s);
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
	for (unsigned int n = 0; n <= META_CLASSES; n++) {
		struct meta_list *list = n < META_CLASSES ? &q->dirty[n] : &q->clean;

		for (struct meta_list *l = list->next, *next; l != list; l = next) {
			next = l->next;
			free((struct meta_slice *)l);
		}
	}
	free(q->chains);
	pthread_mutex_destroy(&q->meta_lock);
}
