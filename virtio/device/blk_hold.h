/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes that the host could not do, kept until it can (-d werror=stop); private to the block
 * device. See blk_hold.c.
 */
#ifndef VIRTIO_DEVICE_BLK_HOLD_H
#define VIRTIO_DEVICE_BLK_HOLD_H

#include "virtio/blk.h"

struct blk_hold {
	const struct blk_options *options;
	struct loop_timer timer;
	struct disk_request *first, **last; /* failed, in that order */
	unsigned int nr;		    /* of these, and of those that are being tried again */
	/* the machine is over: nothing is held, nobody is told */
	bool ending;
};

/* @retry(@ctx) is called on the loop's thread, without a lock, when it is time to try again. */
void blk_hold_init(struct blk_hold *h, const struct blk_options *options, struct loop *loop,
		   void (*retry)(void *ctx), void *ctx);
void blk_hold_fini(struct blk_hold *h);

/* All that follow: device's lock held. */

/*
 * The machine has ended: nothing is held from now on, and nobody is told when what was comes to its
 * end.
 */
void blk_hold_end(struct blk_hold *h);

/* Whether a request that ended with @result is to be held. */
bool blk_hold_wants(const struct blk_hold *h, const struct disk_request *io, int result);
/* Takes it over. @again: it has been held before. The first one pauses the machine. */
void blk_hold_add(struct blk_hold *h, struct disk_request *io, int result, bool again);
/*
 * All that have failed, linked by `next`, to be tried again: each comes back by blk_hold_add() or
 * blk_hold_done().
 */
struct disk_request *blk_hold_take(struct blk_hold *h);
/* One that was held is not any more. Returns true when it was the last: the machine goes on. */
bool blk_hold_done(struct blk_hold *h);

#endif
