/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opens a disk: finds its image's format, lets that format open the image, and starts the disk on
 * top.
 *
 * A format calls disk_backing_open() (disk_backing.c) to open the backing files of its image. The
 * caller's options bring the table of formats: this file names no format, except that a file which
 * no format recognises is "raw".
 *
 * Thread: main, at set-up.
 */
#include "disk_impl.h"

#include "kvm/log.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_CHAIN 32
#define FALLBACK_FORMAT "raw"

/* Checks by the path, before opening: our own lock would be in the way. */
static int refuse_loops(const char *path, const struct disk_chain *above)
{
	struct stat st;

	if (!above || stat(path, &st) < 0)
		return 0;
	if (above->depth >= MAX_CHAIN) {
		pr_err("%s: more than %d backing files in a chain; `qemu-img rebase` or `commit` shortens it",
		       path, MAX_CHAIN);
		return -ELOOP;
	}
	for (; above; above = above->above) {
		const struct disk_file *a = above->file;

		if ((a->dev == st.st_dev && a->ino == st.st_ino) ||
		    (a->block_device && S_ISBLK(st.st_mode) && a->rdev == st.st_rdev)) {
			pr_err("%s: is its own backing file (the chain is a loop); `qemu-img rebase -u` sets the right file",
			       path);
			return -ELOOP;
		}
	}
	return 0;
}

static const struct disk_format *find_format(const struct disk_format *formats, const char *name)
{
	for (const struct disk_format *format = formats; format->name; format++) {
		if (!strcmp(format->name, name))
			return format;
	}
	return NULL;
}

static int guess_format(struct disk_file *f, const struct disk_format *formats,
			const struct disk_format **format)
{
	char sector[DISK_SECTOR_BYTES];
	size_t len = min_u64(sizeof(sector), atomic_load(&f->size_bytes));
	const char *name;
	int err;

	err = disk_file_pread(f, sector, len, 0);
	if (err)
		return err;
	name = disk_probe_name(formats, sector, len);
	*format = find_format(formats, name ? name : FALLBACK_FORMAT);
	if (*format)
		return 0;
	pr_err("%s: looks like %s, which is not supported; `qemu-img convert -O qcow2` converts it, format=raw uses its bytes unchanged",
	       f->path, name);
	return -EINVAL;
}

/* The check of its place was by name; somebody may have renamed files since. */
static int check_same(const struct disk_file *f, const struct disk_options *options,
		      const struct disk_chain *above)
{
	if (!above || options->backing_any ||
	    (f->dev == above->backing_dev && f->ino == above->backing_ino))
		return 0;
	pr_err("%s: was replaced while it was opened; try again", f->path);
	return -EAGAIN;
}

int disk_image_open(struct disk_node **out, const char *path, const char *format_name,
		    bool read_only, const struct disk_options *options,
		    const struct disk_chain *above)
{
	const struct disk_format *format =
		format_name ? find_format(options->formats, format_name) : NULL;
	struct disk_file *f;
	int err;

	if (format_name && !format) {
		pr_err("%s: has the format %.15s, which is not supported; `qemu-img convert -O qcow2` converts it",
		       path, format_name);
		return -ENOTSUP;
	}
	err = refuse_loops(path, above);
	if (!err)
		err = disk_file_open(&f, path, options, read_only);
	if (err)
		return err;
	err = check_same(f, options, above);
	if (!err && !format)
		err = guess_format(f, options->formats, &format);
	if (!err)
		return format->open(out, f, options, above, !format_name);
	disk_file_close(f);
	return err;
}

int disk_open(struct disk **out, const struct disk_options *options, struct loop *loop)
{
	const bool snapshot = options->snapshot && !options->read_only;
	struct disk_node *node;
	int err;

	err = disk_image_open(&node, options->path, options->format,
			      options->read_only || options->snapshot, options, NULL);
	if (err)
		return err;
	err = snapshot ? disk_snapshot_open(&node, node) : 0;
	if (!err)
		return disk_start(out, node, options, loop);
	node->ops->close(node);
	return err;
}
