/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opens the backends of networks and dispatches calls to them, see netdev.h. The backends are:
 *
 *   - netdev_tap.c: frames with virtio's headers, so that the host does checksums and segmentation;
 *   - netdev_socket.c: frames on a socket of any type;
 *   - netdev_passt.c: a passt(1) process at the other end of a socket.
 *
 * For a descriptor that the parent process passed (-n fd=N), the type of the descriptor selects the
 * backend: a tap interface, a stream with passt's framing, or a socket that preserves message
 * boundaries, with one frame for each message.
 *
 * Thread: loop, and main at set-up. Buffers have a fixed size and are allocated at the first frame,
 * so a network that is not used costs no memory. The peer is not trusted: a frame that is too long
 * ends a stream, because its framing is lost then.
 */
#include "netdev_impl.h"

#include "kvm/log.h"
#include "virtio/vhost/vhost.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_fd(struct netdev *d, const struct netdev_options *o)
{
	socklen_t len = sizeof(int);
	int flags = fcntl(o->fd, F_GETFL), type = 0;

	if (flags < 0) {
		pr_err("-n fd=%d: not an open file descriptor; start kvm with it open, as in 5<>FILE",
		       o->fd);
		return -EBADF;
	}
	/* Keep the original: a machine that restarts needs it again. */
	d->fd = fcntl(o->fd, F_DUPFD_CLOEXEC, 3);
	if (d->fd < 0) {
		pr_err("-n fd=%d: %s", o->fd, strerror(errno));
		return -errno;
	}
	snprintf(d->name, sizeof(d->name), "fd %d", o->fd);
	fcntl(o->fd, F_SETFL, flags | O_NONBLOCK);
	fcntl(o->fd, F_SETFD, FD_CLOEXEC);
	if (!getsockopt(o->fd, SOL_SOCKET, SO_TYPE, &type, &len)) {
		d->ops = type == SOCK_STREAM ? &stream_ops : &packet_ops;
		d->datagrams = type == SOCK_DGRAM;
		return 0;
	}
	if (!tap_adopt(d))
		return 0;
	pr_err("-n fd=%d: neither a socket nor a tap interface's descriptor", o->fd);
	return -EINVAL;
}

static int open_one(struct netdev *d, const struct netdev_options *o, const char *ifname)
{
	switch (o->kind) {
	case NETDEV_TAP:
		return tap_open(d, o, ifname);
	case NETDEV_PASST:
		return passt_open(d, o);
	case NETDEV_FD:
		return open_fd(d, o);
	case NETDEV_NONE:
		break;
	}
	return -EINVAL;
}

int netdev_open(struct netdev **out, const struct netdev_options *o)
{
	const char *ifname = o->ifname;
	int err = 0;

	memset(out, 0, o->nr_queues * sizeof(*out));
	for (unsigned int i = 0; i < o->nr_queues && !err; i++) {
		out[i] = calloc(1, sizeof(**out));
		if (!out[i]) {
			pr_err("out of memory");
			err = -ENOMEM;
			break;
		}
		out[i]->fd = -1;
		err = open_one(out[i], o, ifname);
		ifname = out[0]->name; /* further queues of the same interface */
	}
	if (!err && o->kind == NETDEV_TAP)
		err = tap_up(out[0], o);
	for (unsigned int i = 0; i < o->nr_queues && err; i++) {
		netdev_close(out[i]);
		out[i] = NULL;
	}
	return err;
}

int netdev_greet(struct netdev *d)
{
	return d->pid ? passt_greet(d) : 0;
}

void netdev_close(struct netdev *d)
{
	if (!d)
		return;
	vhost_close(d->vhost); /* before what vhost uses */
	if (d->fd >= 0)
		close(d->fd);
	if (d->pid) {
		/* passt has no data that could be lost, and we must not wait for it */
		kill(d->pid, SIGKILL);
		waitpid(d->pid, NULL, 0);
	}
	free(d->in);
	free(d->out);
	free(d);
}

const char *netdev_name(const struct netdev *d)
{
	return d->name;
}

int netdev_fd(const struct netdev *d)
{
	return d->fd;
}

uint64_t netdev_offloads(const struct netdev *d)
{
	return d->offloads;
}

unsigned int netdev_mtu(const struct netdev *d)
{
	return d->mtu_bytes;
}

struct vhost *netdev_vhost(const struct netdev *d)
{
	return d->vhost;
}

int netdev_set_offloads(struct netdev *d, uint64_t features)
{
	int err;

	features &= d->offloads;
	if (features == d->enabled || !d->ops->set_offloads)
		return 0;
	err = d->ops->set_offloads(d, features);
	if (!err)
		d->enabled = features;
	return err;
}

int netdev_set_active(struct netdev *d, bool active)
{
	int err;

	if (active == !d->inactive || !d->ops->set_active)
		return 0;
	err = d->ops->set_active(d, active);
	if (!err)
		d->inactive = !active;
	return err;
}

ssize_t netdev_recv(struct netdev *d, struct virtio_net_hdr *hdr, const uint8_t **frame)
{
	if (!d->in)
		d->in = malloc(NETDEV_IN_BYTES);
	if (!d->in)
		return -ENOMEM;
	memset(hdr, 0, sizeof(*hdr));
	return d->ops->recv(d, hdr, frame);
}

int netdev_take_error(struct netdev *d)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 || !d->datagrams)
		return err ? -err : -EPIPE;
	return 0;
}

int netdev_send(struct netdev *d, const struct virtio_net_hdr *hdr, struct iovec *iov,
		unsigned int nr, size_t bytes)
{
	return d->ops->send(d, hdr, iov, nr, bytes);
}

bool netdev_flush(struct netdev *d)
{
	return !d->ops->flush || d->ops->flush(d);
}

void netdev_say_gone(struct netdev *d, int err)
{
	int status;

	if (d->pid && waitpid(d->pid, &status, WNOHANG) == d->pid) {
		d->pid = 0;
		if (WIFEXITED(status))
			pr_err("-n passt: passt(1) has ended with exit code %d; the guest's network cable is out",
			       WEXITSTATUS(status));
		else
			pr_err("-n passt: passt(1) was killed by signal %d; the guest's network cable is out",
			       WTERMSIG(status));
		return;
	}
	pr_err("network %s: %s; the guest's network cable is out", d->name,
	       err == -EPROTO	      ? "received a frame of an impossible length"
	       : err && err != -EPIPE ? strerror(-err)
				      : "the other end has disconnected");
}

bool netdev_may_return(const struct netdev *d)
{
	return d->path;
}

int netdev_reopen(struct netdev *d)
{
	int old = d->fd, err = passt_connect(d);

	if (err)
		return err;
	close(old);
	d->in_at = d->in_have = d->out_at = d->out_have = 0;
	return 0;
}

void netdev_make_mac(uint8_t mac[ETH_ALEN], const char *name, unsigned int index)
{
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 0x100000001b3;
	hash = (hash ^ index) * 0x100000001b3;
	mac[0] = 0x02; /* locally administered, unicast */
	for (unsigned int i = 1; i < ETH_ALEN; i++)
		mac[i] = (uint8_t)(hash >> (8 * i));
}
