/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of the Linux boot path, between its own files: bootfile.c, filetype.c, initrd.c, zeropage.c,
 * bootgdt.c.
 */
#ifndef X86_BOOTPARTS_H
#define X86_BOOTPARTS_H

#include "x86/boot.h"

/*
 * Opens @path for reading; never waits on a pipe. @what is its part in a message: "kernel". Returns the
 * descriptor or -errno having said why.
 */
int bootfile_open(const char *path, const char *what);
/* Refuses what is no regular file with something in it. Returns 0 and its size, or -errno having said why. */
int bootfile_check(int fd, const char *path, const char *what, uint64_t *bytes);

enum bootfile_how { BOOTFILE_READ, BOOTFILE_MAP };

/*
 * Brings @len bytes of the file from @offset to @gpa: all of them, or -errno having said why. BOOTFILE_MAP
 * is a wish: what cannot be mapped is read.
 */
int bootfile_place(struct gmem *mem, gpa_t gpa, int fd, uint64_t offset, uint64_t len, const char *path,
		   enum bootfile_how how);

/*
 * What a file that is no bzImage seems to be, from its first bytes, with what to do about it: "a qcow2 disk
 * image; ...". NULL when they tell nothing.
 */
const char *filetype_describe(const uint8_t *head, size_t len);

struct initrd {
	int fd;
	const char *path;
	uint64_t bytes;
	uint64_t offset; /* from the start of the first */
};

struct initrd_set {
	unsigned int nr;
	uint64_t total_bytes; /* from the first's start to the last's end */
	struct initrd file[BOOT_MAX_INITRDS];
};

/* Opens all and lays them out. Returns 0 or -errno having said why. initrd_close() in either case. */
int initrd_open(struct initrd_set *set, const struct boot_config *config);
void initrd_close(struct initrd_set *set);
/* The largest's name, for a message about the room they take; there must be one. */
const char *initrd_largest(const struct initrd_set *set);
/* Places all from @gpa (page aligned) on. Returns 0 or -errno having said why. */
int initrd_place(const struct initrd_set *set, struct gmem *mem, gpa_t gpa);

/* Where boot_load() decided to put things. */
struct boot_layout {
	gpa_t kernel;	  /* load address */
	gpa_t kernel_end; /* of what it runs in, decompressed */
	gpa_t initrd;	  /* 0: none */
	uint64_t initrd_bytes;
};

/* Writes the zero page and what it points to but kernel and initrds. @mem has all of the first MiB. */
void zeropage_write(const struct boot_image *img, struct gmem *mem, const struct boot_config *config,
		    const struct boot_layout *layout);

/* Writes the GDT for @mode, and for CPU_LONG64 page tables: 4 GiB mapped to themselves. Needs the first MiB. */
void bootgdt_write(struct gmem *mem, enum cpu_mode mode);

#endif
