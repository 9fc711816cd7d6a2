/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lets --fast avoid a bzImage's decompressor: the kernel inside is unpacked once and kept
 * (fastkernel.c), by the host's programs (payload.c), in a folder of the user's (kernelcache.c).
 *
 * All of it is optional. A function that fails sets @why to the reason in a few words, and the
 * bzImage boots as usual.
 */
#ifndef X86_BOOT_FASTKERNEL_H
#define X86_BOOT_FASTKERNEL_H

#include "boot.h"

/*
 * Replaces @img, a bzImage that boot_open() took, by the ELF file inside it, to be started by its
 * 64-bit entry; or leaves it unchanged. -v prints which. Waits for the unpacking if that has to be
 * done. Thread: main.
 */
void fastkernel_use(struct boot_image *img);

/*
 * The payload's compression: "gzip", "none"; NULL if there is no payload or its format is unknown.
 */
const char *unpack_compression(struct boot_image *img);
/*
 * The payload's unpacked length, as the payload itself states it; at most the memory that the
 * kernel has to run in. Returns 0 if there is none.
 */
uint64_t unpack_bytes(struct boot_image *img);
/*
 * Unpacks the payload to @to, an empty file that is open for writing. Returns whether all
 * unpack_bytes() are there; if not, @why is a constant text. Waits for a child process, at most
 * some seconds.
 */
bool unpack_payload(struct boot_image *img, int to, const char **why);

struct kernelcache_key {
	uint64_t hash; /* of the payload's bytes */
	uint64_t packed_bytes, bytes;
};

#define KERNELCACHE_MAX_BYTES (512 * MIB)

/* Opens the folder, and makes it if it is missing. Returns its descriptor, or -1 and @why. */
int kernelcache_open(const char **why);
/*
 * Opens an entry for reading. Returns its descriptor, or -1 if there is none. Removes a damaged
 * entry.
 */
int kernelcache_find(int dir, const struct kernelcache_key *key);
/* Makes an empty file without a name, for reading and writing. Returns its descriptor, or -1. */
int kernelcache_new(int dir);
/*
 * Makes the complete file of kernelcache_new() the entry of @key: it is on the disk before it has a
 * name. Then removes the entries that were used longest ago, until all together have at most
 * @max_bytes. Returns 0, or -errno. Thread: any; other processes may do the same at any time.
 */
int kernelcache_publish(int dir, int fd, const struct kernelcache_key *key, uint64_t max_bytes);

#endif
