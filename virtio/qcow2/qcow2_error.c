/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reports that a qcow2 image contradicts itself, once for each file, however many requests find an
 * error. Thread: any.
 */
#include "qcow2_impl.h"

#include "kvm/log.h"

#include <errno.h>

int qcow2_corrupt(struct qcow2 *q, const char *what, uint64_t offset)
{
	if (!atomic_exchange(&q->file->said_error, true))
		pr_err("%s: corrupt: %s at byte %llu; the guest gets I/O errors; `qemu-img check -r all` may repair it",
		       q->file->path, what, (unsigned long long)offset);
	return -EUCLEAN; /* not -EIO, which may go away: see blk_hold.c */
}
