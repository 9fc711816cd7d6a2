/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opens, starts and closes the character device that a specification such as file:PATH names. There
 * is one row per backend; chardev_unix.c, chardev_pty.c and chardev_stream.c have the others. A
 * path is the rest of the specification, including any commas.
 *
 * Opening makes as few system calls as possible: the first byte finds out what stdin and stdout
 * are. Thread: loop | setup.
 */
#include "chardev_impl.h"

#include "kvm/log.h"
#include "kvm/term.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/*
 * How much may be pasted or typed while the guest does not read. Beyond that the terminal holds the
 * rest, and a Ctrl-a x in it.
 */
#define TERMINAL_AHEAD_BYTES (1 * MIB)

static int stdio_open(struct chardev *cd, const char *path)
{
	(void)path;
	if (!term_claim()) {
		pr_err("console %s: another console already uses stdin and stdout; use pty or file:PATH",
		       cd->spec);
		return -EBUSY;
	}
	cd->is_stdio = true;
	cd->logged = true;
	cd->out.to.fd = STDOUT_FILENO;
	cd->out.attached = true;
	return 0;
}

static int stdio_start(struct chardev *cd)
{
	cd->in.terminal = isatty(STDIN_FILENO);
	if (cd->in.terminal) {
		int err = chardev_take_terminal(cd);

		if (err)
			return err;
		cd->in.read_ahead_bytes = TERMINAL_AHEAD_BYTES;
	}
	chardev_in_begin(cd, STDIN_FILENO);
	return 0;
}

static void stdio_close(struct chardev *cd)
{
	char undo[TERM_MODES_BYTES];

	outfd_put(&cd->out.to, undo, term_modes_undo(&cd->out.modes, undo), OUTFD_STALL_MS);
	term_restore();
	term_release();
}

static int null_open(struct chardev *cd, const char *path)
{
	(void)path;
	cd->out.swallow = true;
	cd->mute = !cd->hooks.output;
	return 0;
}

static int open_path(struct chardev *cd, const char *path, int flags)
{
	cd->io_fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
	if (cd->io_fd >= 0)
		return 0;
	pr_err("console %s: %s", cd->spec,
	       errno == ENXIO ? "no process reads this FIFO; start its reader first"
			      : strerror(errno));
	return -errno;
}

static int file_open(struct chardev *cd, const char *path)
{
	int err = open_path(cd, path, O_WRONLY | O_CREAT | O_APPEND);

	if (err)
		return err;
	cd->out.to.fd = cd->io_fd;
	cd->out.to.kind = OUT_NONBLOCK; /* a regular file never returns EAGAIN */
	cd->out.attached = true;
	return 0;
}

/* Only now is it certain that the guest starts: a typo in -k must not empty files. */
static int file_start(struct chardev *cd)
{
	if (cd->hooks.goes_on || !ftruncate(cd->io_fd, 0) || errno == EINVAL) /* a FIFO, a device */
		return 0;
	pr_err("console %s: %s", cd->spec, strerror(errno));
	return -errno;
}

static int tty_open(struct chardev *cd, const char *path)
{
	struct termios t;
	int err = open_path(cd, path, O_RDWR);

	if (err)
		return err;
	if (tcgetattr(cd->io_fd, &cd->saved) < 0) {
		pr_err("console %s: not a terminal; use file:PATH to write to a file", cd->spec);
		return -ENOTTY;
	}
	t = cd->saved;
	term_make_raw(&t);
	t.c_cflag |= CLOCAL | CREAD;
	if (tcsetattr(cd->io_fd, TCSANOW, &t) < 0) {
		pr_err("console %s: cannot set raw mode: %s", cd->spec, strerror(errno));
		return -errno;
	}
	cd->restore_termios = true;
	err = chardev_attach(cd, cd->io_fd, OUT_NONBLOCK);
	if (err)
		pr_err("console %s: %s", cd->spec, strerror(-err));
	return err;
}

static int tty_start(struct chardev *cd)
{
	chardev_in_begin(cd, cd->io_fd);
	return 0;
}

static void tty_close(struct chardev *cd)
{
	if (cd->restore_termios)
		tcsetattr(cd->io_fd, TCSANOW, &cd->saved);
}

static const struct chardev_backend stdio_backend = {
	.name = "stdio", .open = stdio_open, .start = stdio_start, .close = stdio_close
};
static const struct chardev_backend null_backend = { .name = "null", .open = null_open };
static const struct chardev_backend file_backend = {
	.name = "file", .takes_path = true, .open = file_open, .start = file_start
};
static const struct chardev_backend tty_backend = {
	.name = "tty", .takes_path = true, .open = tty_open, .start = tty_start, .close = tty_close
};

static const struct chardev_backend *const backends[] = {
	&stdio_backend,	 &null_backend,	   &file_backend,  &tty_backend,
	&chardev_pty,	 &chardev_unix,	   &chardev_stdin, &chardev_stdout,
	&chardev_stderr, &chardev_signals, &chardev_log,
};

/* Returns the backend that @spec names, or NULL, and in *@path what follows the colon. */
static const struct chardev_backend *find_backend(const char *spec, const char **path)
{
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
		size_t len = strlen(backends[i]->name);

		if (strncmp(spec, backends[i]->name, len) != 0)
			continue;
		*path = spec + len + 1;
		if (backends[i]->takes_path ? spec[len] == ':' && **path : !spec[len])
			return backends[i];
	}
	return NULL;
}

static struct chardev *new_chardev(struct loop *loop, const char *spec,
				   const struct chardev_hooks *hooks)
{
	struct chardev *cd = calloc(1, sizeof(*cd));

	if (!cd)
		return NULL;
	cd->spec = strdup(spec);
	if (!cd->spec) {
		free(cd);
		return NULL;
	}
	cd->loop = loop;
	cd->listener.fd = -1;
	cd->io_fd = -1;
	if (hooks)
		cd->hooks = *hooks;
	chardev_out_init(cd);
	chardev_in_init(cd);
	return cd;
}

int chardev_open(struct chardev **out, struct loop *loop, const char *spec,
		 const struct chardev_hooks *hooks)
{
	const char *path;
	const struct chardev_backend *backend = find_backend(spec, &path);
	struct chardev *cd;
	int err;

	*out = NULL;
	if (!backend) {
		pr_err("console %s: must be stdio, null, file:PATH, pty, unix:PATH or tty:PATH",
		       spec);
		return -EINVAL;
	}
	cd = new_chardev(loop, spec, hooks);
	if (!cd) {
		pr_err("console %s: out of memory", spec);
		return -ENOMEM;
	}
	cd->path = cd->spec + (path - spec);
	cd->backend = backend;
	err = backend->open(cd, cd->path);
	if (err) {
		if (!cd->is_stdio && backend == &stdio_backend)
			/* another console has stdin and stdout: do not release them */
			cd->backend = &null_backend;
		chardev_close(cd);
		return err;
	}
	*out = cd;
	return 0;
}

void chardev_set_client(struct chardev *cd, const struct chardev_client *client)
{
	cd->client = *client;
}

void chardev_set_front(struct chardev *cd, const struct chardev_client *front,
		       bool (*wants)(void *ctx))
{
	cd->front = *front;
	cd->front_wants = wants;
}

int chardev_start(struct chardev *cd)
{
	cd->loop_thread = pthread_self();
	cd->started = true;
	return cd->backend->start ? cd->backend->start(cd) : 0;
}

bool chardev_size(const struct chardev *cd, unsigned int *columns, unsigned int *rows)
{
	struct winsize w;

	if (!cd->is_stdio ||
	    (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &w) < 0))
		return false;
	*columns = w.ws_col;
	*rows = w.ws_row;
	return w.ws_col && w.ws_row;
}

void chardev_close(struct chardev *cd)
{
	if (!cd)
		return;
	chardev_in_fini(cd);
	if (cd->backend->close)
		cd->backend->close(cd);
	chardev_out_fini(cd);
	if (cd->io_fd >= 0)
		close(cd->io_fd);
	free(cd->spec);
	free(cd);
}
