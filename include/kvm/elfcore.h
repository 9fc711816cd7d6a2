/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes an ELF core of a machine (System V ABI, chapter 5; the notes are those of Linux's own
 * cores).
 *
 * The file has guest memory once, in the order of its regions; program headers show it at virtual
 * addresses. Pages that are zero or were never touched are holes in the file.
 */
#ifndef KVM_ELFCORE_H
#define KVM_ELFCORE_H

#include "kvm/gmem.h"

#define ELFCORE_MAX_VIEWS 4096

/* A range of guest memory, and the virtual address at which it appears. */
struct elfcore_view {
	uint64_t vaddr;
	gpa_t gpa;
	uint64_t bytes;
};

struct elfcore {
	uint16_t machine; /* EM_ */
	struct gmem *mem;
	/* virtual address of guest-physical address 0, from which all RAM follows */
	uint64_t all_vaddr;
	/*
	 * Their program headers come first, so that a debugger prefers them where they overlap.
	 * Each view lies in one region.
	 */
	const struct elfcore_view *view;
	unsigned int nr_views;
	const void *notes; /* whole ELF notes */
	size_t notes_bytes;
	const _Atomic bool *cancel; /* NULL: never */
};

/*
 * Writes the core to @fd, an empty regular file. *@written is how many bytes of memory it has,
 * without the holes. The caller makes sure that the guest stands still. Returns 0, -ECANCELED,
 * -EINVAL (a view outside of RAM, or too many), or write's -errno.
 */
int elfcore_write(int fd, const struct elfcore *core, uint64_t *written);

#endif
