/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Types that the debugger's server (kvm/gdb) and the architecture share: breakpoints, stops, and
 * how large a thread's registers and their description may be. A thread is a vCPU.
 */
#ifndef KVM_GDB_TARGET_H
#define KVM_GDB_TARGET_H

#include "kvm/types.h"

/* Room for all registers of one thread, and for the description of them. */
#define GDB_MAX_REGISTER_BYTES 2048
#define GDB_MAX_DESCRIPTION_BYTES 16384

/* Numbers of the Z packet. */
enum gdb_break {
	GDB_BREAK_SOFT,
	GDB_BREAK_HARD,
	GDB_WATCH_WRITE,
	GDB_WATCH_READ,
	GDB_WATCH_ACCESS
};

/* GDB's own signal numbers, which are those of most systems. */
#define GDB_SIGINT 2
#define GDB_SIGTRAP 5
#define GDB_SIGABRT 6
#define GDB_SIGSEGV 11

struct gdb_stop {
	unsigned int signal; /* 0: the thread did not stop by itself */
	/*
	 * The reason in GDB's words: "swbreak", "hwbreak", or with an address "watch", "rwatch",
	 * "awatch". NULL: GDB has no word for it.
	 */
	const char *reason;
	uint64_t addr;
	bool at_break; /* its next instruction has a breakpoint, which it must step over first */
};

#endif
