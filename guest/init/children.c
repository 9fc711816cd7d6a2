/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Watches the command as a child process, and passes the launcher's signals to it.
 *
 * SIGCHLD reports its end through a descriptor (signalfd); a port of the launcher brings the
 * signals, one byte each. A signal goes to the command alone, as with kill(1): what the command has
 * started is its own business.
 */
#include "init.h"

#include <linux/signal.h>
#include <linux/wait.h>

#define LAST_SIGNAL 31

int children_watch(void)
{
	const unsigned long child_ended = 1UL << (SIGCHLD - 1);

	sys(rt_sigprocmask, SIG_BLOCK, &child_ended, 0, sizeof(child_ended));
	return (int)sys(signalfd4, -1, &child_ended, sizeof(child_ended), O_CLOEXEC | O_NONBLOCK);
}

int children_poll_ms(int children)
{
	return children < 0 ? 50 : -1;
}

bool children_reap(int children, long pid, int *status)
{
	char info[128]; /* one signal may stand for several ends */
	bool found = false;
	long ended;
	int s;

	sys(read, children, info, sizeof(info));
	while ((ended = sys(wait4, -1, &s, WNOHANG)) > 0) {
		if (ended == pid) {
			*status = s;
			found = true;
		}
	}
	return found;
}

void signals_pass(int *port, long pid)
{
	unsigned char signals[16];
	long n = sys(read, *port, signals, sizeof(signals));

	for (long i = 0; i < n; i++) {
		if (signals[i] && signals[i] <= LAST_SIGNAL)
			sys(kill, pid, signals[i]);
	}
	if (n == -EAGAIN || n == -EINTR || n > 0)
		return;
	/* The port is closed: poll() would report that again and again. */
	sys(close, *port);
	*port = -1;
}
