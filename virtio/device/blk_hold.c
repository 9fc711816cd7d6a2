/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Holds writes that fail on the host until they succeed (-d werror=stop). A write (or flush,
 * discard, write of zeroes) that fails gets no answer: the machine is paused, and the write is
 * retried every second and at each blk_retry(). When it succeeds the machine continues; its guest
 * has seen a slow disk. So a full host costs time but no file system. Nothing is lost if the
 * machine is ended instead: a write without an answer promises nothing.
 *
 * Held are requests with errors that may go away: no room (ENOSPC, EDQUOT), a limit (EFBIG), no
 * memory (ENOMEM), and EIO, for example from a network file system or a cable. A read may need room
 * too, because it may make a qcow2 image write out tables.
 *
 * Not held, but reported to the guest as without werror=stop:
 *
 *   - errors of the guest itself (beyond the end, a read-only disk);
 *   - errors that never go away: a corrupt image (EUCLEAN), and a flush whose fdatasync() failed,
 *     for whatever reason. It is then unknown which writes reached the disk, and a later successful
 *     flush would be a lie: disk_file_flush() returns ENOTRECOVERABLE from then on. A flush that
 *     fails before that, because a qcow2 image has no room for its tables, is held.
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
	pr_err("%s: write failed: %s: the machine is paused until it succeeds; retrying every second (kill -CONT %d: now)",
	       h->options->path, strerror(-result), (int)getpid());
	h->options->pause(h->options->pause_ctx, true);
}

void blk_hold_later(struct blk_hold *h)
{
	loop_timer_arm(&h->timer, RETRY_NS);
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
	pr_warn("%s: no held writes are left; the machine goes on", h->options->path);
	h->options->pause(h->options->pause_ctx, false);
	return true;
}
