/* SPDX-License-Identifier: GPL-2.0-only */
/* Blocks signals on a thread that must not serve them. */
#ifndef KVM_SIGMASK_H
#define KVM_SIGMASK_H

#include <signal.h>

/*
 * Blocks all signals on this thread, and on those that it creates from now on, except those that a
 * fault of the thread's own code raises: if one of these is blocked the kernel ends the process
 * without calling the handler, which mends guest memory (SIGBUS) or restores the terminal. Stores
 * in *@before what was blocked, for pthread_sigmask(SIG_SETMASK). Thread: any.
 */
void sigmask_block(sigset_t *before);

#endif
