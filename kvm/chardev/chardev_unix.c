/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connects a console to unix:PATH, a listening stream socket with one client at a time. Without a
 * client the last 64 KiB of output are kept, and the next client gets them. A second client waits
 * in the socket's backlog until the first disconnects.
 *
 * A path that a killed launcher has left is taken over only if it is a socket on which no program
 * listens (listener.h).
 */
#include "chardev_impl.h"

#include "kvm/base/unix_socket.h"
#include "kvm/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CLIENT_AHEAD_BYTES (64 * KIB)

static int unix_open(struct chardev *cd, const char *path)
{
	int err = listener_open(&cd->listener, path, 1);

	cd->in.read_ahead_bytes = CLIENT_AHEAD_BYTES;
	if (err == -ENAMETOOLONG)
		pr_err("console %s: a socket's path must have at most %d bytes", cd->spec,
		       UNIX_PATH_BYTES - 1);
	else if (err == -EEXIST)
		pr_err("console %s: the path exists and is not a socket; remove it or choose another path",
		       cd->spec);
	else if (err == -EADDRINUSE)
		pr_err("console %s: another program already listens there; choose another path",
		       cd->spec);
	else if (err)
		pr_err("console %s: %s", cd->spec, strerror(-err));
	return err;
}

static void on_accepted(void *ctx, int fd)
{
	struct chardev *cd = ctx;

	if (chardev_attach(cd, fd, OUT_SOCKET)) {
		close(fd);
		return;
	}
	listener_want(&cd->listener, false);
	cd->io_fd = fd;
	chardev_in_begin(cd, fd);
}

static void unix_hangup(struct chardev *cd)
{
	chardev_in_end(cd);
	chardev_detach(cd);
	close(cd->io_fd);
	cd->io_fd = -1;
	listener_want(&cd->listener, true);
}

static int unix_start(struct chardev *cd)
{
	int err = listener_start(&cd->listener, cd->loop, on_accepted, cd);

	if (err)
		pr_warn("console %s: cannot wait for clients: %s", cd->spec, strerror(-err));
	return 0;
}

static void unix_close(struct chardev *cd)
{
	listener_close(&cd->listener);
}

const struct chardev_backend chardev_unix = {
	.name = "unix",
	.takes_path = true,
	.returns = true,
	.open = unix_open,
	.start = unix_start,
	.hangup = unix_hangup,
	.close = unix_close,
};
