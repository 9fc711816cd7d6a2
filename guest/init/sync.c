/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes out what is in memory before the machine ends, but does not wait for a shared folder that
 * does not answer.
 *
 * When virtiofsd has ended, any process that asks for one of its files waits for ever, and so does
 * sync(2). So the init tries both, each in a process of its own, and waits for a slow sync as long
 * as the folders answer.
 */
#include "guest/guestjob.h"
#include "init.h"

#include <linux/signal.h>
#include <linux/wait.h>

#define ANSWER_MS 10000

static const char **shares; /* the texts of JOB_SHARE; NULL: no shares */

void sync_watch_shares(const char **texts)
{
	shares = texts;
}

/* Starts a process that does @work and ends. Returns its number. */
static long start(void (*work)(void))
{
	long pid = sys(clone, SIGCHLD);

	if (pid)
		return pid;
	work();
	for (;;)
		sys(exit_group, 0);
}

static void write_all(void)
{
	sys(sync);
}

static void ask_all(void)
{
	char at[sizeof(GUESTJOB_SHARES) + MAX_TAG_BYTES + 1];
	char info[256]; /* struct statfs */

	for (const char **share = shares; *share; share++) {
		join(at, GUESTJOB_SHARES "/", *share + 1);
		sys(statfs, at, info);
	}
}

void sync_files(void)
{
	long writer, asker;
	bool answered = false;

	if (!shares) {
		sys(sync);
		return;
	}
	writer = start(write_all);
	asker = start(ask_all);
	for (long ms = 0; answered || ms < ANSWER_MS; ms++) {
		if (sys(wait4, writer, NULL, WNOHANG))
			return;
		answered = answered || sys(wait4, asker, NULL, WNOHANG);
		sleep_ms(1);
	}
	complain("a shared folder of the host does not answer; not waiting for it", GUESTJOB_SHARES,
		 0);
}
