/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The launcher's own streams, one way each, for a command in the guest; and the console that only speaks up when something went wrong.
 *
 * A stream's end is passed on, for the other side to know: the end of stdin, or nobody reading stdout any more, is CHARDEV_HANGUP, and from then on
 * chardev_present() says no. (stdio, a console, knows no end.)
 *
 * A log is a line with nobody at its end: the newest output is kept, as for a client who has not come, until chardev_show_log() makes stderr that
 * client.
 */
#include "chardev_impl.h"

#include "kvm/log.h"

#include <string.h>
#include <unistd.h>

static int stdin_open(struct chardev *cd, const char *path)
{
	(void)path;
	cd->out.attached = true;
	cd->out.swallow = true; /* what is written to it */
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

static int stdout_open(struct chardev *cd, const char *path)
{
	(void)path;
	cd->out.fd = STDOUT_FILENO;
	cd->out.attached = true;
	return 0;
}

static int stderr_open(struct chardev *cd, const char *path)
{
	(void)path;
	cd->out.fd = STDERR_FILENO;
	cd->out.attached = true;
	return 0;
}

static int log_open(struct chardev *cd, const char *path)
{
	cd->logged = true;
	return log_get_level() >= LOG_LEVEL_DEBUG ? stderr_open(cd, path) : 0;
}

const struct chardev_backend chardev_stdin = {
	.name = "stdin", .stream = true, .open = stdin_open, .start = stdin_start, .hangup = stdin_hangup
};
const struct chardev_backend chardev_stdout = { .name = "stdout", .stream = true, .open = stdout_open };
const struct chardev_backend chardev_stderr = { .name = "stderr", .stream = true, .open = stderr_open };
const struct chardev_backend chardev_log = { .name = "log", .open = log_open };

void chardev_show_log(struct chardev *cd)
{
	int err = 0;

	if (cd->backend == &chardev_log && !cd->out.attached)
		err = chardev_attach(cd, STDERR_FILENO, OUT_UNKNOWN);
	if (err)
		pr_warn("the console's log cannot be shown: %s", strerror(-err));
}
