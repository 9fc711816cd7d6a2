/* SPDX-License-Identifier: GPL-2.0-only */
/* The host's files that a command's initramfs gets; private to kvm/. Main's thread, at set-up. */
#ifndef KVM_GUESTCMD_GUESTFILES_H
#define KVM_GUESTCMD_GUESTFILES_H

#include "cpio.h"

#include <sys/stat.h>

/* All zero but for @cpio and @found is the start. */
struct guest_files {
	struct cpio *cpio;
	/*
	 * A file has just been read from @path and added; adds what else it needs. NULL: nothing.
	 * Returns 0 or -errno (reported). @bytes are not there any more once something has been
	 * added.
	 */
	int (*found)(struct guest_files *g, const char *path, const uint8_t *bytes, size_t len);
	void *seen; /* tsearch(3)'s tree of paths in the archive */
	uint8_t *ld_cache;
	size_t ld_cache_bytes;
	bool ld_cache_read;
};

/*
 * Adds a host's file, or a folder with all that is in it, under its own absolute @path; with the
 * links on the way to it, and for programs with what they need. What is in the archive already
 * stays as it is. Returns 0 or -errno having said why.
 */
int guest_files_mirror(struct guest_files *g, const char *path);
/* The same, but as @guest, an absolute path. A link is followed. */
int guest_files_copy(struct guest_files *g, const char *host, const char *guest);
/*
 * Only the links and folders on the way to @path, itself included; not an error when it is not
 * there.
 */
void guest_files_mirror_links(struct guest_files *g, const char *path);
void guest_files_fini(struct guest_files *g);

/* For @found, from guestlibs.c: adds what a program or a library needs. */
int guest_libs_add(struct guest_files *g, const char *path, const uint8_t *bytes, size_t len);

/*
 * Reads a whole file; the caller frees *@bytes, behind which there is a NUL. Returns 0 or -errno,
 * having said nothing.
 */
int guest_read_file(const char *path, uint8_t **bytes, size_t *len);
/* The first executable file @name in the folders of PATH, or NULL; the caller frees. */
char *guest_find_program(const char *name);

/*
 * guestmodules.c: adds the kernel modules that the configured devices need and writes their names
 * in the guest to @names, in the order to insert them in. Returns 0 or -errno having said why.
 */
struct config;
struct strlist;
int guest_modules_add(struct guest_files *g, const struct config *config, const char *kernel,
		      const char *version, struct strlist *names);

#endif
