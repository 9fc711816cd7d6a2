/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Handles signals to the launcher, see signals.h:
 * - Those that end a process, SIGTERM and SIGINT first of all, press the guest's power button, or
 *   go to its command (-- CMD). The machine ends with 128 + N if it has not ended after --grace
 *   seconds, or if a second signal comes. A terminal in raw mode sends no SIGINT: there Ctrl-C goes
 *   to the guest.
 * - SIGQUIT prints what the vCPUs are doing, and the machine continues.
 * - SIGWINCH and SIGCONT read the terminal's size again. SIGCONT also retries what waits for the
 *   host (-d werror=stop).
 *
 * What means one end may send two signals at once: timeout(1) sends SIGTERM to its child and then
 * to the group, and of a terminal that closes both the shell and the kernel send SIGHUP. So the
 * second one counts only a moment later. From the end of the machine on signals stay blocked, and
 * only cut waits for slow readers short (kvm/base/endsignal.h).
 */
#include "signals.h"

#include "kvm/arch.h"
#include "kvm/base/endsignal.h"
#include "kvm/log.h"
#include "kvm/postmortem/postmortem.h"
#include "kvm/spawn.h"
#include "kvm/vm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define NS_PER_S 1000000000ULL
#define SECOND_NS (NS_PER_S / 2) /* a signal that comes sooner is one with the first */

static void name_signal(char name[16], int signo)
{
	if (signo < SIGRTMIN)
		snprintf(name, 16, "SIG%s", sigabbrev_np(signo));
	else
		snprintf(name, 16, "SIGRTMIN+%d", signo - SIGRTMIN);
}

static void end_by_signal(struct signals *s)
{
	char name[16];

	name_signal(name, s->first);
	vm_end(s->vm, VERDICT_SIGNAL, s->first, "ended by %s", name);
}

static void on_grace_over(void *ctx)
{
	end_by_signal(ctx);
}

static void on_first_signal(struct signals *s, int signo)
{
	uint64_t grace_s = s->vm->config->grace_s;
	const char *what;
	char name[16];

	s->first = signo;
	s->first_ns = now_ns();
	s->vm->asked_to_end = true;
	if (!grace_s) {
		end_by_signal(s);
		return;
	}
	/* The timer first: a message may have to wait. */
	loop_timer_arm(&s->grace, grace_s * NS_PER_S);
	what = s->vm->arch->ask_to_end(s->vm, signo);
	name_signal(name, signo);
	pr_info("%s: %s; the machine ends in %llu s at the latest", name, what,
		(unsigned long long)grace_s);
}

static void on_end_signal(struct signals *s, int signo)
{
	if (!s->first) {
		on_first_signal(s, signo);
	} else if (signo != SIGXCPU && now_ns() - s->first_ns >= SECOND_NS) {
		/* SIGXCPU comes once a second, by itself */
		s->first = signo;
		end_by_signal(s);
	}
}

static void on_signal(void *ctx, uint32_t events)
{
	struct signals *s = ctx;
	struct signalfd_siginfo info;

	(void)events;
	while (read(s->fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGWINCH || info.ssi_signo == SIGCONT)
			s->vm->arch->winch(s->vm);
		else if (info.ssi_signo == SIGQUIT && !spawn_was_ignored(SIGQUIT))
			reports_request(s->reports, NULL);
		else if (end_signal((int)info.ssi_signo))
			on_end_signal(s, (int)info.ssi_signo);
		if (info.ssi_signo == SIGCONT)
			s->vm->arch->retry(s->vm);
	}
}

int signals_init(struct signals *s, struct vm *vm, struct reports *reports)
{
	sigset_t set;
	int err;

	*s = (struct signals){ .vm = vm, .reports = reports, .fd = -1 };
	loop_timer_init(&vm->loop, &s->grace, on_grace_over, s);
	end_signals_handled(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	log_set_patient(false); /* from now on only we notice a signal */
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	err = s->fd < 0 ? -errno : loop_add(&vm->loop, &s->source, s->fd, EPOLLIN, on_signal, s);
	if (err)
		pr_err("cannot take signals: %s", strerror(-err));
	return err;
}

void signals_fini(struct signals *s)
{
	loop_timer_fini(&s->grace);
	loop_del(&s->source);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}
