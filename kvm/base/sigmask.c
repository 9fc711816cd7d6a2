/* SPDX-License-Identifier: GPL-2.0-only */
/* Blocks signals on a thread that must not serve them, see kvm/sigmask.h. */
#include "kvm/sigmask.h"

#include "kvm/types.h"

void sigmask_block(sigset_t *before)
{
	static const int faults[] = { SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGABRT };
	sigset_t all;

	sigfillset(&all);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		sigdelset(&all, faults[i]);
	pthread_sigmask(SIG_BLOCK, &all, before);
}
