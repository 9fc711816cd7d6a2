/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opens the launcher's virtio-console ports by their names in sysfs, where they appear shortly
 * after the driver has been inserted.
 *
 * A port reports by POLLHUP that the launcher's side is closed, but also before the launcher's
 * first message about it.
 */
#include "init.h"

#include <linux/poll.h>
#include <linux/time.h>

#define PORTS_DIR "/sys/class/virtio-ports"
#define WAIT_MS 10000 /* for the ports: they come within milliseconds, or never */
#define MAX_NAME_BYTES 64

struct dirent64 {
	unsigned long long ino, off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

/* Whether the port @device (its name in sysfs) has the name @name. */
static bool is_named(const char *device, const char *name)
{
	char path[sizeof(PORTS_DIR) + 256 + sizeof("/name")], text[MAX_NAME_BYTES + 1];
	long fd, n;

	join(path, PORTS_DIR "/", device);
	join(path, path, "/name");
	fd = sys(open, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = sys(read, fd, text, sizeof(text) - 1);
	sys(close, fd);
	if (n > 0 && text[n - 1] == '\n')
		n--;
	text[n > 0 ? n : 0] = '\0';
	return same(text, name);
}

/* Opens the port of this name. Returns -1 if it is not there (yet). */
static int try_port(const char *name)
{
	char entries[4096], path[5 + 256 + 1];
	long dir = sys(open, PORTS_DIR, O_RDONLY | O_CLOEXEC | O_DIRECTORY), n, fd = -1;

	while (fd < 0 && dir >= 0 && (n = sys(getdents64, dir, entries, sizeof(entries))) > 0) {
		for (long at = 0; at < n && fd < 0;) {
			const struct dirent64 *e = (const struct dirent64 *)(entries + at);

			at += e->reclen;
			if (!is_named(e->name, name))
				continue;
			join(path, "/dev/", e->name);
			fd = sys(open, path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		}
	}
	if (dir >= 0)
		sys(close, dir);
	return fd < 0 ? -1 : (int)fd;
}

static bool connected(int port)
{
	struct pollfd p = { .fd = port, .events = POLLOUT };

	return sys(poll, &p, 1, 0) >= 0 && !(p.revents & POLLHUP);
}

int port_wait_for(const char *name, bool wait_for_peer, long wait_ms)
{
	int port = -1;

	for (long ms = 0; ms < wait_ms; ms++) {
		if (port < 0)
			port = try_port(name);
		if (port >= 0 && (!wait_for_peer || connected(port)))
			return port;
		sleep_ms(1);
	}
	if (port >= 0)
		sys(close, port);
	return -1;
}

int port_open(const char *name, bool wait_for_peer)
{
	int port = port_wait_for(name, wait_for_peer, WAIT_MS);

	if (port >= 0)
		return port;
	complain(
		"no such virtio-console port; the kernel needs virtio_mmio and virtio_console, built in or by --modules",
		name, 0);
	fail();
}
