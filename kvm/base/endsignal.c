/* SPDX-License-Identifier: GPL-2.0-only */
/* Classifies signals, see endsignal.h. */
#include "endsignal.h"

#include "kvm/spawn.h"
#include "kvm/types.h"

void end_signals_handled(sigset_t *set)
{
	static const int
		others[] = {
			SIGSEGV, SIGBUS,  SIGILL,  SIGFPE,  SIGABRT, SIGTRAP,
			SIGSYS,	 SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU,
			SIGCHLD, SIGURG,  SIGPIPE, SIGXFSZ, SIGUSR1, /* interrupts vCPUs */
		};

	sigfillset(set);
	for (unsigned int i = 0; i < ARRAY_SIZE(others); i++)
		sigdelset(set, others[i]);
}

bool end_signal(int signo)
{
	sigset_t set;

	end_signals_handled(&set);
	return sigismember(&set, signo) == 1 && signo != SIGQUIT && signo != SIGWINCH &&
	       signo != SIGCONT && !spawn_was_ignored(signo);
}

bool end_signal_pending(void)
{
	sigset_t set;

	if (sigpending(&set))
		return false;
	for (int signo = 1; signo <= SIGRTMAX; signo++) {
		if (sigismember(&set, signo) == 1 && end_signal(signo))
			return true;
	}
	return false;
}
