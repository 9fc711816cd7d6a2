/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * -d werror=stop: a write (or flush, discard, write of zeroes) that the host cannot do is not
 * answered. It is held, the machine is paused, and it is tried again every second and whenever
 * blk_retry() says so, until it is done. Then the machine goes on; its guest has seen a slow disk.
 * So a full host costs time and no file system.
 *
 * What has not been answered has not been promised: nothing is lost when the machine is ended
 * instead.
 *
 * What is held is what may work later: no room (ENOSPC, EDQUOT), a limit (EFBIG), no memory, and
 * EIO, as of a network file system or a cable. A read may need room, too, as it makes a qcow2 write
 * out tables. Errors that the guest has made itself (beyond the end, a read-only disk) are reported
 * as ever. So is what never goes away: a corrupt image (EUCLEAN), and a failed flush. After one
 * nobody knows what of the earlier writes is on the disk, and a second flush that works would be a
 * lie; disk_file_flush() keeps to that, and gives ENOTRECOVERABLE from then on.
 */
#include "blk_hold.h"

#include "kvm/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define RETRY_NS 1000000000ULL

void blk_hold_init(struct blk_hold *h, const struct blk_options *options, struct loop *loop,
		   void (*retry)(void *ctx), void *ctx)
{
	*h = (struct blk_hold){ .options = options };
	h->last = &h->first;
	loop_timer_init(loop, &h->timer, retry, ctx);
}

void blk_hold_fini(struct blk_hold *h)
{
	loop_timer_fini(&h->timer);
}

void blk_hold_end(struct blk_hold *h)
{
	h->ending = true;
}

bool blk_hold_wants(const struct blk_hold *h, const struct disk_request *io, int result)
{
	if (!h->options->pause || h->ending)
		return false;
	switch (-result) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return true;
	case ENOMEM:
		return io->op != DISK_READ;
	case EIO:
		return io->op != DISK_READ && io->op != DISK_FLUSH;
	default:
		return false;
	}
}

void blk_hold_add(struct blk_hold *h, struct disk_request *io, int result, bool again)
{
	io->next = NULL;
	*h->last = io;
	h->last = &io->next;
	loop_timer_arm(&h->timer, RETRY_NS);
	if (again || h->nr++)
		return;
	pr_err("%s: cannot be written: %s: the machine is paused; it goes on when there is room, tried every second (kill -CONT %d: now)",
	       h->options->path, strerror(-result), (int)getpid());
	h->options->pause(h->options->pause_ctx, true);
}

struct disk_request *blk_hold_take(struct blk_hold *h)
{
	struct disk_request *all = h->first;

	h->first = NULL;
	h->last = &h->first;
	return all;
}

bool blk_hold_done(struct blk_hold *h)
{
	if (--h->nr || h->ending)
		return false;
	pr_warn("%s: nothing waits to be written any more: the machine goes on", h->options->path);
	h->options->pause(h->options->pause_ctx, false);
	return true;
}
