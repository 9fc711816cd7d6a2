/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kvm stop NAME: presses the power button of a running machine (its command, if any, gets SIGTERM
 * instead), and returns when the machine has ended. A machine that does not end within its grace
 * time is ended.
 *
 * The launcher of the machine then exits with 0, as after Ctrl-a x, unless the guest has powered
 * off by itself or ended in another way.
 *
 * Exit code: 0 if the machine has ended, 124 if its launcher did not end in time, 125 if it cannot
 * be reached. Thread: main.
 */
#include "control.h"
#include "kvm/base/options.h"
#include "kvm/cmd.h"
#include "kvm/log.h"
#include "kvm/verdict.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define PATIENCE_S 30
/* How long a launcher may take to write out what its consoles hold. */
#define SETTLE_S 30
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
	  "end it at once, like a power cut", 0, 0, NULL },
	{ 'h', "help", OPT_FLAG, offsetof(struct stop_options, help), NULL, "list the options", 0,
	  0, NULL },
};

static int usage(void)
{
	printf("usage: kvm stop NAME [--grace SECONDS] [--force]\n\n"
	       "Shuts down a running machine: presses its power button, or sends SIGTERM to its\n"
	       "command (-- CMD). If the machine has not ended in time, kvm stop ends it. Returns\n"
	       "when it has ended. NAME is the name from kvm run --name NAME.\n"
	       "Exit code: 0, %d if it is still running, %d if it cannot be reached.\n\n",
	       EXIT_TIMEOUT, EXIT_LAUNCHER);
	opt_help(stdout, rows, ARRAY_SIZE(rows));
	return 0;
}

/*
 * Waits for the launcher's process to end. The machine itself keeps to @grace_s; the limit here is
 * for a launcher that hangs.
 */
static int wait_for_end(const char *name, int pidfd, uint64_t grace_s)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	uint64_t ms =
		grace_s > INT32_MAX / 1000 - SETTLE_S ? INT32_MAX : (grace_s + SETTLE_S) * 1000;
	int n;

	if (pidfd < 0) {
		pr_warn("%s: its launcher runs in another PID namespace; not waiting for its end",
			name);
		return 0;
	}
	do
		n = poll(&p, 1, (int)ms);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return 0;
	pr_err("%s: the machine has not ended; its launcher hangs", name);
	return EXIT_TIMEOUT;
}

int cmd_stop(int argc, char **argv, const struct arch *arch)
{
	struct stop_options options = { .grace_s = NO_GRACE };
	struct control_question q = { .pass_fd = -1, .patience_s = PATIENCE_S };
	struct control_info info = { .grace_s = 0 };
	char request[64] = "stop";
	int code;

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
	else
		control_ask_info(q.name, &info); /* the machine's own, to know how long to wait */
	q.request = request;
	if (control_ask(&q, true)) {
		code = EXIT_LAUNCHER;
	} else {
		if (options.grace_s == NO_GRACE)
			options.grace_s = info.grace_s;
		if (q.reply.text[0])
			pr_info("%s: %s", q.name, q.reply.text);
		code = wait_for_end(q.name, q.pidfd, options.grace_s);
	}
	if (q.pidfd >= 0)
		close(q.pidfd);
	return code;
}
