/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes a cpio archive in memory, as the kernel unpacks it into its initramfs: the "newc" format
 * of Documentation/driver-api/early-userspace/buffer-format.rst. Everything in it is root's.
 *
 * Errors stick: after one, nothing is added, and cpio_finish() returns it.
 */
#ifndef KVM_GUESTCMD_CPIO_H
#define KVM_GUESTCMD_CPIO_H

#include "kvm/types.h"

/* All zero is an empty one. */
struct cpio {
	uint8_t *bytes;
	size_t len, room; /* bytes */
	uint32_t last_ino;
	int err; /* the first one, or 0 */
};

/*
 * Adds what @mode (type and permissions, as in struct stat) says: a file, folder or symbolic link.
 * @path has no slash in front. @mtime_s is cut to what the format can hold. Returns where its @len
 * bytes of content have to be put before the next call, or NULL: out of memory, or a file (4 GiB)
 * or name (4 KiB) that the format or the kernel cannot take.
 */
void *cpio_reserve(struct cpio *c, const char *path, uint32_t mode, uint64_t mtime_s, uint64_t len);
/* The same with the content. */
void cpio_add(struct cpio *c, const char *path, uint32_t mode, uint64_t mtime_s,
	      const void *content, uint64_t len);
/* Adds the end. Returns 0, -ENOMEM, -EFBIG or -ENAMETOOLONG, as it happened first. */
int cpio_finish(struct cpio *c);
void cpio_free(struct cpio *c);

#endif
