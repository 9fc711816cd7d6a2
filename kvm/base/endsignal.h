/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Says which signals end the launcher, and which of them wait for it. They have their default
 * effect while a machine is set up; from then on they stay blocked: the loop's thread takes them
 * from a signalfd, and after the end they only cut waits for slow readers short.
 */
#ifndef KVM_BASE_ENDSIGNAL_H
#define KVM_BASE_ENDSIGNAL_H

#include <signal.h>
#include <stdbool.h>

/* The signals that a machine's loop handles. */
void end_signals_handled(sigset_t *set);

/*
 * Whether @signo ends the launcher: all that would by default, except those for faults of its own
 * (SIGSEGV, ...), and those that it ignores or that its parent wanted ignored (nohup(1), `cmd &`).
 */
bool end_signal(int signo);

/* Whether such a signal is blocked and waits. Async-signal-safe. Thread: any. */
bool end_signal_pending(void);

#endif
