/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signals to the launcher, taken on the loop's thread through a signalfd: a polite end (power
 * button, then a grace time), and the terminal's change of size.
 */
#ifndef KVM_CMD_SIGNALS_H
#define KVM_CMD_SIGNALS_H

#include "kvm/loop.h"

struct reports;
struct vm;

struct signals {
	struct vm *vm;
	struct reports *reports; /* SIGQUIT asks for one */
	int fd;			 /* -1: not open */
	struct loop_source source;
	struct loop_timer grace;
	int first; /* the signal that was passed on or has pressed the power button; 0: none yet */
};

/*
 * Blocks the signals we take, for this thread and those it will make. Once a process, before any
 * thread. Ignores SIGPIPE and SIGXFSZ.
 */
void signals_block(void);

/*
 * Begins to serve them for @vm. Returns 0 or -errno having said why. signals_fini() works after a
 * failed init.
 */
int signals_init(struct signals *s, struct vm *vm, struct reports *reports);
void signals_fini(struct signals *s);

#endif
