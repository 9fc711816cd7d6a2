/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes the controlling terminal raw while a console owns it (termios(3)), and restores it however
 * the process ends.
 *
 * Callers: stdio's character device on the main thread, main on the way out, and the handler of
 * fatal signals on any thread. Each takes raw_fd by an atomic exchange, so that only one restores.
 * `saved` is written before raw_fd is set and does not change while it is set. SIGTSTP and similar
 * signals need no handling: a raw terminal does not generate them.
 */
#include "kvm/term.h"

#include "kvm/base/fatal.h"
#include "kvm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

/* A global: there is one terminal, and signal handlers get no other argument. */
static struct term {
	struct termios saved;
	_Atomic int raw_fd; /* -1: nothing to restore */
	_Atomic bool claimed;
	struct fatal_hook hook;
} term = { .raw_fd = -1, .hook = { .undo = term_restore } };

bool term_guard_stdio(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		/* open() takes the lowest free number, which is this one. */
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY) < 0)
			return false;
	}
	return true;
}

bool term_claim(void)
{
	return !atomic_exchange(&term.claimed, true);
}

void term_release(void)
{
	atomic_store(&term.claimed, false);
}

void term_make_raw(struct termios *t)
{
	cfmakeraw(t);
	t->c_iflag &= ~(tcflag_t)(IXOFF | IXANY | INPCK);
	t->c_cc[VMIN] = 1;
	t->c_cc[VTIME] = 0;
}

bool term_in_background(int fd)
{
	pid_t foreground = tcgetpgrp(fd);

	/* On an error it is not our controlling terminal, and job control does not apply. */
	return foreground >= 0 && foreground != getpgrp();
}

void term_restore(void)
{
	int fd = atomic_exchange(&term.raw_fd, -1);
	int err = errno;

	if (fd < 0)
		return;
	if (!term_in_background(fd))
		tcsetattr(fd, TCSANOW, &term.saved);
	log_set_raw(0);
	errno = err;
}

int term_raw(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t) < 0)
		return -errno;
	if (term_in_background(fd))
		return -EAGAIN;
	if (atomic_load(&term.raw_fd) < 0)
		term.saved = t;
	fatal_add(&term.hook);
	term_make_raw(&t);
	atomic_store(&term.raw_fd, fd);
	if (tcsetattr(fd, TCSANOW, &t) < 0) {
		int err = errno;

		term_restore();
		return -err;
	}
	log_set_raw(isatty(STDERR_FILENO));
	return 0;
}
