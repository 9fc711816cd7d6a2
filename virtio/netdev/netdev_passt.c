/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connects a network to passt(1): networking in user space, for ordinary users, with DHCP, DNS and
 * port forwards. We either start passt at the other end of a socketpair (passt --fd), or connect to
 * the socket it listens on (path=). netdev_socket.c transfers the frames. Thread: main, at set-up.
 *
 * A passt that we start ends when our end of the socket closes, so it ends with us, however we end.
 * It has its own process group and an empty stdin, so that it does not use our terminal. It prints
 * errors about its options on our stderr. When it ends, the guest's cable is out. A separate passt
 * may end and be started again: the caller may connect again after it has noticed the end.
 *
 * passt may fail after milliseconds, when it makes its sandbox, and a guest without its network is
 * not what was asked for. passt has no sign for being ready, but it reads its socket only then. So
 * we send it a frame of a type that it ignores, and wait until the socket's queue is empty. passt
 * learns the guest's address from each frame; the frame's is the one that it begins with.
 */
#include "kvm/log.h"
#include "kvm/sandbox_hint.h"
#include "netdev_impl.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define GREET_WAIT_MS 10000 /* for the start of a program on a loaded host */
#define MAX_ARGS (8 + 2 * NETDEV_MAX_FORWARDS)

int passt_connect(struct netdev *d)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(d->path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, d->path, strlen(d->path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		d->fd = fd;
		return 0;
	}
	err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

static int connect_first(struct netdev *d)
{
	int err = passt_connect(d);

	if (err == -ENAMETOOLONG)
		pr_err("-n passt,path=%s: the path is too long for a socket", d->path);
	else if (err)
		pr_err("-n passt,path=%s: %s: is passt running, with --socket of that name?",
		       d->path, strerror(-err));
	return err;
}

/* Changes "[tcp:|udp:]REST" to -t REST or -u REST. */
static void add_forward(char **argv, unsigned int *nr, const char *forward)
{
	bool udp = !strncmp(forward, "udp:", 4);

	if (udp || !strncmp(forward, "tcp:", 4))
		forward += 4;
	argv[(*nr)++] = (char *)(uintptr_t)(udp ? "-u" : "-t");
	argv[(*nr)++] = (char *)(uintptr_t)forward;
}

static int start(struct netdev *d, const struct netdev_options *o, int peer)
{
	char number[12], *argv[MAX_ARGS] = { "passt", "--foreground", "--quiet", "--fd", number };
	unsigned int nr = 5;
	int err;

	snprintf(number, sizeof(number), "%d", peer);
	for (unsigned int i = 0; i < o->nr_forwards; i++)
		add_forward(argv, &nr, o->forward[i]);
	err = netdev_spawn(&d->pid, argv, peer);
	if (err) {
		d->pid = 0;
		pr_err("-n passt: cannot start passt(1): %s%s", strerror(-err),
		       err == -ENOENT ? ": install the package passt" : "");
	}
	return err;
}

static void send_greeting(struct netdev *d)
{
	/* A frame's length; to and from all addresses; IEEE's type for local experiments. */
	static const uint8_t frame[4 + ETH_ZLEN] = { 0,	   0,	 0,    ETH_ZLEN, 0xff, 0xff,
						     0xff, 0xff, 0xff, 0xff,	 0xff, 0xff,
						     0xff, 0xff, 0xff, 0xff,	 0x88, 0xb5 };

	/* If passt has ended already, passt_greet() reports it. */
	if (send(d->fd, frame, sizeof(frame), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		pr_debug("-n passt: %s", strerror(errno));
}

int passt_open(struct netdev *d, const struct netdev_options *o)
{
	int pair[2], err;

	d->ops = &stream_ops;
	snprintf(d->name, sizeof(d->name), "passt");
	d->path = o->path;
	if (d->path)
		return connect_first(d);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		err = -errno;
		pr_err("-n passt: cannot create sockets: %s", strerror(-err));
		return err;
	}
	d->fd = pair[0];
	err = start(d, o, pair[1]);
	close(pair[1]);
	if (!err)
		send_greeting(d);
	return err;
}

/* Whether the other end has read, or thrown away, all that was sent. */
static bool all_is_read(const struct netdev *d)
{
	int unread;

	return ioctl(d->fd, SIOCOUTQ, &unread) < 0 || !unread;
}

static int report_early_end(struct netdev *d)
{
	char how[40] = "";
	int status = 0;

	kill(d->pid, SIGKILL); /* for a program that has only closed its socket */
	while (waitpid(d->pid, &status, 0) < 0 && errno == EINTR)
		;
	d->pid = 0;
	if (WIFEXITED(status))
		snprintf(how, sizeof(how), " with exit code %d", WEXITSTATUS(status));
	pr_err("-n passt: passt(1) has ended%s before the guest was started%s", how,
	       sandbox_hint(""));
	return -EPIPE;
}

int passt_greet(struct netdev *d)
{
	for (int waited_ms = 0; waited_ms < GREET_WAIT_MS; waited_ms++) {
		struct pollfd end = { .fd = d->fd };
		bool read = all_is_read(d);

		/* A socket that is closed reads as empty, too, but only after its end shows. */
		if (poll(&end, 1, read ? 0 : 1) > 0)
			return report_early_end(d);
		if (read)
			return 0;
	}
	pr_warn("-n passt: passt(1) has not read its socket for %d s; the guest starts without it",
		GREET_WAIT_MS / 1000);
	return 0;
}
