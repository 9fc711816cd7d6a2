/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opens the socket on which GDB connects. Anyone who can connect controls the guest: a path is for
 * its owner only, but a port of the loopback interface is for every user of the host.
 */
#include "gdb_socket.h"

#include "kvm/base/options.h"
#include "kvm/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static int listen_tcp(const char *where, uint16_t port, struct listener *l)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int one = 1, err;

	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd >= 0)
		setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (l->fd >= 0 && !bind(l->fd, (const struct sockaddr *)&addr, sizeof(addr)) &&
	    !listen(l->fd, 1))
		return 0;
	err = errno;
	pr_err("--gdb %s: %s", where, strerror(err));
	listener_close(l);
	return -err;
}

static int listen_unix(const char *where, const char *path, struct listener *l)
{
	int err = listener_open(l, path, 1);

	if (err == -EADDRINUSE)
		pr_err("--gdb %s: another program already listens there; choose another path",
		       where);
	else if (err == -EEXIST)
		pr_err("--gdb %s: the path exists and is not a socket; remove it or choose another path",
		       where);
	else if (err)
		pr_err("--gdb %s: %s", where, strerror(-err));
	return err;
}

int gdb_listen(const char *where, struct listener *l)
{
	uint64_t port;

	*l = (struct listener){ .fd = -1 };
	if (!parse_uint(where, &port) && port && port <= UINT16_MAX)
		return listen_tcp(where, (uint16_t)port, l);
	if (strncmp(where, "unix:", 5) == 0 && where[5])
		return listen_unix(where, where + 5, l);
	pr_err("--gdb %s: must be a port from 1 to 65535 or unix:PATH", where);
	return -EINVAL;
}
