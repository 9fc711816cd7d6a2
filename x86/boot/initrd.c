/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opens the initial RAM disks and places them in guest memory, so that the kernel sees several
 * files as one.
 *
 * Documentation/driver-api/early-userspace/buffer-format.rst and init/initramfs.c: an initramfs is
 * a sequence of cpio archives, each compressed or not, with any number of zero bytes between them;
 * an uncompressed one begins at a multiple of 4. Therefore:
 * - Each file may begin at a page of its own, so each can be mapped.
 * - At least four zero bytes separate two files: the LZ4 unpacker reads 32 bits at a time and stops
 *   only at a zero word.
 * - Nothing follows the last file, since the kernel looks for a boot configuration at the very end.
 *
 * A large file is mapped, so that start-up time does not depend on its size. A small one is read,
 * which is cheaper than the page faults that it would cost the guest.
 */
#include "bootparts.h"
#include "kvm/log.h"
#include "x86/cpu/x86_bits.h"
#include "x86/layout.h"

#include <errno.h>
#include <unistd.h>

#define MIN_GAP_BYTES 4

/* Lays out @f, the last file so far, after the files before it. */
static int append(struct initrd_set *set, struct initrd *f)
{
	uint64_t start =
		f != set->file ? align_up(set->total_bytes + MIN_GAP_BYTES, PAGE_BYTES) : 0;

	f->offset = start;
	/* No sum can wrap: the files so far end below the hole. */
	if (f->bytes > MMIO_HOLE_GPA || start > MMIO_HOLE_GPA - f->bytes) {
		pr_err("%s: the initrd has %lluM; all initrds together must fit below 3G", f->path,
		       (unsigned long long)(f->bytes / MIB));
		return -EFBIG;
	}
	set->total_bytes = start + f->bytes;
	return 0;
}

static int add(struct initrd_set *set, const char *path)
{
	struct initrd *f = &set->file[set->nr];
	int err, fd = bootfile_open(path, "initrd");

	if (fd < 0)
		return fd;
	*f = (struct initrd){ .fd = fd, .path = path };
	set->nr++;
	err = bootfile_check(fd, path, "initrd", &f->bytes);
	return err ? err : append(set, f);
}

static int add_archive(struct initrd_set *set, const struct boot_config *config)
{
	struct initrd *f = &set->file[set->nr++];

	*f = (struct initrd){
		.fd = -1,
		.content = config->archive,
		.path = "the command's files",
		.bytes = config->archive_bytes,
	};
	return append(set, f);
}

int initrd_open(struct initrd_set *set, const struct boot_config *config)
{
	set->nr = 0;
	set->total_bytes = 0;
	if (config->nr_initrds > BOOT_MAX_INITRDS) {
		pr_err("%s: one initrd too many; at most %d can be joined",
		       config->initrds[BOOT_MAX_INITRDS], BOOT_MAX_INITRDS);
		return -E2BIG;
	}
	for (unsigned int i = 0; i < config->nr_initrds; i++) {
		int err = add(set, config->initrds[i]);

		if (err)
			return err;
	}
	return config->archive ? add_archive(set, config) : 0;
}

void initrd_close(struct initrd_set *set)
{
	for (unsigned int i = 0; i < set->nr; i++)
		if (set->file[i].fd >= 0)
			close(set->file[i].fd);
	set->nr = 0;
}

const char *initrd_largest(const struct initrd_set *set)
{
	const struct initrd *largest = &set->file[0];

	for (unsigned int i = 1; i < set->nr; i++) {
		if (set->file[i].bytes > largest->bytes)
			largest = &set->file[i];
	}
	return largest->path;
}

int initrd_place(const struct initrd_set *set, struct gmem *mem, gpa_t gpa)
{
	for (unsigned int i = 0; i < set->nr; i++) {
		const struct initrd *f = &set->file[i];
		enum bootfile_how how =
			f->bytes >= BOOTFILE_MAP_MIN_BYTES ? BOOTFILE_MAP : BOOTFILE_READ;
		int err;

		if (f->fd < 0)
			err = gmem_write(mem, gpa + f->offset, f->content, f->bytes);
		else
			err = bootfile_place(mem, gpa + f->offset, f->fd, 0, f->bytes, f->path,
					     how);

		if (err)
			return err;
	}
	return 0;
}
