/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opens the socket on which GDB connects. Anyone who can connect controls the guest, so a port is
 * on the loopback interface only, and a path is for its owner only. A path that a killed launcher
 * has left is taken over if no process listens on it.
 */
#include "gdb_socket.h"

#include "kvm/base/options.h"
#include "kvm/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int new_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

static int fail(const char *where, int fd, int err)
{
	pr_err("--gdb %s: %s", where, strerror(err));
	if (fd >= 0)
		close(fd);
	return -err;
}

static int listen_tcp(const char *where, uint16_t port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = new_socket(AF_INET), one = 1;

	if (fd < 0)
		return fail(where, -1, -fd);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1))
		return fail(where, fd, errno);
	return fd;
}

static bool is_stale(const struct sockaddr_un *addr)
{
	int fd = new_socket(AF_UNIX);
	struct stat st;
	bool stale;

	if (fd < 0)
		return false;
	stale = !lstat(addr->sun_path, &st) && S_ISSOCK(st.st_mode) &&
		connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) && errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static int listen_unix(const char *where, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const struct sockaddr *sa = (const struct sockaddr *)&addr;
	int fd;

	if (!*path || strlen(path) >= sizeof(addr.sun_path))
		return fail(where, -1, ENAMETOOLONG);
	memcpy(addr.sun_path, path, strlen(path));
	fd = new_socket(AF_UNIX);
	if (fd < 0)
		return fail(where, -1, -fd);
	if (bind(fd, sa, sizeof(addr))) {
		if (errno != EADDRINUSE || !is_stale(&addr))
			return fail(where, fd, errno);
		unlink(path);
		if (bind(fd, sa, sizeof(addr)))
			return fail(where, fd, errno);
	}
	return listen(fd, 1) ? fail(where, fd, errno) : fd;
}

int gdb_listen(const char *where, const char **path)
{
	uint64_t port;
	int fd;

	*path = NULL;
	if (!parse_uint(where, &port) && port && port <= UINT16_MAX)
		return listen_tcp(where, (uint16_t)port);
	if (strncmp(where, "unix:", 5) != 0) {
		pr_err("--gdb %s: must be a port from 1 to 65535 or unix:PATH", where);
		return -EINVAL;
	}
	fd = listen_unix(where, where + 5);
	if (fd >= 0)
		*path = where + 5;
	return fd;
}
