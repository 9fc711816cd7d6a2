/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An ELF core of a machine (System V ABI, chapter 5; the notes are those of Linux's own cores):
 * guest memory once, in the order of its regions, and program headers by which it is found at
 * virtual addresses. Pages that are zero or were never touched are holes in the file.
 */
#ifndef KVM_ELFCORE_H
#define KVM_ELFCORE_H

#include "kvm/gmem.h"

#define ELFCORE_MAX_VIEWS 4096

/* A range of guest memory as some virtual addresses show it. */
struct elfcore_view {
	uint64_t vaddr;
	gpa_t gpa;
	uint64_t bytes;
};

struct elfcore {
	uint16_t machine; /* EM_ */
	struct gmem *mem;
	/* where guest-physical address 0 is to be seen, and all RAM from there on */
	uint64_t all_vaddr;
	/*
	 * They come first, so that a debugger prefers them where they overlap. Each lies in one
	 * region.
	 */
	const struct elfcore_view *view;
	unsigned int nr_views;
	const void *notes; /* whole ELF notes */
	size_t notes_bytes;
	const _Atomic bool *cancel; /* NULL: nobody does */
};

/*
 * Writes to @fd, an empty regular file. *@written is how many bytes of memory are in it, the holes
 * left out. Returns 0, -ECANCELED, -EINVAL (a view outside of RAM, or too many) or write's -errno.
 * The caller sees to it that the guest stands still.
 */
int elfcore_write(int fd, const struct elfcore *core, uint64_t *written);

#endif
