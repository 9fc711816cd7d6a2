/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps the debugger's breakpoints.
 *
 * - Soft breakpoints are an int3 in guest memory, at the physical address that the guest's page
 *   tables gave when they were set.
 * - Hard breakpoints and watchpoints are in the four debug registers (Intel SDM vol. 3B, 18.2).
 *
 * Pure.
 */
#ifndef X86_GDB_GDB_BREAKS_H
#define X86_GDB_GDB_BREAKS_H

#include "kvm/gdb_target.h"
#include "kvm/gmem.h"

#define GDB_MAX_BREAKS 256
#define NR_DEBUG_ADDRS 4

struct gdb_break_entry {
	enum gdb_break kind;
	uint64_t addr;
	uint64_t len; /* watchpoints: bytes */
	gpa_t gpa;    /* soft breakpoints */
	bool planted;
	uint8_t saved; /* the byte that the int3 replaces */
};

struct gdb_breaks {
	unsigned int nr;
	struct gdb_break_entry at[GDB_MAX_BREAKS];
};

/* DR0 to DR3 and DR7 as KVM_SET_GUEST_DEBUG takes them, and the breakpoint of each register. */
struct gdb_debug_regs {
	uint64_t addr[NR_DEBUG_ADDRS], dr7;
	const struct gdb_break_entry *owner[NR_DEBUG_ADDRS];
	unsigned int nr;
};

/*
 * Adds a breakpoint; @gpa is the place of a soft one. Adding it a second time is fine. Returns 0,
 * -ENOSPC (no room, or too much for the debug registers), -EINVAL (a length of 0) or -EOPNOTSUPP
 * (x86 has no watchpoint for reads alone; GDB then uses one for reads and writes).
 */
int gdb_breaks_add(struct gdb_breaks *b, enum gdb_break kind, uint64_t addr, uint64_t len,
		   gpa_t gpa);
/* Removes a breakpoint. Returns 0 or -ENOENT. Not while they are planted. */
int gdb_breaks_del(struct gdb_breaks *b, enum gdb_break kind, uint64_t addr, uint64_t len);

/*
 * Writes the int3s into memory, or removes them; if the guest has written something else since
 * then, that stays.
 */
void gdb_breaks_plant(struct gdb_breaks *b, struct gmem *mem, bool on);

/* Returns the soft breakpoint at @gpa, or NULL. */
const struct gdb_break_entry *gdb_breaks_soft_at(const struct gdb_breaks *b, gpa_t gpa);
bool gdb_breaks_any_soft(const struct gdb_breaks *b);

/*
 * Fills in the debug registers; splits watchpoints into pieces that are aligned to their size, as
 * the processor requires. Returns false if they do not fit.
 */
bool gdb_breaks_debug_regs(const struct gdb_breaks *b, struct gdb_debug_regs *d);

#endif
