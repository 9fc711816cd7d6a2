/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copies the host's files that a command's initramfs gets. Private to kvm/. Thread: main, at
 * set-up.
 */
#ifndef KVM_GUESTCMD_GUESTFILES_H
#define KVM_GUESTCMD_GUESTFILES_H

#include "cpio.h"

#include <sys/stat.h>

/* All zero except @cpio and @found at first. */
struct guest_files {
	struct cpio *cpio;
	/*
	 * Adds what else a file needs that has just been read from @path and added; NULL: nothing.
	 * @bytes are no longer valid once something has been added. Returns 0, or -errno
	 * (reported).
	 */
	int (*found)(struct guest_files *g, const char *path, const uint8_t *bytes, size_t len);
	void *seen; /* tsearch(3)'s tree of paths in the archive */
	uint8_t *ld_cache;
	size_t ld_cache_bytes;
	bool ld_cache_read;
};

/*
 * Adds a host's file, or a folder with all its content, under its own absolute @path, with the
 * links on the way to it, and for programs with what they need. What is already in the archive
 * stays unchanged. Returns 0, or -errno (reported).
 */
int guest_files_mirror(struct guest_files *g, const char *path);
/* Does the same under the absolute path @guest, and follows a link. */
int guest_files_copy(struct guest_files *g, const char *host, const char *guest);
/* Adds only the links and folders on the way to @path, including @path, which need not exist. */
void guest_files_mirror_links(struct guest_files *g, const char *path);
void guest_files_fini(struct guest_files *g);

/* For @found, in guestlibs.c: adds what a program or a library needs. */
int guest_libs_add(struct guest_files *g, const char *path, const uint8_t *bytes, size_t len);

/*
 * Reads a whole file. The caller frees *@bytes, which has a NUL after its end. Returns 0, or -errno
 * (not reported).
 */
int guest_read_file(const char *path, uint8_t **bytes, size_t *len);
/* Returns the first executable file @name in the folders of PATH, or NULL; the caller frees it. */
char *guest_find_program(const char *name);

/*
 * guestmodules.c: adds the kernel modules that the configured devices need, and writes their names
 * in the guest to @names, in the order to insert them in. Returns 0, or -errno (reported).
 */
struct config;
struct strlist;
int guest_modules_add(struct guest_files *g, const struct config *config, const char *kernel,
		      const char *version, struct strlist *names);

#endif
