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
	/* each write is durable when it completes: no flush is offered */
	bool writethrough;
	bool discard;
	bool werror_stop;
	const char *path; /* for messages; outlives the device */
	/*
	 * Holds the machine up (@on) while a write waits for the host to have room, and lets it go
	 * on; NULL: its error is reported to the guest. Device's lock held, any thread.
	 */
	void (*pause)(void *ctx, bool on);
	void *pause_ctx;
};

struct blk;

/*
 * Returns 0 or -errno, having said why. The disk stays the caller's and must outlive the device.
 * Set-up time.
 */
int blk_create(struct blk **out, struct disk *disk, const struct blk_options *options,
	       const struct gmem *mem, struct loop *loop);
/* Waits for what is under way. NULL is fine. With no vCPU running. */
void blk_destroy(struct blk *b);

struct virtio_device *blk_virtio(struct blk *b);

/* Tries now what waits for the host to have room. Loop's thread. */
void blk_retry(struct blk *b);

/*
 * Reads "FILE[,KEY=VALUE]...", a list by optlist.h, as -d has it. @text is cut up, and the strings
 * of @disk point into it. Returns 0 or -EINVAL (reported).
 */
int blk_parse(char *text, struct disk_options *disk, struct blk_options *blk);

#endif
