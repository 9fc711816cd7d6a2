/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes the controlling terminal raw while a console owns it (termios(3)), and restores it however
 * the process ends.
 *
 * Callers: stdio's character device on the main thread, main on the way out, and handlers of fatal
 * signals on any thread. Each takes raw_fd by an atomic exchange, so that only one restores.
 * `saved` is written before raw_fd is set and does not change while it is set.
 *
 * The handlers run on a small stack of their own where the thread has one (the main thread does),
 * so that they can restore the terminal even when the stack has run out. atexit() is not used,
 * because a crash does not run it. SIGTSTP and similar signals need no handling: a raw terminal
 * does not generate them.
 */
#include "kvm/term.h"

#include "kvm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#define ALT_STACK_BYTES 16384 /* more than the kernel asks for with AMX state */

/* A global: there is one terminal, and signal handlers get no other argument. */
static struct term {
	struct termios saved;
	_Atomic int raw_fd; /* -1: nothing to restore */
	_Atomic bool claimed;
	int (*mend_sigbus)(void *addr);
	bool catching;
} term = { .raw_fd = -1 };

static char alt_stack[ALT_STACK_BYTES]; /* apart: zeroed memory takes no room in the program */

void term_guard_stdio(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		/* open() takes the lowest free number, which is this one. */
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY) < 0)
			return;
	}
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

static void on_crash(int signo, siginfo_t *info, void *context)
{
	(void)context;
	if (signo == SIGBUS && term.mend_sigbus && term.mend_sigbus(info->si_addr))
		return;
	term_restore();
	/* Pending until we return; a faulting instruction is executed again and faults first. */
	signal(signo, SIG_DFL);
	raise(signo);
}

static void catch_signal(int signo)
{
	struct sigaction sa = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigfillset(&sa.sa_mask);
	sigaction(signo, &sa, NULL);
}

static void catch_all(void)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	stack_t old, ss = { .ss_sp = alt_stack, .ss_size = sizeof(alt_stack) };

	if (term.catching)
		return;
	term.catching = true;
	/* A sanitizer gives threads a stack of its own and expects to find it at the end. */
	if (!sigaltstack(NULL, &old) && (old.ss_flags & SS_DISABLE))
		sigaltstack(&ss, NULL);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		catch_signal(fatal[i]);
}

void term_catch_crashes(int (*sigbus)(void *addr))
{
	term.mend_sigbus = sigbus;
	if (sigbus)
		catch_signal(SIGBUS);
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
	catch_all();
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
