/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of the disk layer, private to virtio/disk/ and the formats on top of it. From the top:
 *
 *   disk_open.c      finds an image's format and has it opened, with all that is below it
 *   disk.c           requests: checks, which way each goes, completion
 *   disk_gather.c    reads that need not wait
 *   disk_ring.c      io_uring for what maps straight to a host file
 *   disk_pool.c      threads for everything else
 *   disk_node        a blocking "bytes at offsets": raw file, snapshot overlay, qcow2; nodes stand
 *                    on nodes
 *   disk_file.c      one open host file: alignment, short transfers, errors said once
 */
#ifndef VIRTIO_DISK_DISK_IMPL_H
#define VIRTIO_DISK_DISK_IMPL_H

#include "virtio/disk.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

/* Where we are in a list of iovecs; moves on as bytes are used. */
struct disk_cursor {
	const struct iovec *iov;
	size_t skip_bytes; /* of iov[0] */
};

/*
 * Fills up to @max iovecs with the next @len bytes (or fewer) without moving on; returns how many.
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
	/* Blocking; any thread, several at a time. The range is inside the node. 0 or -errno. */
	int (*read)(struct disk_node *n, uint64_t offset, uint64_t len, struct disk_cursor *to);
	int (*write)(struct disk_node *n, uint64_t offset, uint64_t len, struct disk_cursor *from);
	/*
	 * Reads as much from the front as there is without waiting for anything; how many bytes. At
	 * most 64 iovecs. May be NULL. The caller's thread.
	 */
	uint64_t (*read_at_once)(struct disk_node *n, uint64_t offset, uint64_t len,
				 const struct iovec *iov, unsigned int nr);
	int (*flush)(struct disk_node *n);
	int (*discard)(struct disk_node *n, uint64_t offset, uint64_t len);
	int (*zero)(struct disk_node *n, uint64_t offset, uint64_t len, bool unmap);
	/* Frees the node and what is below it; 0 or -errno of what was still to be written. */
	int (*close)(struct disk_node *n);
};

struct disk_file;

struct disk_node {
	const struct disk_node_ops *ops;
	uint64_t size_bytes;	    /* whole sectors */
	uint64_t max_at_once_bytes; /* read_at_once() is not asked for more */
	bool read_only;
	/* when offsets are those of this file and nothing stands between: io_uring may be used */
	struct disk_file *raw;
};

/* ---- disk_file.c: a host file ---- */

struct disk_file {
	char *path;
	int fd;
	bool block_device, direct, read_only, dsync;
	/* what is beyond the end reads as zeros, and the last block may be short (qcow2) */
	bool sparse_tail;
	bool locked_open; /* the lock is ours */
	bool in_memory;	  /* on a file system that has no other place: a read waits for nothing */
	unsigned int align_bytes; /* of offsets and lengths, for O_DIRECT; else 1 */
	unsigned int mem_align_bytes;
	dev_t dev;
	ino_t ino;
	dev_t rdev;
	_Atomic uint64_t size_bytes; /* as far as known */
	uint64_t tail_end_bytes;     /* the size at opening, rounded up to sectors */
	_Atomic bool said_error, flush_failed, no_punch, no_zero_range, no_nowait;
	pthread_mutex_t flush_lock; /* a flush and what came of it */
	/* of read-modify-write of blocks that a misaligned direct write shares */
	pthread_mutex_t edge_lock;
};

/* Opens, locks, measures. Says why not. */
int disk_file_open(struct disk_file **out, const char *path, const struct disk_options *options,
		   bool read_only);
/* A new, unlinked file for a snapshot's writes. */
int disk_file_temporary(struct disk_file **out);
void disk_file_close(struct disk_file *f);

int disk_file_read(struct disk_file *f, uint64_t offset, uint64_t len, struct disk_cursor *to);
int disk_file_write(struct disk_file *f, uint64_t offset, uint64_t len, struct disk_cursor *from);
int disk_file_pread(struct disk_file *f, void *buf, uint64_t len, uint64_t offset);
int disk_file_pwrite(struct disk_file *f, const void *buf, uint64_t len, uint64_t offset);
int disk_file_flush(struct disk_file *f);
int disk_file_discard(struct disk_file *f, uint64_t offset, uint64_t len);
int disk_file_zero(struct disk_file *f, uint64_t offset, uint64_t len, bool unmap);
/* Reads what is in memory, from @offset on, as far as that goes: how many bytes. */
uint64_t disk_file_read_cached(struct disk_file *f, uint64_t offset, const struct iovec *iov,
			       unsigned int nr);
/* Zeros to write from. */
#define DISK_ZERO_IOVECS 64
#define DISK_ZERO_BYTES (DISK_ZERO_IOVECS * 4096ULL)
void disk_zero_source(struct iovec iov[DISK_ZERO_IOVECS]);
/* The size as the host has it now. */
uint64_t disk_file_size(struct disk_file *f);
/* A block device may have been extended since its size was asked for. */
void disk_file_look_again(struct disk_file *f);
/* Whether this transfer needs no bounce buffer. */
bool disk_file_aligned(const struct disk_file *f, uint64_t offset, uint64_t len,
		       const struct iovec *iov, unsigned int nr);
/* Tells the log, once for each file; returns @err, a -errno. */
int disk_file_error(struct disk_file *f, const char *what, uint64_t offset, int err);
/*
 * Tells the log, @err not being 0, that the image on @f is closed without what was written to it
 * last; returns @err.
 */
int disk_file_lost(const struct disk_file *f, int err);

/* disk_lock.c: 0, or -errno having said who has it */
int disk_lock(int fd, const char *path, bool read_only);

/*
 * disk_probe.c: guesses by a first sector which format it is: one of @formats, or one that we
 * refuse. Returns its name, or NULL: no known one, that is raw.
 */
const char *disk_probe_name(const struct disk_format *formats, const void *sector, size_t len);

/* ---- nodes ---- */

struct disk_chain { /* what is open above: a backing file must be none of these */
	const struct disk_chain *above;
	const struct disk_file *file;
	unsigned int depth;
};

/* A row of the table of formats, which ends with a row that has no name. */
struct disk_format {
	const char *name; /* as the user says it, and an image of its backing file */
	/* Whether a file that begins with @sector is one. NULL: none is recognised. */
	bool (*probe)(const void *sector, size_t len);
	/*
	 * Takes over @f, also when it fails. @above is NULL for the disk's own image. @guessed: the
	 * format comes from probing, so it may be what a guest made of the file. Returns 0 or
	 * -errno (reported).
	 */
	int (*open)(struct disk_node **out, struct disk_file *f, const struct disk_options *options,
		    const struct disk_chain *above, bool guessed);
};

/* disk_raw.c: as struct disk_format has it. If @guessed, no guest can change the next guess. */
int disk_raw_open(struct disk_node **out, struct disk_file *f, const struct disk_options *options,
		  const struct disk_chain *above, bool guessed);
/* disk_snapshot.c: keeps writes apart from @base, which it takes over if it succeeds. */
int disk_snapshot_open(struct disk_node **out, struct disk_node *base);

/*
 * disk_open.c: opens one image and, below it, its backing files. @format_name is what the user or
 * the image above calls its format; NULL: it is guessed. Returns 0 or -errno (reported).
 */
int disk_image_open(struct disk_node **out, const char *path, const char *format_name,
		    bool read_only, const struct disk_options *options,
		    const struct disk_chain *above);

/* disk.c: a disk on @node, which it takes over, also when it fails. Returns as disk_open(). */
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
/* @to gets all that @from has. */
void disk_list_move(struct disk_list *to, struct disk_list *from);

struct disk_pool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct disk_list todo;
	unsigned int nr_threads, nr_idle, nr_todo;
	bool stop;
	pthread_t threads[DISK_POOL_THREADS];
	void (*serve)(void *ctx,
		      /* on a pool thread, or on the caller's when there can be none */
		      struct disk_request *r);
	void *ctx;
};
void disk_pool_init(struct disk_pool *p, void (*serve)(void *ctx, struct disk_request *r),
		    void *ctx);
void disk_pool_fini(struct disk_pool *p); /* waits for the threads; nothing may be queued */
void disk_pool_add(struct disk_pool *p, struct disk_request *r);

/* ---- disk_gather.c: reads that need not wait ---- */

struct disk_gather {
	pthread_mutex_t lock;
	struct disk_list list;
	/*
	 * Reads that are not tried, now and after the next miss; hints, so an update that is lost
	 * costs nothing.
	 */
	_Atomic unsigned int skip, next_skip;
};
void disk_gather_init(struct disk_gather *g);
void disk_gather_fini(struct disk_gather *g);
/* False when @r is nothing to be tried on @n now. Any thread. */
bool disk_gather_add(struct disk_gather *g, const struct disk_node *n, struct disk_request *r);
/* Tries what was added: what is read moves to @done, the rest to @other. Any thread. */
void disk_gather_run(struct disk_gather *g, struct disk_node *n, struct disk_list *done,
		     struct disk_list *other);

/* ---- disk_ring.c: io_uring ---- */

struct disk_ring;
int disk_ring_open(struct disk_ring **out, struct disk_file *f);
void disk_ring_close(struct disk_ring *r);
int disk_ring_fd(const struct disk_ring *r); /* readable when there are completions */
/*
 * Starts requests from the front of @todo and moves what is done (result set) to @done. What
 * io_uring cannot do now or has done in part (done_bytes) goes to @other, for the pool. The caller
 * serialises.
 */
void disk_ring_run(struct disk_ring *r, struct disk_list *todo, struct disk_list *done,
		   struct disk_list *other);

#endif
