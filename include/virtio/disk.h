/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A disk: bytes at offsets, whatever the file behind them is. virtio-blk submits requests and is
 * called back; it knows no format and no file descriptor.
 *
 * Threads: disk_submit() and disk_kick() may be called from any thread, several at a time; done()
 * is called on the loop's thread, or from within disk_submit(), disk_kick() or disk_drain() when
 * requests are done by then, this one or others. It may submit again, but not drain. Requests may
 * complete in any order; a flush covers every write that had completed when it was submitted.
 *
 * Errors of the host are -errno (-EIO, -ENOSPC) and said once in the log for each image file.
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
	uint64_t offset_bytes; /* sectors' borders */
	/*
	 * READ, WRITE: the sum of @iov; not checked by the caller against the size: the disk does
	 */
	uint64_t len_bytes;
	/* the caller's, and not changed: a request that has failed may be submitted again */
	struct iovec *iov;
	unsigned int nr_iov;
	bool unmap; /* WRITE_ZEROES: may free the space */
	/* 0 or -errno; -EINVAL beyond the end, -EROFS */
	void (*done)(struct disk_request *req, int result);
	/* The disk's, while it has the request: */
	struct disk_request *next;
	uint64_t done_bytes;
	int result;
};

enum disk_cache { DISK_CACHE_WRITEBACK, DISK_CACHE_WRITETHROUGH, DISK_CACHE_NONE };
enum disk_aio { DISK_AIO_AUTO, DISK_AIO_URING, DISK_AIO_THREADS };

struct disk_format;

struct disk_options {
	const char *path;
	/* Its format's name. NULL: guessed; raw, it refuses writes that would change the guess. */
	const char *format;
	const struct disk_format *formats; /* all there are; ends with a row that has no name */
	enum disk_cache cache;		   /* NONE: O_DIRECT */
	enum disk_aio aio;
	bool read_only;
	bool snapshot; /* writes go to an unlinked sparse file and are gone at the end */
	bool discard;
};

struct disk;

/*
 * Opens, locks (OFD locks: one writer, or many readers) and checks an image with all its backing
 * files. Returns 0 and the disk, or -errno having said why in one line that names the file. Set-up
 * time.
 */
int disk_open(struct disk **out, const struct disk_options *options, struct loop *loop);

/*
 * Waits for all requests, flushes, closes. Returns 0, or -errno having said that the last writes
 * could not be kept; it is closed all the same. NULL is fine. Loop's thread or tear-down.
 */
int disk_close(struct disk *d);

uint64_t disk_size_bytes(const struct disk *d); /* whole sectors */
bool disk_read_only(const struct disk *d);
bool disk_can_discard(const struct disk *d);
/* What a guest should align to for speed: bytes; a power of two. */
unsigned int disk_block_bytes(const struct disk *d);

void disk_submit(struct disk *d, struct disk_request *req);

/*
 * Begins what was queued since the last call (one system call for many requests). After a burst of
 * disk_submit().
 */
void disk_kick(struct disk *d);

/*
 * Waits until every submitted request is done; done() may run on this thread. For resets and the
 * way out.
 */
void disk_drain(struct disk *d);

/*
 * Blocking, at set-up only: for probing partition tables through the format layer. Returns 0 or
 * -errno.
 */
int disk_read_sync(struct disk *d, uint64_t offset_bytes, void *buf, uint64_t len_bytes);

#endif
