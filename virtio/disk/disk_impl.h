/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of the disk layer, private to virtio/disk/ and the formats on top of it. From the top:
 *
 *     disk_open.c      finds an image's format and opens it with all its backing files
 *     disk_backing.c   opens a backing file, if its place is allowed
 *     disk.c           checks each request, chooses its way, completes it
 *     disk_gather.c    reads that need not wait
 *     disk_ring.c      io_uring, for requests that map directly to a host file
 *     disk_pool.c      threads for everything else
 *     disk_node        blocking reads and writes of bytes at offsets: raw file, snapshot
 *                      overlay, qcow2; a node may be on top of another
 *     disk_file.c      one open host file: alignment, short transfers, errors reported once
 */
#ifndef VIRTIO_DISK_DISK_IMPL_H
#define VIRTIO_DISK_DISK_IMPL_H

#include "virtio/disk.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

/* The position in a list of iovecs; advances as bytes are used. */
struct disk_cursor {
	const struct iovec *iov;
	size_t skip_bytes; /* within iov[0] */
};

/*
 * Fills up to @max iovecs with the next @len bytes (or fewer), without advancing. Returns how many.
 */
unsigned int cursor_slice(const struct disk_cursor *c, uint64_t len, struct iovec *out,
			  unsigned int max);
void cursor_advance(struct disk_cursor *c, uint64_t len);
void cursor_copy_in(struct disk_cursor *c, const void *from, uint64_t len); /* into the iovecs */
void cursor_copy_out(struct disk_cursor *c, void *to, uint64_t len);	    /* from the iovecs */
void cursor_zero(struct disk_cursor *c, uint64_t len);

struct disk_format;
struct disk_node;

struct disk_node_ops {
	/*
	 * Blocking; the range is inside the node. Returns 0 or -errno. Thread: any, several at a
	 * time.
	 */
	int (*read)(struct disk_node *n, uint64_t offset, uint64_t len, struct disk_cursor *to);
	int (*write)(struct disk_node *n, uint64_t offset, uint64_t len, struct disk_cursor *from);
	/*
	 * Reads as many bytes from the front as it can without waiting, into at most 64 iovecs.
	 * Returns how many bytes. Thread: the caller's. May be NULL.
	 */
	uint64_t (*read_at_once)(struct disk_node *n, uint64_t offset, uint64_t len,
				 const struct iovec *iov, unsigned int nr);
	int (*flush)(struct disk_node *n);
	int (*discard)(struct disk_node *n, uint64_t offset, uint64_t len);
	int (*zero)(struct disk_node *n, uint64_t offset, uint64_t len, bool unmap);
	/* Frees the node and those below it. Returns 0, or -errno if the last writes failed. */
	int (*close)(struct disk_node *n);
};

struct disk_file;

/*
 * The longest read or write that the submitting thread, usually the loop's, copies itself: a longer
 * copy would hold up all other devices.
 */
#define DISK_OWN_COPY_BYTES (256 * KIB)

struct disk_node {
	const struct disk_node_ops *ops;
	uint64_t size_bytes;	    /* whole sectors */
	uint64_t max_at_once_bytes; /* the most that read_at_once() is called for */
	bool read_only;
	/* set if the node's offsets are this file's offsets: io_uring may be used */
	struct disk_file *raw;
};

/* ---- disk_file.c: a host file ---- */

struct disk_file {
	char *path;
	int fd;
	bool block_device, direct, read_only;
	/* the file reads as zeros beyond its end, and its last block may be short (qcow2) */
	bool sparse_tail;
	bool in_memory;		  /* on a file system that is only in memory: a read never waits */
	unsigned int align_bytes; /* of offsets and lengths, for O_DIRECT; else 1 */
	unsigned int mem_align_bytes;
	dev_t dev;
	ino_t ino;
	dev_t rdev;
	_Atomic uint64_t size_bytes; /* as far as known */
	uint64_t tail_end_bytes;     /* the size at opening, rounded up to sectors */
	_Atomic uint64_t said;	     /* one bit for each error number that was logged */
	_Atomic bool flush_failed, no_punch, no_zero_range, no_nowait;
	pthread_mutex_t flush_lock; /* guards a flush and its result */
	/*
	 * guards the read-modify-write of blocks that a misaligned direct write shares with others
	 */
	pthread_mutex_t edge_lock;
};

/* Opens, locks and measures the file. Returns 0, or -errno (reported). */
int disk_file_open(struct disk_file **out, const char *path, const struct disk_options *options,
		   bool read_only);
/* Makes a new, unlinked file for a snapshot's writes. */
int disk_file_temporary(struct disk_file **out);
void disk_file_close(struct disk_file *f);

int disk_file_read(struct disk_file *f, uint64_t offset, uint64_t len, struct disk_cursor *to);
int disk_file_write(struct disk_file *f, uint64_t offset, uint64_t len, struct disk_cursor *from);
int disk_file_pread(struct disk_file *f, void *buf, uint64_t len, uint64_t offset);
int disk_file_pwrite(struct disk_file *f, const void *buf, uint64_t len, uint64_t offset);
int disk_file_flush(struct disk_file *f);
int disk_file_discard(struct disk_file *f, uint64_t offset, uint64_t len);
int disk_file_zero(struct disk_file *f, uint64_t offset, uint64_t len, bool unmap);
/* Reads from @offset on what is in memory, up to the first gap. Returns how many bytes. */
uint64_t disk_file_read_cached(struct disk_file *f, uint64_t offset, const struct iovec *iov,
			       unsigned int nr);
/* A source of zeros for writes. */
#define DISK_ZERO_IOVECS 64
#define DISK_ZERO_BYTES (DISK_ZERO_IOVECS * 4096ULL)
void disk_zero_source(struct iovec iov[DISK_ZERO_IOVECS]);
/* Updates the size: a block device may have been extended since it was read. */
void disk_file_look_again(struct disk_file *f);
/* Whether this transfer needs no bounce buffer. */
bool disk_file_aligned(const struct disk_file *f, uint64_t offset, uint64_t len,
		       const struct iovec *iov, unsigned int nr);
/*
 * Logs the first error of each kind, for each file. -EFAULT is not the file's error: disk.c handles
 * it. Returns @err, a -errno.
 */
int disk_file_error(struct disk_file *f, const char *what, uint64_t offset, int err);
/* If @err is not 0, logs that the image on @f is closed without its last writes. Returns @err. */
int disk_file_lost(const struct disk_file *f, int err);

/* disk_lock.c: returns 0, or -errno (reported, with the owner of the conflicting lock) */
int disk_lock(int fd, const char *path, bool read_only);

/*
 * disk_probe.c: guesses the format from a first sector. Returns the name of one of @formats or of a
 * format that we refuse, or NULL: no known format, so it is raw.
 */
const char *disk_probe_name(const struct disk_format *formats, const void *sector, size_t len);

/* ---- nodes ---- */

struct disk_chain { /* the images above, which a backing file must not be one of */
	const struct disk_chain *above;
	const struct disk_file *file;
	unsigned int depth;
	dev_t backing_dev; /* which file the backing file is, without backing=any */
	ino_t backing_ino;
};

/* A row of the table of formats; the last row has no name. */
struct disk_format {
	/* the name in options, and in images that name their backing file's format */
	const char *name;
	/*
	 * Whether a file that begins with @sector has this format. NULL: the format is never
	 * guessed.
	 */
	bool (*probe)(const void *sector, size_t len);
	/*
	 * Opens the format. Takes over @f, also when it fails. @above is NULL for the disk's own
	 * image. @guessed: the format comes from probing, so the guest may have written the file's
	 * header. Returns 0, or -errno (reported).
	 */
	int (*open)(struct disk_node **out, struct disk_file *f, const struct disk_options *options,
		    const struct disk_chain *above, bool guessed);
};

/*
 * disk_raw.c: opens a raw image, see struct disk_format. If @guessed, the guest cannot change the
 * next guess.
 */
int disk_raw_open(struct disk_node **out, struct disk_file *f, const struct disk_options *options,
		  const struct disk_chain *above, bool guessed);
/* disk_snapshot.c: keeps writes separate from @base, which it takes over if it succeeds. */
int disk_snapshot_open(struct disk_node **out, struct disk_node *base);

/*
 * disk_open.c: opens one image and, below it, its backing files. @format_name is the format's name
 * from the user or the image above; NULL: guess it. Returns 0, or -errno (reported).
 */
int disk_image_open(struct disk_node **out, const char *path, const char *format_name,
		    bool read_only, const struct disk_options *options,
		    const struct disk_chain *above);

/*
 * disk_backing.c: opens the backing file that the image above names, for reading. Returns 0, or
 * -errno (reported).
 */
int disk_backing_open(struct disk_node **out, const char *path, const char *format_name,
		      const struct disk_options *options, const struct disk_chain *above);

/*
 * disk.c: makes a disk on @node, which it takes over, also when it fails. Returns like disk_open().
 */
int disk_start(struct disk **out, struct disk_node *node, const struct disk_options *options,
	       struct loop *loop);

/* ---- disk_pool.c: threads ---- */

#define DISK_POOL_THREADS 8

struct disk_list {
	struct disk_request *head, **tail;
};
void disk_list_init(struct disk_list *l);
void disk_list_add(struct disk_list *l, struct disk_request *r);
struct disk_request *disk_list_take(struct disk_list *l);
/* Moves all of @from to @to. */
void disk_list_move(struct disk_list *to, struct disk_list *from);

struct disk_pool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct disk_list todo;
	unsigned int nr_threads, nr_idle, nr_todo;
	bool stop;
	pthread_t threads[DISK_POOL_THREADS];
	/* called on a pool thread, or on the caller's if no thread can be made */
	void (*serve)(void *ctx, struct disk_request *r);
	void *ctx;
};
void disk_pool_init(struct disk_pool *p, void (*serve)(void *ctx, struct disk_request *r),
		    void *ctx);
void disk_pool_fini(struct disk_pool *p); /* waits for the threads; no request may be queued */
void disk_pool_add(struct disk_pool *p, struct disk_request *r);

/* ---- disk_gather.c: reads that need not wait ---- */

struct disk_gather {
	pthread_mutex_t lock;
	struct disk_list list;
	/*
	 * How many reads skip the attempt, now and after the next miss. These are hints: a lost
	 * update does no harm.
	 */
	_Atomic unsigned int skip, next_skip;
};
void disk_gather_init(struct disk_gather *g);
void disk_gather_fini(struct disk_gather *g);
/* Returns false if @r is not worth an attempt on @n now. Thread: any. */
bool disk_gather_add(struct disk_gather *g, const struct disk_node *n, struct disk_request *r);
/*
 * Tries the gathered reads: moves those that succeeded to @done, the rest to @other. Thread: any.
 */
void disk_gather_run(struct disk_gather *g, struct disk_node *n, struct disk_list *done,
		     struct disk_list *other);

/* ---- disk_ring.c: io_uring ---- */

struct disk_ring;
int disk_ring_open(struct disk_ring **out, struct disk_file *f);
void disk_ring_close(struct disk_ring *r);
int disk_ring_fd(const struct disk_ring *r); /* readable when there are completions */
/*
 * Starts requests from the front of @todo and moves completed ones (result set) to @done. Requests
 * that io_uring cannot do now, or has done in part (done_bytes), go to @other, for the pool. Locks:
 * the caller's lets one thread in at a time.
 */
void disk_ring_run(struct disk_ring *r, struct disk_list *todo, struct disk_list *done,
		   struct disk_list *other);

#endif
