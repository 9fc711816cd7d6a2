/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connects a command in the guest to the launcher's own streams, each in one direction, and keeps a
 * log that is only shown after a failure.
 *
 * - stdin, stdout, stderr: each side sees when the other ends. At the end of stdin, or when stdout
 *   has no reader any more, the client gets CHARDEV_HANGUP, and chardev_present() returns false
 *   from then on. Conversely, chardev_end() closes stdin or stdout. stderr stays open, because our
 *   own messages use it. (stdio, a console, does not handle ends.)
 * - signals: carries only what chardev_give() puts in.
 * - log: keeps the newest output, as a socket without a client does, until chardev_show_log()
 *   writes it to stderr.
 */
#include "chardev_impl.h"

#include "kvm/log.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Nothing reads from or writes to @fd any more; its number stays in use, for /dev/null. */
static void close_standard(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, fd);
		close(null);
	}
}

static int stdin_open(struct chardev *cd, const char *path)
{
	(void)path;
	cd->out.attached = true;
	cd->out.swallow = true; /* drop anything written to it */
	return 0;
}

static int stdin_start(struct chardev *cd)
{
	chardev_in_begin(cd, STDIN_FILENO);
	return 0;
}

static void stdin_hangup(struct chardev *cd)
{
	chardev_in_end(cd);
	pthread_mutex_lock(&cd->lock);
	cd->out.gone = true;
	pthread_mutex_unlock(&cd->lock);
	chardev_event(cd, CHARDEV_HANGUP);
}

static void stdin_end(struct chardev *cd)
{
	chardev_in_end(cd);
	close_standard(STDIN_FILENO);
}

/* Called when the last byte is written. Locks: the caller has the lock. */
static void stdout_end(struct chardev *cd)
{
	struct chardev_out *o = &cd->out;

	outfd_close(&o->to);
	o->to.fd = STDOUT_FILENO;
	close_standard(STDOUT_FILENO);
	o->swallow = o->gone = true;
}

static int stdout_open(struct chardev *cd, const char *path)
{
	(void)path;
	cd->out.to.fd = STDOUT_FILENO;
	cd->out.attached = true;
	return 0;
}

static int stderr_open(struct chardev *cd, const char *path)
{
	(void)path;
	cd->out.to.fd = STDERR_FILENO;
	cd->out.attached = true;
	return 0;
}

static int log_open(struct chardev *cd, const char *path)
{
	cd->logged = true;
	return log_get_level() >= LOG_LEVEL_DEBUG ? stderr_open(cd, path) : 0;
}

const struct chardev_backend chardev_stdin = {
	.name = "stdin",
	.stream = true,
	.open = stdin_open,
	.start = stdin_start,
	.hangup = stdin_hangup,
};
const struct chardev_backend chardev_stdout = {
	.name = "stdout", .stream = true, .open = stdout_open, .end = stdout_end
};
const struct chardev_backend chardev_stderr = { .name = "stderr",
						.stream = true,
						.open = stderr_open };
const struct chardev_backend chardev_signals = { .name = "signals",
						 .stream = true,
						 .open = stdin_open };
const struct chardev_backend chardev_log = { .name = "log", .open = log_open };

void chardev_end(struct chardev *cd)
{
	if (cd->backend == &chardev_stdin)
		stdin_end(cd);
	if (!cd->backend->end)
		return;
	pthread_mutex_lock(&cd->lock);
	cd->out.ending = true;
	pthread_mutex_unlock(&cd->lock);
	chardev_push(cd);
}

void chardev_show_log(struct chardev *cd)
{
	int err = 0;

	if (cd->backend == &chardev_log && !cd->out.attached)
		err = chardev_attach(cd, STDERR_FILENO, OUT_UNKNOWN);
	if (err)
		pr_warn("cannot show the console's log: %s", strerror(-err));
}
