/* SPDX-License-Identifier: GPL-2.0-only */
/* Makes and removes UNIX stream sockets at paths, see unix_socket.h. */
#include "unix_socket.h"

#include "leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) == UNIX_PATH_BYTES, "unix(7)");

static int set_address(struct sockaddr_un *addr, const char *path)
{
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!*path)
		return -EINVAL;
	if (strlen(path) >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	memcpy(addr->sun_path, path, strlen(path));
	return 0;
}

int unix_connect(const char *path, unsigned int patience_s)
{
	struct timeval limit = { .tv_sec = patience_s };
	struct sockaddr_un addr;
	int fd, err = set_address(&addr, path);

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (patience_s ? 0 : SOCK_NONBLOCK), 0);
	if (fd < 0)
		return -errno;
	if (patience_s)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) ||
	    fcntl(fd, F_SETFL, O_NONBLOCK)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int unix_clear(const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = unix_connect(path, 0);
	if (fd == -ECONNREFUSED)
		return unlink(path) ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return fd >= 0 || fd == -EAGAIN ? -EADDRINUSE : fd;
}

/* A socket's mode, less the umask, becomes that of the file which bind() makes. */
static int bind_path(int fd, const struct sockaddr_un *addr)
{
	if (fchmod(fd, 0600))
		return -errno;
	return bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) ? -errno : 0;
}

int unix_listen(const char *path, int backlog, struct unix_file *file)
{
	struct stat st = { 0 };
	struct sockaddr_un addr;
	int fd, err = set_address(&addr, path);

	if (!err)
		err = unix_clear(path);
	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	err = bind_path(fd, &addr);
	if (!err && (lstat(path, &st) || listen(fd, backlog))) {
		err = -errno;
		unlink(path);
	}
	*file = (struct unix_file){ st.st_dev, st.st_ino };
	if (!err) {
		leftover_add(path, &st);
		return fd;
	}
	close(fd);
	return err;
}

void unix_remove(const char *path, const struct unix_file *file)
{
	struct stat st;

	leftover_drop(path);
	if (!lstat(path, &st) && st.st_dev == file->dev && st.st_ino == file->ino)
		unlink(path);
}
