/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Catches signals that end the process, on any thread, to undo first what must not outlive it: a
 * terminal in raw mode, the paths of sockets. Then the process dies of the signal as usual.
 */
#ifndef KVM_BASE_FATAL_H
#define KVM_BASE_FATAL_H

#include <stdbool.h>

struct fatal_hook {
	void (*undo)(void); /* async-signal-safe; any thread may call it, at any time from now on */
	struct fatal_hook *next;
	bool added;
};

/*
 * Catches the signals from now on (those that are not ignored), and calls the hook at one. It stays
 * for the life of the process; a second call does nothing. Thread: main.
 */
void fatal_add(struct fatal_hook *h);

/*
 * Calls @mend at a SIGBUS from now on: it may repair the access at @addr and return true to go on.
 * Thread: main, before others start.
 */
void fatal_catch_sigbus(int (*mend)(void *addr));

#endif
