/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes a cpio archive in memory, for the kernel to unpack into its initramfs: the "newc" format
 * of Documentation/driver-api/early-userspace/buffer-format.rst. Root owns everything in it.
 *
 * Errors stick: after one, nothing is added, and cpio_finish() returns it.
 */
#ifndef KVM_GUESTCMD_CPIO_H
#define KVM_GUESTCMD_CPIO_H

#include "kvm/types.h"

/* All zero: an empty archive. */
struct cpio {
	uint8_t *bytes;
	size_t len, room;   /* bytes */
	uint64_t max_bytes; /* 0: no limit but the format's */
	uint32_t last_ino;
	int err; /* the first one, or 0 */
};

/*
 * Adds a file, folder or symbolic link, as @mode (type and permissions, as in struct stat) says.
 * @path has no leading slash. @mtime_s is cut to what the format can hold. Returns where to put the
 * @len bytes of content before the next call, or NULL: out of memory, a file (4 GiB) or name (4
 * KiB) too large for the format or the kernel, or more than max_bytes in all.
 */
void *cpio_reserve(struct cpio *c, const char *path, uint32_t mode, uint64_t mtime_s, uint64_t len);
/* Does the same, and copies the content. */
void cpio_add(struct cpio *c, const char *path, uint32_t mode, uint64_t mtime_s,
	      const void *content, uint64_t len);
/* Adds the end. Returns 0, or the first error: -ENOMEM, -EFBIG or -ENAMETOOLONG. */
int cpio_finish(struct cpio *c);
void cpio_free(struct cpio *c);

#endif
