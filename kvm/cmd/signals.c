/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Handles signals to the launcher, see signals.h:
 * - SIGTERM, SIGINT and SIGHUP press the guest's power button, or go to its command (-- CMD). The
 *   machine ends with 128 + N if it has not ended after --grace seconds, or if a second signal
 *   comes. A terminal in raw mode sends no SIGINT: there Ctrl-C goes to the guest.
 * - SIGQUIT prints what the vCPUs are doing, and the machine continues.
 * - SIGWINCH and SIGCONT read the terminal's size again. SIGCONT also retries what waits for the
 *   host (-d werror=stop).
 */
#include "signals.h"

#include "kvm/arch.h"
#include "kvm/log.h"
#include "kvm/postmortem/postmortem.h"
#include "kvm/spawn.h"
#include "kvm/vm.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define NS_PER_S 1000000000ULL

static void fill_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	if (!spawn_was_ignored(SIGHUP)) /* by nohup(1); the signalfd would get it all the same */
		sigaddset(set, SIGHUP);
	sigaddset(set, SIGQUIT);
	sigaddset(set, SIGWINCH);
	/* maybe in the foreground again: check the terminal */
	sigaddset(set, SIGCONT);
}

void signals_block(void)
{
	sigset_t set;

	fill_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file at its size limit is an error like any other */
}

static void end_by_signal(struct signals *s)
{
	vm_end(s->vm, VERDICT_SIGNAL, s->first, "ended by SIG%s", sigabbrev_np(s->first));
}

static void on_grace_over(void *ctx)
{
	end_by_signal(ctx);
}

static void on_end_signal(struct signals *s, int signo)
{
	uint64_t grace_s = s->vm->config->grace_s;

	if (s->first || !grace_s) {
		s->first = signo;
		end_by_signal(s);
		return;
	}
	s->first = signo;
	s->vm->asked_to_end = true;
	pr_info("SIG%s: %s; the machine ends in %llu s at the latest", sigabbrev_np(signo),
		s->vm->arch->ask_to_end(s->vm, signo), (unsigned long long)grace_s);
	loop_timer_arm(&s->grace, grace_s * NS_PER_S);
}

static void on_signal(void *ctx, uint32_t events)
{
	struct signals *s = ctx;
	struct signalfd_siginfo info;

	(void)events;
	while (read(s->fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGWINCH || info.ssi_signo == SIGCONT)
			s->vm->arch->winch(s->vm);
		else if (info.ssi_signo == SIGQUIT)
			reports_request(s->reports, NULL);
		else
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
	fill_set(&set);
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
