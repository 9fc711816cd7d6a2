/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Watches a console for the few lines by which a Linux kernel reports how it ends and, for
 * --timeline, how it comes up. What the guest prints is only a hint: it decides which verdict an
 * end gets, never whether the launcher does something unsafe.
 */
#ifndef KVM_CONSOLE_WATCH_H
#define KVM_CONSOLE_WATCH_H

#include "kvm/types.h"

enum watch_line {
	WATCH_PANIC, /* "Kernel panic - not syncing" */
	/* "---[ end Kernel panic - not syncing", to the line's end: nothing follows it */
	WATCH_PANIC_END,
	/* "reboot: System halted", "reboot: Power off not available: System halted instead" */
	WATCH_HALTED,
	/* "reboot: Restarting system", as ": Restarting system": see console_watch.c */
	WATCH_RESTARTING,
	NR_WATCH_ENDS,
	WATCH_VERSION = NR_WATCH_ENDS, /* "Linux version" */
	WATCH_SMP,		       /* "smp: Brought up 1 node, 4 CPUs" */
	WATCH_INIT,		       /* "Run /init as init process" */
	NR_WATCH_LINES,
};

struct watch {
	bool whole_boot;		       /* false: only the lines of the end */
	unsigned char matched[NR_WATCH_LINES]; /* characters of each so far */
};

/*
 * Feeds bytes. Returns a mask of (1 << WATCH_x) of the lines that they complete. Locks: the
 * caller's.
 */
unsigned int watch_feed(struct watch *w, const uint8_t *bytes, size_t len);

#endif
