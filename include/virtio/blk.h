/* SPDX-License-Identifier: GPL-2.0-only */
/* A block device (virtio 1.2, 5.2) on a struct disk. */
#ifndef VIRTIO_BLK_H
#define VIRTIO_BLK_H

#include "virtio/disk.h"
#include "virtio/virtio.h"

#define BLK_SERIAL_BYTES 20
#define BLK_MAX_QUEUES 16

struct blk_options {
	char serial[BLK_SERIAL_BYTES + 1]; /* empty: none */
	unsigned int nr_queues;		   /* 1 .. BLK_MAX_QUEUES */
	/* each write is durable when it completes: the device offers no flush */
	bool writethrough;
	bool discard;
	bool werror_stop;
	const char *path; /* for messages; outlives the device */
	/*
	 * Pauses the machine (@on) while a write waits for room on the host, and resumes it
	 * afterwards. NULL: the guest gets the error instead. Thread: any. Locks: the device's,
	 * held.
	 */
	void (*pause)(void *ctx, bool on);
	void *pause_ctx;
};

struct blk;

/*
 * Makes the device. The disk stays the caller's and must outlive the device. Returns 0, or -errno
 * (reported). Thread: setup.
 */
int blk_create(struct blk **out, struct disk *disk, const struct blk_options *options,
	       const struct gmem *mem, struct loop *loop);
/*
 * Waits for requests under way and frees @b; NULL is allowed. Thread: main, with no vCPU running.
 */
void blk_destroy(struct blk *b);

struct virtio_device *blk_virtio(struct blk *b);

/* Retries at once the writes that wait for room on the host. Thread: loop. */
void blk_retry(struct blk *b);

/*
 * Reads the value of -d, "FILE[,KEY=VALUE]...", a list as in optlist.h. Cuts @text up; the strings
 * of @disk point into it. Returns 0, or -EINVAL (reported).
 */
int blk_parse(char *text, struct disk_options *disk, struct blk_options *blk);

#endif
