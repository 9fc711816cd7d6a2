/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Holds the block device's writes that failed on the host until they succeed (-d werror=stop);
 * private to the block device. See blk_hold.c.
 */
#ifndef VIRTIO_DEVICE_BLK_HOLD_H
#define VIRTIO_DEVICE_BLK_HOLD_H

#include "virtio/blk.h"

struct blk_hold {
	const struct blk_options *options;
	struct loop_timer timer;
	struct disk_request *first, **last; /* failed requests, in the order of their failures */
	unsigned int nr;		    /* of these, and of those that are being retried */
	/* the machine is ending: hold no more requests, and do not resume the machine */
	bool ending;
};

/* Calls @retry(@ctx) when it is time to try again. @retry's thread: loop. Locks: not held. */
void blk_hold_init(struct blk_hold *h, const struct blk_options *options, struct loop *loop,
		   void (*retry)(void *ctx), void *ctx);
void blk_hold_fini(struct blk_hold *h);
/* Makes @retry run once more after a while. Thread: loop. Locks: not held. */
void blk_hold_later(struct blk_hold *h);

/* All functions below: Locks: the device's, held. */

/*
 * Call it when the machine is ending: no request is held from now on, and when the held ones end
 * the machine does not resume.
 */
void blk_hold_end(struct blk_hold *h);

/* Whether a request that ended with @result must be held. */
bool blk_hold_wants(const struct blk_hold *h, const struct disk_request *io, int result);
/* Takes over @io. @again: it has been held before. The first one pauses the machine. */
void blk_hold_add(struct blk_hold *h, struct disk_request *io, int result, bool again);
/*
 * Takes all failed requests, linked by `next`, for a retry: each one ends with blk_hold_add() or
 * blk_hold_done().
 */
struct disk_request *blk_hold_take(struct blk_hold *h);
/* Ends the hold on one request. Returns true if it was the last one: the machine then continues. */
bool blk_hold_done(struct blk_hold *h);

#endif
