/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs the command on the user's terminal: hvc0 if there is one, otherwise the first serial port.
 *
 * The init is the session's leader and stays in the foreground group with the command. Because the
 * init outlives the command, the end of the session does not hang the terminal up, which would drop
 * what it has not sent yet.
 *
 * A shell makes groups of its own. A command without job control gets Ctrl-C, which does not affect
 * the first process, but not Ctrl-Z, because nothing could continue the command.
 */
#include "guest/guestjob.h"
#include "init.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <linux/poll.h>
#include <linux/termios.h>

#define WAIT_MS 1000	  /* for a port that is not essential */
#define WAIT_FOR_OUTPUT 1 /* TCSBRK: no break, but tcdrain(3) */

static const char *const devices[] = { "/dev/hvc0", "/dev/ttyS0" };

static long open_terminal(const struct job *job, bool *virtio)
{
	struct winsize size = { .ws_row = job->rows, .ws_col = job->columns };

	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		long fd = sys(open, devices[i], O_RDWR | O_CLOEXEC);

		if (fd < 0)
			continue;
		*virtio = !i;
		sys(ioctl, fd, TIOCSCTTY, 0);
		if (job->rows && job->columns)
			sys(ioctl, fd, TIOCSWINSZ, &size);
		return fd;
	}
	complain("no such terminal, nor /dev/ttyS0; does the kernel have a driver?", devices[0], 0);
	fail();
}

/* A guest whose terminal is a virtio console also has the ports. */
static int open_signals(bool has_ports)
{
	return has_ports ? port_wait_for(GUESTJOB_SIGNALS, true, WAIT_MS) : -1;
}

int run_on_terminal(const struct job *job)
{
	int status = 0, tty, signals, children;
	bool virtio;
	long pid;

	sys(setsid);
	tty = (int)open_terminal(job, &virtio);
	signals = open_signals(virtio);
	children = children_watch();
	pid = start_command(job, tty, tty, tty);
	do {
		struct pollfd p[] = { { .fd = children, .events = POLLIN },
				      { .fd = signals, .events = POLLIN } };

		sys(poll, p, 2, children_poll_ms(children));
		if (p[1].revents)
			signals_pass(&signals, pid);
	} while (!children_reap(children, pid, &status));
	sys(ioctl, tty, TCSBRK, WAIT_FOR_OUTPUT);
	return status;
}
