/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opens, flushes and closes qcow2 images, versions 2 and 3, with all their backing files.
 *
 * A read-only image's refcounts are not used. An image that is opened for writing is treated by its
 * own marks:
 *
 *   - marked corrupt: it is refused;
 *   - marked dirty (QEMU's lazy refcounts, after a crash): its refcounts are rebuilt first;
 *   - features that a writer must keep up to date and we do not (persistent bitmaps): the first
 *     write marks them invalid, as their "autoclear" bits require.
 *
 * We never set the dirty mark: on the disk, our refcounts are always up to date.
 *
 * Not supported, and refused by name: encryption, external data files, extended L2 entries, and any
 * other incompatible feature.
 */
#include "qcow2.h"
#include "qcow2_impl.h"

#include "kvm/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_AT_ONCE_BYTES (64 * KIB) /* longer copies are left to another thread */

static int qcow2_flush(struct disk_node *n)
{
	struct qcow2 *q = (struct qcow2 *)n;
	int err;

	if (n->read_only)
		return 0;
	if (!atomic_load(&q->nr_dirty))
		return disk_file_flush(q->file);
	pthread_rwlock_wrlock(&q->map_lock);
	err = qcow2_commit(q);
	pthread_rwlock_unlock(&q->map_lock);
	return err;
}

static void free_all(struct qcow2 *q)
{
	if (q->backing)
		q->backing->ops->close(q->backing);
	meta_free(q);
	qcow2_forget_tables(q);
	free(q->unlinked);
	free(q->unpacked);
	free(q->full);
	free(q->scratch);
	pthread_rwlock_destroy(&q->map_lock);
	pthread_mutex_destroy(&q->unpack_lock);
	disk_file_close(q->file);
	free(q);
}

static int qcow2_close(struct disk_node *n)
{
	struct qcow2 *q = (struct qcow2 *)n;
	int err = 0;

	/*
	 * A commit frees clusters, which makes refcounts dirty; the second commit has nothing to
	 * free.
	 */
	while (!n->read_only && !err &&
	       (atomic_load(&q->nr_dirty) || q->nr_unlinked || atomic_load(&q->unsynced)))
		err = qcow2_commit(q);
	if (!n->read_only && !err)
		err = disk_file_flush(q->file);
	disk_file_lost(q->file, err);
	free_all(q);
	return err;
}

static const struct disk_node_ops qcow2_ops = {
	.read = qcow2_read,
	.read_at_once = qcow2_read_at_once,
	.write = qcow2_write,
	.flush = qcow2_flush,
	.discard = qcow2_discard,
	.zero = qcow2_zero,
	.close = qcow2_close,
};

/* ---- the backing file ---- */

static int backing_path(const struct qcow2 *q, const char *name, char *path, size_t size)
{
	const char *image = q->file->path, *slash = strrchr(image, '/');
	const char *colon = strchr(name, ':'), *name_slash = strchr(name, '/');
	int n;

	if (!strncmp(name, "file:", 5)) {
		name += 5;
	} else if (colon && (!name_slash || colon < name_slash)) {
		pr_err("%s: its backing file is \"%.*s...\", a QEMU protocol; only files are supported",
		       image, (int)(colon - name + 1), name);
		return -ENOTSUP;
	}
	if (name[0] == '/' || !slash)
		n = snprintf(path, size, "%s", name);
	else
		n = snprintf(path, size, "%.*s/%s", (int)(slash - image), image, name);
	if ((size_t)n < size)
		return 0;
	pr_err("%s: its backing file's path is too long", image);
	return -ENAMETOOLONG;
}

static int open_backing(struct qcow2 *q, const struct qcow2_header *h,
			const struct disk_options *options, const struct disk_chain *above,
			bool allowed)
{
	const char *format = h->backing_format[0] ? h->backing_format : NULL;
	struct disk_chain chain = { .above = above,
				    .file = q->file,
				    .depth = above ? above->depth + 1 : 1 };
	char path[PATH_MAX];
	int err;

	if (!h->backing_name[0])
		return 0;
	if (!allowed) {
		pr_err("%s: names a backing file, but the image above it does not record this file's format, so a guest may have written that name; if it is right, run `qemu-img rebase -u -b FILE -F qcow2` on the image above",
		       q->file->path);
		return -EPERM;
	}
	err = backing_path(q, h->backing_name, path, sizeof(path));
	if (err)
		return err;
	return disk_backing_open(&q->backing, path, format, options, &chain);
}

/* ---- opening ---- */

static int prepare_writing(struct qcow2 *q)
{
	int err;

	if (q->file->read_only)
		return 0;
	if (q->incompatible & QCOW2_INCOMPAT_CORRUPT) {
		pr_err("%s: marked corrupt; `qemu-img check -r all` repairs it, `ro` reads what is readable",
		       q->file->path);
		return -EIO;
	}
	if (!(q->incompatible & QCOW2_INCOMPAT_DIRTY))
		return 0;
	/* First: the repair frees the clusters of persistent bitmaps. */
	err = qcow2_clear_autoclear(q);
	if (!err)
		err = qcow2_repair(q);
	return err ? err : qcow2_clear_dirty(q);
}

static void init(struct qcow2 *q, struct disk_file *f, const struct qcow2_header *h)
{
	pthread_rwlockattr_t attr;

	q->file = f;
	q->version = h->version;
	q->cluster_bits = h->cluster_bits;
	q->cluster_bytes = 1ULL << h->cluster_bits;
	q->l2_bits = h->cluster_bits - 3;
	q->refcount_order = h->refcount_order;
	q->refblock_bits = h->cluster_bits + 3 - h->refcount_order;
	q->l1_offset = h->l1_offset;
	q->l1_entries = h->l1_entries;
	q->reftable_offset = h->reftable_offset;
	q->reftable_entries = h->reftable_clusters << q->l2_bits;
	q->snapshots_offset = h->snapshots_offset;
	q->nr_snapshots = h->nr_snapshots;
	q->incompatible = h->incompatible;
	q->autoclear = h->autoclear;
	q->node = (struct disk_node){
		.ops = &qcow2_ops,
		.size_bytes = align_down(h->size_bytes, DISK_SECTOR_BYTES),
		.max_at_once_bytes = MAX_AT_ONCE_BYTES,
		.read_only = f->read_only,
	};
	meta_init(q, atomic_load(&f->size_bytes));
	pthread_mutex_init(&q->unpack_lock, NULL);
	/* Readers arrive all the time; a writer must not have to wait for a moment without any. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&q->map_lock, &attr);
	pthread_rwlockattr_destroy(&attr);
}

int qcow2_open(struct disk_node **out, struct disk_file *f, const struct disk_options *options,
	       const struct disk_chain *above, bool guessed)
{
	/*
	 * The guest may have written a qcow2 header to its raw disk, which is now a backing file:
	 * such a header may not name other files.
	 */
	const bool backing_allowed = !guessed || !above;
	struct qcow2_header *h = malloc(sizeof(*h));
	struct qcow2 *q = calloc(1, sizeof(*q));
	int err = -ENOMEM;

	f->sparse_tail = true;
	if (h && q)
		err = qcow2_header_read(f, h);
	else
		disk_file_error(f, "no memory for the header", 0, err);
	if (err) {
		free(q);
		free(h);
		disk_file_close(f);
		return err;
	}
	init(q, f, h);
	q->punch = options->discard;
	q->zstd = h->zstd;
	err = open_backing(q, h, options, above, backing_allowed);
	if (!err)
		err = prepare_writing(q);
	free(h);
	if (err) {
		free_all(q);
		return err;
	}
	*out = &q->node;
	return 0;
}
