/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A disk reads and writes bytes at offsets, in an image of any format. virtio-blk submits requests
 * and gets callbacks; it knows no format and no file descriptor.
 *
 * Threads:
 *
 *   - disk_submit() and disk_kick() may run on any thread, several at a time;
 *   - done() runs on the loop's thread, or within disk_submit(), disk_kick() or disk_drain() when
 *     this request or another one has completed. It may submit again, but must not drain.
 *
 * Requests may complete in any order. A flush covers every write that had completed when the flush
 * was submitted.
 *
 * Errors of the host are -errno (-EIO, -ENOSPC); the log gets one for each image file.
 */
#ifndef VIRTIO_DISK_H
#define VIRTIO_DISK_H

#include "kvm/loop.h"
#include "kvm/types.h"

#include <sys/uio.h>

#define DISK_SECTOR_BYTES 512

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD, DISK_WRITE_ZEROES };

struct disk_request {
	enum disk_op op;
	uint64_t offset_bytes; /* a multiple of the sector size */
	/* READ, WRITE: the sum of @iov. The disk compares it with its size; the caller need not. */
	uint64_t len_bytes;
	/* the caller's, and not changed: a failed request may be submitted again */
	struct iovec *iov;
	unsigned int nr_iov;
	bool unmap; /* WRITE_ZEROES: may free the space */
	/* 0 or -errno; -EINVAL beyond the end, -EROFS */
	void (*done)(struct disk_request *req, int result);
	/* Used by the disk while it has the request: */
	struct disk_request *next;
	uint64_t done_bytes;
	int result;
};

enum disk_cache { DISK_CACHE_WRITEBACK, DISK_CACHE_WRITETHROUGH, DISK_CACHE_NONE };
enum disk_aio { DISK_AIO_AUTO, DISK_AIO_URING, DISK_AIO_THREADS };

struct disk_format;

struct disk_options {
	const char *path;
	/*
	 * The format's name. NULL: guess it; if the guess is raw, the disk refuses writes that
	 * would change the guess.
	 */
	const char *format;
	const struct disk_format *formats; /* all formats; the last row has no name */
	enum disk_cache cache;		   /* NONE: O_DIRECT */
	enum disk_aio aio;
	bool read_only;
	/* writes go to an unlinked sparse file and are lost when the disk is closed */
	bool snapshot;
	bool discard;
	unsigned int block_bytes; /* of the guest's sectors: 512 or 4096; 0 means 512 */
	/*
	 * Called after a system call has failed with EFAULT on a request's memory. Returns whether
	 * that was mended: the disk then tries once more. NULL: it cannot be mended. Thread: any.
	 */
	bool (*mend)(void *ctx);
	void *mend_ctx;
	/* Backing files may be anywhere, and devices; else only files in the image's folder. */
	bool backing_any;
};

struct disk;

/*
 * Opens, locks (OFD locks: one writer, or many readers) and checks an image with all its backing
 * files. Returns 0 and the disk, or -errno (reported in one line that names the file). Thread:
 * setup.
 */
int disk_open(struct disk **out, const struct disk_options *options, struct loop *loop);

/*
 * Waits for all requests, flushes and closes; NULL is allowed. Returns 0, or -errno (reported) if
 * the last writes could not be stored; the disk is closed in either case. Thread: loop, or main at
 * tear-down.
 */
int disk_close(struct disk *d);

uint64_t disk_size_bytes(const struct disk *d); /* whole blocks */
bool disk_read_only(const struct disk *d);
bool disk_can_discard(const struct disk *d);
/* The size of the sectors that the guest sees. */
unsigned int disk_block_bytes(const struct disk *d);

void disk_submit(struct disk *d, struct disk_request *req);

/*
 * Starts what was queued since the last call (one system call for many requests). Call it after a
 * burst of disk_submit(). Thread: any.
 */
void disk_kick(struct disk *d);

/*
 * Waits until every submitted request is done; done() may run on this thread. For resets and
 * tear-down.
 */
void disk_drain(struct disk *d);

/*
 * Blocking read, for reading partition tables through the format layer. Returns 0 or -errno.
 * Thread: setup.
 */
int disk_read_sync(struct disk *d, uint64_t offset_bytes, void *buf, uint64_t len_bytes);

#endif
