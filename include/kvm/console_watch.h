/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Watches a console for the few lines by which a Linux kernel reports how it ends and, for
 * --timeline, how it comes up. A program can print the same texts, so what is found is only a hint:
 * x86/postmortem/endlog.h asks the kernel's memory.
 *
 * A message begins after printk's time stamp ("[    0.123456] ") or at the start of a line: by this
 * form a kernel's message differs from a text in the middle of a line. Once the kernel has shown
 * its version with a time stamp, only the first form counts.
 */
#ifndef KVM_CONSOLE_WATCH_H
#define KVM_CONSOLE_WATCH_H

#include "kvm/types.h"

enum watch_line {
	WATCH_PANIC_TEXT, /* "Kernel panic - not syncing", anywhere */
	WATCH_PANIC,	  /* the same as a message */
	/* "---[ end Kernel panic - not syncing", to the line's end: nothing follows it */
	WATCH_PANIC_END,
	WATCH_HALTED,	  /* "reboot: System halted" */
	WATCH_NO_POWER,	  /* "reboot: Power off not available", since 6.8, and then it halts */
	WATCH_RESTARTING, /* "reboot: Restarting system" */
	WATCH_VERSION,	  /* "Linux version" */
	WATCH_CAPTURE,	  /* "elfcorehdr=", in the parameters of a capture kernel */
	NR_WATCH_ENDS,
	WATCH_SMP = NR_WATCH_ENDS, /* "smp: Brought up 1 node, 4 CPUs" */
	WATCH_INIT,		   /* "Run /init as init process" */
	NR_WATCH_LINES,
};

/* The kernel halts for good. */
#define WATCH_HALTS (1U << WATCH_HALTED | 1U << WATCH_NO_POWER)

struct watch {
	bool whole_boot;		       /* false: only the lines of the end */
	unsigned char matched[NR_WATCH_LINES]; /* characters of each so far */
	uint8_t last[2];		       /* the last two bytes, the latest first */
	unsigned int stamped;		       /* lines that have begun after a time stamp */
	bool has_stamps;		       /* the kernel prints time stamps */
};

/*
 * Feeds bytes. Returns a mask of (1 << WATCH_x) of the lines that they complete. Locks: the
 * caller's.
 */
unsigned int watch_feed(struct watch *w, const uint8_t *bytes, size_t len);

#endif
