/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * --fast's way around a bzImage's decompressor: the kernel inside it, unpacked once and kept
 * (fastkernel.c), by programs of the host's (unpack.c), in a folder of the user's (kernelcache.c).
 *
 * All of it is a wish. What fails says why in a few words, @why, and the bzImage boots as usual.
 */
#ifndef X86_BOOT_FASTKERNEL_H
#define X86_BOOT_FASTKERNEL_H

#include "boot.h"

/*
 * Makes of @img, a bzImage that boot_open() took, the ELF file inside it, to be started by its
 * 64-bit entry; or leaves it as it is. -v says which. Main's thread; waits for the unpacking where
 * that has to be done.
 */
void fastkernel_use(struct boot_image *img);

/* How the payload is packed: "gzip", "none"; NULL: it is not told, or in no way known here. */
const char *unpack_compression(struct boot_image *img);
/*
 * How long the payload is unpacked, by its own word: it is neither 0 nor more than the kernel has
 * to run in. 0: there is none, or it does not say.
 */
uint64_t unpack_bytes(struct boot_image *img);
/*
 * Unpacks the payload to @to, an empty file that is open for writing. Returns whether all
 * unpack_bytes() are there; else @why is a constant text. Waits for a child process, no longer than
 * some seconds.
 */
bool unpack_payload(struct boot_image *img, int to, const char **why);

struct kernelcache_key {
	uint64_t hash; /* of the payload's bytes */
	uint64_t packed_bytes, bytes;
};

#define KERNELCACHE_MAX_BYTES (512 * MIB)

/* The folder's descriptor; it is made when it is missing. -1 and @why. */
int kernelcache_open(const char **why);
/* The entry's descriptor, for reading; -1: there is none. One that is damaged is removed. */
int kernelcache_find(int dir, const struct kernelcache_key *key);
/* An empty file without a name, for reading and writing; -1: it cannot be. */
int kernelcache_new(int dir);
/*
 * Makes the file of kernelcache_new(), written completely, the entry of @key: it is on the disk
 * before it has a name. Then the entries that were used longest ago go, until all have at most
 * @max_bytes. Any thread or process, at any time. Returns 0 or -errno.
 */
int kernelcache_publish(int dir, int fd, const struct kernelcache_key *key, uint64_t max_bytes);

#endif
