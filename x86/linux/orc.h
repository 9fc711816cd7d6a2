/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unwinds the stack of a Linux guest by ORC, for backtraces.
 *
 * ORC is a table of the kernel's own, in guest memory. For each instruction of a kernel without
 * frame pointers it has the place of the caller's frame (Documentation/arch/x86/orc-unwinder.rst).
 *
 * The result depends only on guest memory and registers. The guest may be hostile: every address is
 * read by gva_read(), and the caller limits the number of frames. One thread.
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
 * Finds the tables by the kernel's own symbols. Returns false if the tables are missing, cannot be
 * read through @paging, or make no sense. @mem and @paging must outlive @orc.
 */
bool orc_open(struct orc *orc, const struct gmem *mem, const struct paging *paging,
	      const struct symbols *symbols);

enum unwind_end {
	UNWIND_GOES_ON,
	UNWIND_BOTTOM, /* the first function of the stack */
	UNWIND_USER,   /* ip and sp are user space's */
	UNWIND_LOST,   /* the table has no entry, or the frame cannot be read */
};

/* A frame, with the registers that it had when it called or was interrupted. */
struct unwind {
	uint64_t ip, sp, bp;
	uint64_t r10, r13, rdx, rdi;
	bool all_known;	  /* the four on the line before */
	bool interrupted; /* ip is the next instruction to run; else a return address */
	bool guessed;	  /* orc_guess() was needed to reach it */
	enum unwind_end end;
};

/* Begins at the frame that a vCPU is in. */
void orc_start(struct unwind *u, const struct kvm_regs *regs);

/*
 * Steps to the caller, or to the code that was interrupted. Returns false at the end of the walk;
 * @u->end is the reason.
 */
bool orc_next(const struct orc *orc, struct unwind *u);

/*
 * After UNWIND_LOST: steps to the next word up the stack that is the address after a call
 * instruction in the kernel. It may be an old word, to which no function returns. Returns false if
 * there is no such word nearby.
 */
bool orc_guess(const struct orc *orc, struct unwind *u);

#endif
