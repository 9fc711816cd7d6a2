/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serves raw images, in which the file's bytes are the disk's. io_uring does most requests directly
 * on the file; this node serves the rest on pool threads.
 *
 * If the format raw was only guessed, the node guards the first sector. A guest that writes a qcow2
 * header there, with any file of the host as its backing file, could read that file after the next
 * start. So a write to the first sector is copied first (the guest may change its buffer during the
 * check), and refused if it looks like any format that a program may guess.
 */
#include "disk_impl.h"

#include "kvm/log.h"

#include <errno.h>
#include <stdlib.h>

struct disk_raw {
	struct disk_node node;
	struct disk_file *file;
	/* The formats that the first sector must not look like; NULL: anything is allowed. */
	const struct disk_format *formats;
	_Atomic bool said_guarded;
};

static struct disk_raw *to_raw(struct disk_node *n)
{
	return (struct disk_raw *)n;
}

static int raw_read(struct disk_node *n, uint64_t offset, uint64_t len, struct disk_cursor *to)
{
	return disk_file_read(to_raw(n)->file, offset, len, to);
}

static uint64_t raw_read_at_once(struct disk_node *n, uint64_t offset, uint64_t len,
				 const struct iovec *iov, unsigned int nr)
{
	(void)len;
	return disk_file_read_cached(to_raw(n)->file, offset, iov, nr);
}

static int write_first_sector(struct disk_raw *r, struct disk_cursor *from)
{
	unsigned char sector[DISK_SECTOR_BYTES];
	const char *name;

	cursor_copy_out(from, sector, sizeof(sector));
	name = disk_probe_name(r->formats, sector, sizeof(sector));
	if (!name)
		return disk_file_pwrite(r->file, sector, sizeof(sector), 0);
	if (!atomic_exchange(&r->said_guarded, true))
		pr_err("%s: the guest may not write a %s header to a disk whose format was guessed; use format=raw to allow it",
		       r->file->path, name);
	return -EPERM; /* the error is the guest's, not the host's */
}

static int raw_write(struct disk_node *n, uint64_t offset, uint64_t len, struct disk_cursor *from)
{
	struct disk_raw *r = to_raw(n);

	if (r->formats && offset == 0) {
		int err = write_first_sector(r, from);

		if (err)
			return err;
		offset = DISK_SECTOR_BYTES;
		len -= DISK_SECTOR_BYTES;
	}
	return disk_file_write(r->file, offset, len, from);
}

static int raw_flush(struct disk_node *n)
{
	return disk_file_flush(to_raw(n)->file);
}

static int raw_discard(struct disk_node *n, uint64_t offset, uint64_t len)
{
	return disk_file_discard(to_raw(n)->file, offset, len);
}

static int raw_zero(struct disk_node *n, uint64_t offset, uint64_t len, bool unmap)
{
	return disk_file_zero(to_raw(n)->file, offset, len, unmap);
}

static int raw_close(struct disk_node *n)
{
	struct disk_raw *r = to_raw(n);
	int err = disk_file_lost(r->file, disk_file_flush(r->file));

	disk_file_close(r->file);
	free(r);
	return err;
}

static const struct disk_node_ops raw_ops = {
	.read = raw_read,
	.read_at_once = raw_read_at_once,
	.write = raw_write,
	.flush = raw_flush,
	.discard = raw_discard,
	.zero = raw_zero,
	.close = raw_close,
};

int disk_raw_open(struct disk_node **out, struct disk_file *f, const struct disk_options *options,
		  const struct disk_chain *above, bool guessed)
{
	struct disk_raw *r = calloc(1, sizeof(*r));

	(void)above;

	if (!r) {
		disk_file_close(f);
		return -ENOMEM;
	}
	r->node = (struct disk_node){
		.ops = &raw_ops,
		.size_bytes = f->tail_end_bytes,
		.max_at_once_bytes = DISK_OWN_COPY_BYTES,
		.read_only = f->read_only,
		.raw = f,
	};
	r->file = f;
	r->formats = guessed && !f->read_only ? options->formats : NULL;
	*out = &r->node;
	return 0;
}
