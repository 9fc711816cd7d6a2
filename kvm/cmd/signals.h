/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Handles signals to the launcher on the loop's thread, through a signalfd: a polite end (power
 * button, then a grace time), a report, and the terminal's change of size.
 */
#ifndef KVM_CMD_SIGNALS_H
#define KVM_CMD_SIGNALS_H

#include "kvm/loop.h"

struct reports;
struct vm;

struct signals {
	struct vm *vm;
	struct reports *reports; /* SIGQUIT requests one */
	int fd;			 /* -1: not open */
	struct loop_source source;
	struct loop_timer grace;
	int first; /* the signal that pressed the power button or was passed on; 0: none yet */
	uint64_t first_ns;
};

/*
 * Handles the signals for @vm from now on; they stay blocked until the process ends. Threads that
 * exist must have them blocked. Returns 0, or -errno (reported). signals_fini() works after a
 * failed init.
 */
int signals_init(struct signals *s, struct vm *vm, struct reports *reports);
void signals_fini(struct signals *s);

#endif
