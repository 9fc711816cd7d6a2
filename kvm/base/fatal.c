/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Catches fatal signals, see fatal.h. Before the first hook there is nothing to undo, and nothing
 * is caught but SIGBUS.
 *
 * The handler runs on a small stack of its own where the thread has one (the main thread does), so
 * that it can undo things even when the stack has run out. atexit() is not used, because a crash
 * does not run it. Once a machine's loop takes signals (cmd/signals.c), those that others send to
 * us stay blocked, and only our own faults come here.
 */
#include "fatal.h"

#include "endsignal.h"

#include <signal.h>
#include <stddef.h>

#define ALT_STACK_BYTES 16384 /* more than the kernel asks for with AMX state */

/* A global: signal handlers get no other argument. */
static struct fatal {
	struct fatal_hook *hooks;
	int (*mend_sigbus)(void *addr);
} fatal;

static char alt_stack[ALT_STACK_BYTES]; /* apart: zeroed memory takes no room in the program */

static void on_fatal(int signo, siginfo_t *info, void *context)
{
	(void)context;
	if (signo == SIGBUS && fatal.mend_sigbus && fatal.mend_sigbus(info->si_addr))
		return;
	for (const struct fatal_hook *h = fatal.hooks; h; h = h->next)
		h->undo();
	/* Pending until we return; a faulting instruction is executed again and faults first. */
	signal(signo, SIG_DFL);
	raise(signo);
}

static void catch_signal(int signo)
{
	struct sigaction sa = { .sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct sigaction before;

	sigfillset(&sa.sa_mask);
	if (!sigaction(signo, &sa, &before) && before.sa_handler == SIG_IGN)
		sigaction(signo, &before, NULL);
}

static void catch_all(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS };
	stack_t old, ss = { .ss_sp = alt_stack, .ss_size = sizeof(alt_stack) };
	sigset_t set;

	/* A sanitizer gives threads a stack of its own and expects to find it at the end. */
	if (!sigaltstack(NULL, &old) && (old.ss_flags & SS_DISABLE))
		sigaltstack(&ss, NULL);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		catch_signal(faults[i]);
	end_signals_handled(&set);
	for (int signo = 1; signo < SIGRTMIN; signo++) {
		if (sigismember(&set, signo) == 1 && signo != SIGWINCH && signo != SIGCONT)
			catch_signal(signo);
	}
}

void fatal_add(struct fatal_hook *h)
{
	bool first = !fatal.hooks;

	if (h->added)
		return;
	h->added = true;
	h->next = fatal.hooks;
	__atomic_store_n(&fatal.hooks, h, __ATOMIC_RELEASE);
	if (first)
		catch_all();
}

void fatal_catch_sigbus(int (*mend)(void *addr))
{
	fatal.mend_sigbus = mend;
	if (mend)
		catch_signal(SIGBUS);
}
