/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of the qcow2 format ("The QCOW2 image format", QEMU's docs/interop/qcow2), private to
 * virtio/qcow2/:
 *
 *     qcow2.c            opens, closes and flushes an image
 *     qcow2_header.c     reads the header and its extensions and checks every value
 *     qcow2_meta.c       caches all tables and orders their writes to the disk
 *     qcow2_walk.c       reads whole tables past the cache
 *     qcow2_overlap.c    knows which clusters hold tables
 *     qcow2_refcount.c   counts the references to clusters of the file; allocates
 *     qcow2_map.c        maps guest offsets to clusters of the file
 *     qcow2_io.c         serves requests
 *     qcow2_compressed.c reads compressed clusters
 *     qcow2_repair.c     rebuilds the refcounts of images that were left dirty
 *     qcow2_marks.c      reports that an image is corrupt; changes the header's marks
 *
 * Locks. Requests that use existing mappings hold map_lock shared during their I/O; those that
 * change a mapping hold it exclusively. meta_lock guards the cache, for one access at a time, and
 * is taken last. (There is also unpack_lock, see qcow2_compressed.c.)
 *
 * One invariant holds on the disk at every moment, whatever is lost: each cluster's refcount is at
 * least the number of references to it. So a crash can only leak clusters. Refcounts are raised
 * before a reference is written, and lowered after its removal has been written.
 */
#ifndef VIRTIO_QCOW2_QCOW2_IMPL_H
#define VIRTIO_QCOW2_QCOW2_IMPL_H

#include "virtio/disk/disk_impl.h"

#include <endian.h>

#define QCOW2_COPIED (1ULL << 63)
#define QCOW2_COMPRESSED (1ULL << 62)
#define QCOW2_ZERO 1ULL
#define QCOW2_OFFSET_MASK 0x00fffffffffffe00ULL

#define QCOW2_INCOMPAT_DIRTY 1ULL
#define QCOW2_INCOMPAT_CORRUPT 2ULL
#define QCOW2_INCOMPAT_COMPRESSION 8ULL

#define QCOW2_NAME_BYTES 1024
#define QCOW2_COPY_BYTES (64 * KIB) /* at a time, from cluster to cluster */

struct qcow2_header {
	unsigned int version, cluster_bits, refcount_order;
	uint64_t size_bytes;
	uint64_t l1_offset, reftable_offset, snapshots_offset;
	uint64_t l1_entries, reftable_clusters, nr_snapshots;
	uint64_t incompatible, autoclear;
	bool zstd; /* compresses its clusters by Zstandard; otherwise by deflate */
	char backing_name[QCOW2_NAME_BYTES];
	char backing_format[16]; /* empty: the image does not name it */
};

/*
 * The order in which classes of tables are written. If two classes are dirty, the file is synced
 * between them.
 */
enum meta_class { META_REFBLOCK, META_REFTABLE, META_L2, META_L1, META_CLASSES };

struct meta_slice;
struct meta_list {
	struct meta_list *prev, *next;
};

struct qcow2_extent {
	uint64_t first_cluster, nr_clusters;
};

struct qcow2 {
	struct disk_node node;
	struct disk_file *file;
	struct disk_node *backing;
	unsigned int version, cluster_bits, l2_bits, refcount_order, refblock_bits;
	uint64_t cluster_bytes;
	uint64_t l1_offset, l1_entries, reftable_offset, reftable_entries;
	uint64_t snapshots_offset, nr_snapshots;
	uint64_t incompatible, autoclear;
	bool punch, zstd;
	_Atomic bool changing;	     /* the first write has begun */
	_Atomic bool marked_corrupt; /* all writes fail */
	_Atomic bool said_corrupt;

	pthread_rwlock_t map_lock;
	uint64_t free_hint;	/* no cluster below it is free */
	uint64_t *full;		/* a bit for each refcount block in which none is free */
	unsigned char *scratch; /* a slice */
	uint64_t *tables;	/* qcow2_overlap.c */
	uint64_t nr_tables, max_tables;
	struct qcow2_extent *unlinked; /* lost a reference that the disk may still have */
	size_t nr_unlinked, max_unlinked;

	pthread_mutex_t meta_lock;
	struct meta_list clean, dirty[META_CLASSES];
	struct meta_slice **chains;
	uint64_t slice_bytes, nr_slices, max_slices, nr_chains;
	_Atomic unsigned int nr_dirty;
	_Atomic bool unsynced; /* data or tables were written on which later tables rely */

	pthread_mutex_t unpack_lock;
	uint64_t unpacked_from; /* the file offset of the cluster in @unpacked; 0: none */
	unsigned char *unpacked;
};

/* All functions below return 0 or -errno, unless stated otherwise. */

/* qcow2_header.c: returns 0, or -errno (reported) */
int qcow2_header_read(struct disk_file *f, struct qcow2_header *h);

/*
 * qcow2_marks.c: reports corruption that concerns one request, or, for mark_corrupt(), tables that
 * contradict each other: marks a writable image corrupt, and all writes fail from now on. Both
 * return -EUCLEAN. Thread: any.
 */
int qcow2_corrupt(struct qcow2 *q, const char *what, uint64_t offset);
int qcow2_mark_corrupt(struct qcow2 *q, const char *what, uint64_t offset);
int qcow2_clear_dirty(struct qcow2 *q);
/* Clears the autoclear bits on the disk, and reports what that makes invalid. */
int qcow2_clear_autoclear(struct qcow2 *q);

/* qcow2_meta.c: @offset..@offset+@len is inside one table's naturally aligned 8 bytes */
void meta_init(struct qcow2 *q, uint64_t file_bytes);
int meta_read(struct qcow2 *q, enum meta_class class_of, uint64_t offset, void *buf, size_t len);
int meta_write(struct qcow2 *q, enum meta_class class_of, uint64_t offset, const void *buf,
	       size_t len);
int meta_get64(struct qcow2 *q, enum meta_class class_of, uint64_t offset, uint64_t *value);
int meta_put64(struct qcow2 *q, enum meta_class class_of, uint64_t offset, uint64_t value);
/* Like meta_get64(), but never waits: returns -EAGAIN if it would have to. */
int meta_try_get64(struct qcow2 *q, enum meta_class class_of, uint64_t offset, uint64_t *value);
/* Copies the slice at @offset, from the file if it is not in the cache; it does not go there. */
int meta_peek(struct qcow2 *q, uint64_t offset, unsigned char *buf);
/* Writes all dirty tables, in order. The last ones may still need a sync. */
int meta_write_all(struct qcow2 *q);
/* Drops the cached contents of a range of the file, also dirty ones. */
void meta_forget(struct qcow2 *q, uint64_t offset, uint64_t len);
/* Makes a cluster a table of zeros. */
int meta_zero_cluster(struct qcow2 *q, uint64_t offset);
void meta_free(struct qcow2 *q);

/* qcow2_refcount.c. Locks: map_lock, held exclusively. */
int refcount_get(struct qcow2 *q, uint64_t cluster, uint64_t *count);
int refcount_set(struct qcow2 *q, uint64_t cluster, uint64_t count);
int qcow2_alloc(struct qcow2 *q, uint64_t *offset);
/*
 * Drops one reference after the tables without it are on the disk. Never fails: in the worst case a
 * cluster leaks.
 */
void qcow2_unlink(struct qcow2 *q, uint64_t offset, uint64_t nr_clusters);
/* Writes everything to the disk, then frees unlinked clusters. */
int qcow2_commit(struct qcow2 *q);

/* qcow2_walk.c: calls @fn for each entry or snapshot until it returns a nonzero value. */
typedef int (*qcow2_entry_fn)(struct qcow2 *q, uint64_t index, uint64_t entry, void *ctx);
typedef int (*qcow2_snapshot_fn)(struct qcow2 *q, uint64_t l1, uint64_t entries, void *ctx);
int qcow2_each_entry(struct qcow2 *q, uint64_t offset, uint64_t nr, qcow2_entry_fn fn, void *ctx);
int qcow2_each_snapshot(struct qcow2 *q, qcow2_snapshot_fn fn, void *ctx, uint64_t *table_bytes);
/* Whether a table may be at @offset: aligned, not in the header, inside the file. */
bool qcow2_table_ok(struct qcow2 *q, uint64_t offset);

/* qcow2_overlap.c. Locks: map_lock, held exclusively for changes. */
enum qcow2_table {
	QCOW2_NO_TABLE,
	QCOW2_L2, /* this one to SNAPSHOT are in the set */
	QCOW2_REFBLOCK,
	QCOW2_SNAPSHOT, /* the snapshot table, or an L1 table of a snapshot */
	QCOW2_HEADER,
	QCOW2_L1,
	QCOW2_REFTABLE
};

/* Returns what is known to be in the cluster at @offset. */
enum qcow2_table qcow2_table_at(const struct qcow2 *q, uint64_t offset);
/* Fills the set from the file, before the first change. */
int qcow2_find_tables(struct qcow2 *q);
int qcow2_table_add(struct qcow2 *q, uint64_t offset, enum qcow2_table kind);
void qcow2_table_drop(struct qcow2 *q, uint64_t offset);
void qcow2_forget_tables(struct qcow2 *q);

/* qcow2_map.c */
enum qcow2_type {
	QCOW2_UNALLOCATED,
	QCOW2_ZERO_PLAIN,
	QCOW2_ZERO_ALLOCATED,
	QCOW2_NORMAL,
	QCOW2_IS_COMPRESSED
};

struct qcow2_mapping {
	enum qcow2_type type;
	bool copied;
	/* NORMAL, ZERO_ALLOCATED: the cluster's offset; COMPRESSED: that of the first cluster */
	uint64_t host;
	uint64_t nr_clusters;
	/* COMPRESSED: the stream, cut at the end of the file */
	uint64_t packed, packed_bytes;
};

int qcow2_map(struct qcow2 *q, uint64_t offset, struct qcow2_mapping *m);
/*
 * Like qcow2_map(); also stores how many bytes from @offset, up to @len, have the same kind of
 * mapping.
 */
int qcow2_map_run(struct qcow2 *q, uint64_t offset, uint64_t len, struct qcow2_mapping *m,
		  uint64_t *run);
/* Like qcow2_map_run(), but never waits: returns -EAGAIN if it would have to, or on an error. */
int qcow2_map_at_once(struct qcow2 *q, uint64_t offset, uint64_t len, struct qcow2_mapping *m,
		      uint64_t *run);
/*
 * Sets a mapping, after making the L2 table, or copying a shared one. Locks: map_lock, held
 * exclusively.
 */
int qcow2_map_set(struct qcow2 *q, uint64_t offset, uint64_t entry);

/* qcow2_io.c */
int qcow2_read(struct disk_node *n, uint64_t offset, uint64_t len, struct disk_cursor *to);
uint64_t qcow2_read_at_once(struct disk_node *n, uint64_t offset, uint64_t len,
			    const struct iovec *iov, unsigned int nr);
int qcow2_write(struct disk_node *n, uint64_t offset, uint64_t len, struct disk_cursor *from);
int qcow2_discard(struct disk_node *n, uint64_t offset, uint64_t len);
int qcow2_zero(struct disk_node *n, uint64_t offset, uint64_t len, bool unmap);

/* qcow2_compressed.c: the range is inside one cluster */
int qcow2_read_compressed(struct qcow2 *q, const struct qcow2_mapping *m, uint64_t in_cluster,
			  uint64_t len, struct disk_cursor *to);

/*
 * qcow2_repair.c: called when an image is opened for writing and is marked to have outdated
 * refcounts
 */
int qcow2_repair(struct qcow2 *q);

/* The first byte of a compressed cluster, and the end of its last sector. */
static inline uint64_t qcow2_packed_at(unsigned int cluster_bits, uint64_t entry, uint64_t *end)
{
	unsigned int offset_bits = 62 - (cluster_bits - 8);
	uint64_t start = entry & ((1ULL << offset_bits) - 1);
	uint64_t sectors = (entry & ~(QCOW2_COPIED | QCOW2_COMPRESSED)) >> offset_bits;

	*end = align_down(start, 512) + (sectors + 1) * 512;
	return start;
}

static inline uint32_t load_be32(const unsigned char *p)
{
	uint32_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static inline uint64_t load_be64(const unsigned char *p)
{
	uint64_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

#endif
