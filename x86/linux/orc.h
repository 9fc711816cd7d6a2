/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Backtraces of a Linux guest by ORC, the table that says for each instruction of a kernel without
 * frame pointers where the caller's frame is (Documentation/arch/x86/orc-unwinder.rst). It is read
 * where the kernel has it for itself: in guest memory.
 *
 * A pure function of guest memory and registers. The guest may be hostile: every address is read by
 * gva_read(), and the caller bounds the number of frames. One thread.
 */
#ifndef X86_LINUX_ORC_H
#define X86_LINUX_ORC_H

#include "symbols.h"
#include "x86/cpu/pagewalk.h"

#include <linux/kvm.h>

struct orc {
	const struct gmem *mem;
	const struct paging *paging;
	uint64_t ips, entries; /* guest virtual: the two tables */
	uint32_t nr;
	bool typed; /* the layout of Linux 6.4 and later */
};

/*
 * Finds the tables by the kernel's own symbols. Returns false when there are none, they cannot be
 * read through @paging, or make no sense. @mem and @paging must outlive @orc.
 */
bool orc_open(struct orc *orc, const struct gmem *mem, const struct paging *paging,
	      const struct symbols *symbols);

enum unwind_end {
	UNWIND_GOES_ON,
	UNWIND_BOTTOM, /* the first function of the stack */
	UNWIND_USER,   /* ip and sp are user space's */
	UNWIND_LOST,   /* the table knows nothing, or what it leads to cannot be read */
};

/* A frame. Registers are those that it had when it called, or was interrupted. */
struct unwind {
	uint64_t ip, sp, bp;
	uint64_t r10, r13, rdx, rdi;
	bool all_known;	  /* the four of the line before */
	bool interrupted; /* ip is the next instruction to run; else a return address */
	bool guessed;	  /* orc_guess() was needed on the way to it */
	enum unwind_end end;
};

/* The frame that a vCPU is in. */
void orc_start(struct unwind *u, const struct kvm_regs *regs);

/* Goes to the caller, or to what was interrupted. False: there is no more, and @u->end says why. */
bool orc_next(const struct orc *orc, struct unwind *u);

/*
 * After UNWIND_LOST: goes to the next word up the stack that lies after a call instruction of the
 * kernel's. It may be an old one that no function returns to. False: there is none near.
 */
bool orc_guess(const struct orc *orc, struct unwind *u);

#endif
