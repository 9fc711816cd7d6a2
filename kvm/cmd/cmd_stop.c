/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm stop NAME: presses the power button of a running machine (its command, if any, gets SIGTERM
 * instead), and returns when the machine has ended. A machine that does not end within its grace
 * time is ended.
 *
 * The launcher of the machine then exits with 0, as after Ctrl-a x, unless the guest has powered
 * off by itself or ended in another way.
 *
 * Exit code: 0 if the machine has ended, 124 if its launcher hangs, 125 if it cannot be reached.
 * Thread: main.
 */
#include "control.h"
#include "kvm/base/options.h"
#include "kvm/cmd.h"
#include "kvm/log.h"
#include "kvm/verdict.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATIENCE_S 10
/* How long a launcher may take to write out what its consoles hold. */
#define SETTLE_MS 30000
#define INFO_BYTES 256
#define NO_GRACE UINT64_MAX

struct stop_options {
	uint64_t grace_s;
	bool force;
	bool help;
};

static const struct opt rows[] = {
	{ 0, "grace", OPT_UINT, offsetof(struct stop_options, grace_s), "SECONDS",
	  "how long the guest gets to shut down (default: the machine's\nown --grace, or 5)", 0,
	  CONTROL_MAX_SECONDS, NULL },
	{ 'f', "force", OPT_FLAG, offsetof(struct stop_options, force), NULL,
	  "end it at once, like a power cut; kill a launcher that hangs", 0, 0, NULL },
	{ 'h', "help", OPT_FLAG, offsetof(struct stop_options, help), NULL, "list the options", 0,
	  0, NULL },
};

static int usage(void)
{
	printf("usage: kvm stop NAME [--grace SECONDS] [--force]\n\n"
	       "Shuts down a running machine: presses its power button, or sends SIGTERM to its\n"
	       "command (-- CMD). If the machine has not ended in time, kvm stop ends it. Returns\n"
	       "when it has ended. NAME is the name from kvm run --name NAME.\n"
	       "Exit code: 0, %d if its launcher hangs, %d if it cannot be reached.\n\n",
	       EXIT_TIMEOUT, EXIT_LAUNCHER);
	opt_help(stdout, rows, ARRAY_SIZE(rows));
	return 0;
}

/* Returns whether the launcher's process has ended within @ms. */
static bool has_ended(int pidfd, uint64_t ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int n;

	do
		n = pidfd < 0 ? 0 : poll(&p, 1, (int)min_u64(ms, INT32_MAX));
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/*
 * The launcher hangs. With --force, kills it, and removes its socket. A pidfd cannot be that of a
 * later process.
 */
static int give_up(const char *name, int pidfd, bool force)
{
	struct control_question q = { .name = name, .request = "info", .pass_fd = -1 };

	if (!force) {
		pr_err("%s: the machine has not ended; its launcher hangs; try --force", name);
		return EXIT_TIMEOUT;
	}
	if (pidfd < 0 || syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) ||
	    !has_ended(pidfd, SETTLE_MS)) {
		pr_err("%s: the machine has not ended; its launcher hangs and cannot be killed",
		       name);
		return EXIT_TIMEOUT;
	}
	if (!control_send(&q, NULL)) /* finds the socket that it has left, and removes it */
		close(q.fd);
	pr_warn("%s: its launcher did not answer; killed it", name);
	return 0;
}

/*
 * Waits for the launcher's process to end. The machine itself keeps to @grace_s; the limit here is
 * for a launcher that hangs.
 */
static int wait_for_end(const char *name, int pidfd, uint64_t grace_s, bool force)
{
	if (pidfd < 0) {
		pr_warn("%s: its launcher runs in another PID namespace; not waiting for its end",
			name);
		return 0;
	}
	return has_ended(pidfd, grace_s * 1000 + SETTLE_MS) ? 0 : give_up(name, pidfd, force);
}

/* Sends the request @q, and returns the exit code. */
static int stop(struct control_question *q, bool force)
{
	struct control_info info = { .grace_s = 0 };
	char text[INFO_BYTES] = "";
	int err = control_send(q, NULL), pidfd = err ? -1 : control_pidfd(q), code;

	q->body = fmemopen(text, sizeof(text), "w");
	if (!err)
		err = control_receive(q);
	if (err == -ETIMEDOUT || err == -EAGAIN) {
		code = give_up(q->name, pidfd, force);
	} else if ((err == -ECONNRESET || err == -EPIPE) && has_ended(pidfd, SETTLE_MS)) {
		code = 0; /* it was about to end when we came */
	} else if (err) {
		control_explain(q, err);
		code = EXIT_LAUNCHER;
	} else {
		if (q->body)
			control_parse_info(text, (size_t)ftell(q->body), &info);
		if (q->reply.text[0])
			pr_info("%s: %s", q->name, q->reply.text);
		code = wait_for_end(q->name, pidfd, info.grace_s, force);
	}
	if (q->body)
		fclose(q->body);
	if (pidfd >= 0)
		close(pidfd);
	return code;
}

int cmd_stop(int argc, char **argv, const struct arch *arch)
{
	struct stop_options options = { .grace_s = NO_GRACE };
	struct control_question q = { .pass_fd = -1, .patience_s = PATIENCE_S };
	char request[64] = "stop";

	(void)arch;
	if (opt_parse_one(rows, ARRAY_SIZE(rows), &options, argc, argv, "machine's name",
			  &options.help, &q.name))
		return EXIT_LAUNCHER;
	if (options.help)
		return usage();
	if (options.force)
		options.grace_s = 0;
	if (options.grace_s != NO_GRACE)
		snprintf(request, sizeof(request), "stop %llu",
			 (unsigned long long)options.grace_s);
	q.request = request;
	return stop(&q, options.force);
}
