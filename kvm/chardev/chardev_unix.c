/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connects a console to unix:PATH, a listening stream socket with one client at a time. Without a
 * client the last 64 KiB of output are kept, and the next client gets them. A second client waits
 * in the socket's backlog until the first disconnects.
 *
 * A path that a killed launcher has left is taken over only if it is a socket on which no program
 * listens. At the end we remove the path only if it is still the socket that we have made.
 */
#include "chardev_impl.h"

#include "kvm/base/leftover.h"
#include "kvm/log.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENT_AHEAD_BYTES (64 * KIB)

static void listen_again(struct chardev *cd);

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/*
 * Returns whether @addr is a socket on which no program listens; otherwise reports why it cannot be
 * used.
 */
static bool is_stale(const struct chardev *cd, const struct sockaddr_un *addr)
{
	struct stat st;
	int fd, err = 0;

	if (lstat(cd->path, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		pr_err("console %s: the path exists and is not a socket; remove it or choose another path",
		       cd->spec);
		return false;
	}
	fd = new_socket();
	if (fd < 0 || connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
		err = errno;
	if (fd >= 0)
		close(fd);
	if (err == ECONNREFUSED)
		return true;
	pr_err("console %s: another program already listens there; choose another path", cd->spec);
	return false;
}

static int bind_path(struct chardev *cd, const struct sockaddr_un *addr)
{
	const struct sockaddr *sa = (const struct sockaddr *)addr;

	if (!bind(cd->listen_fd, sa, sizeof(*addr)))
		return 0;
	if (errno == EADDRINUSE) {
		if (!is_stale(cd, addr))
			return -EADDRINUSE;
		unlink(cd->path);
		if (!bind(cd->listen_fd, sa, sizeof(*addr)))
			return 0;
	}
	pr_err("console %s: %s", cd->spec, strerror(errno));
	return -errno;
}

static int unix_open(struct chardev *cd, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int err;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		pr_err("console %s: a socket's path must have at most %zu bytes", cd->spec,
		       sizeof(addr.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(addr.sun_path, path, strlen(path));
	cd->in.read_ahead_bytes = CLIENT_AHEAD_BYTES;
	cd->listen_fd = new_socket();
	if (cd->listen_fd < 0) {
		err = cd->listen_fd;
		pr_err("console %s: %s", cd->spec, strerror(-err));
		return err;
	}
	err = bind_path(cd, &addr);
	if (err)
		return err;
	if (!lstat(path, &cd->bound))
		leftover_add(path, &cd->bound);
	if (listen(cd->listen_fd, 1) < 0) {
		pr_err("console %s: %s", cd->spec, strerror(errno));
		return -errno;
	}
	return 0;
}

static void on_connection(void *ctx, uint32_t events)
{
	struct chardev *cd = ctx;
	int fd = accept4(cd->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return; /* the client has already disconnected */
	if (chardev_attach(cd, fd, OUT_SOCKET)) {
		close(fd);
		return;
	}
	loop_del(&cd->listen_source);
	cd->io_fd = fd;
	chardev_in_begin(cd, fd);
}

static void unix_hangup(struct chardev *cd)
{
	chardev_in_end(cd);
	chardev_detach(cd);
	close(cd->io_fd);
	cd->io_fd = -1;
	listen_again(cd);
}

static void listen_again(struct chardev *cd)
{
	int err = loop_add(cd->loop, &cd->listen_source, cd->listen_fd, EPOLLIN, on_connection, cd);

	if (err)
		pr_warn("console %s: cannot wait for clients: %s", cd->spec, strerror(-err));
}

static int unix_start(struct chardev *cd)
{
	listen_again(cd);
	return 0;
}

static void unix_close(struct chardev *cd)
{
	struct stat st;

	loop_del(&cd->listen_source);
	leftover_drop(cd->path);
	if (cd->bound.st_ino && !lstat(cd->path, &st) && st.st_ino == cd->bound.st_ino &&
	    st.st_dev == cd->bound.st_dev)
		unlink(cd->path);
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
