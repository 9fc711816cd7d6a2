/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reports that a qcow2 image is corrupt, and changes the marks in its header: the incompatible bits
 * "dirty" and "corrupt", and the autoclear bits.
 *
 *   - Data that cannot be read (qcow2_corrupt()) cost the guest this data only.
 *   - Tables that contradict each other (qcow2_mark_corrupt()) end all writing: what looks free may
 *     be in use. The mark makes the next program that opens the image refuse to write, too.
 *
 * Each is reported once for an image, however many requests find an error. Thread: any.
 */
#include "qcow2_impl.h"

#include "kvm/log.h"

#include <errno.h>

#define HEADER_INCOMPATIBLE 72
#define HEADER_AUTOCLEAR 88
#define AUTOCLEAR_BITMAPS 1ULL

static int put_header64(struct qcow2 *q, uint64_t offset, uint64_t value)
{
	uint64_t be = htobe64(value);
	int err = disk_file_pwrite(q->file, &be, sizeof(be), offset);

	return err ? err : disk_file_flush(q->file);
}

int qcow2_corrupt(struct qcow2 *q, const char *what, uint64_t offset)
{
	if (!atomic_exchange(&q->said_corrupt, true))
		pr_err("%s: corrupt: %s at byte %llu; the guest gets I/O errors; `qemu-img check -r all` may repair it",
		       q->file->path, what, (unsigned long long)offset);
	return -EUCLEAN; /* not -EIO, which may go away: see blk_hold.c */
}

int qcow2_mark_corrupt(struct qcow2 *q, const char *what, uint64_t offset)
{
	if (atomic_exchange(&q->marked_corrupt, true))
		return -EUCLEAN;
	if (q->file->read_only)
		return qcow2_corrupt(q, what, offset);
	pr_err("%s: corrupt: %s at byte %llu; all writes fail from now on; `qemu-img check -r all` may repair it",
	       q->file->path, what, (unsigned long long)offset);
	if (q->version >= 3)
		put_header64(q, HEADER_INCOMPATIBLE, q->incompatible | QCOW2_INCOMPAT_CORRUPT);
	return -EUCLEAN;
}

int qcow2_clear_dirty(struct qcow2 *q)
{
	q->incompatible &= ~QCOW2_INCOMPAT_DIRTY;
	return put_header64(q, HEADER_INCOMPATIBLE, q->incompatible);
}

int qcow2_clear_autoclear(struct qcow2 *q)
{
	int err;

	if (!q->autoclear)
		return 0;
	err = put_header64(q, HEADER_AUTOCLEAR, 0);
	if (err)
		return err;
	if (q->autoclear & AUTOCLEAR_BITMAPS)
		pr_warn("%s: its persistent bitmaps are not valid any more, because it is written to; make the next backup a full one",
			q->file->path);
	else
		pr_warn("%s: data that other programs keep in it are not valid any more, because it is written to (autoclear bits 0x%llx)",
			q->file->path, (unsigned long long)q->autoclear);
	q->autoclear = 0;
	return 0;
}
