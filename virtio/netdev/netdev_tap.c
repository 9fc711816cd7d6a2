/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sends and receives frames through a tap interface of the host (/dev/net/tun: Linux,
 * Documentation/networking/tuntap.rst). Every frame has virtio's header in front (IFF_VNET_HDR, 12
 * bytes by TUNSETVNETHDRSZ, little-endian), so frames with unfinished checksums and of many
 * segments pass unchanged in both directions. Thread: loop; opened on main at set-up.
 *
 * The host's kernel always finishes what the guest sends unfinished. TUNSETOFFLOAD sets what the
 * kernel may leave unfinished towards the guest; at set-up the same call shows what this kernel
 * supports.
 *
 *   - An interface that we make vanishes when we end.
 *   - An interface that exists (`ip tuntap add`) is used; an ordinary user can use one that belongs
 *     to that user.
 *   - A descriptor from the parent process may have no headers: then there are no offloads.
 *
 * If /dev/vhost-net can be opened, the kernel can move the frames itself; each queue has a struct
 * vhost for that.
 */
#include "kvm/log.h"
#include "netdev_impl.h"
#include "virtio/vhost/vhost.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TUN_DEVICE "/dev/net/tun"
#define HEADER_BYTES sizeof(struct virtio_net_hdr_mrg_rxbuf)
/* Newer than the headers of some distributions. */
#define F_USO4 0x20
#define F_USO6 0x40

static const struct {
	unsigned int tun;	  /* the flag of TUNSETOFFLOAD */
	unsigned int guest, host; /* virtio's feature bits */
} offload[] = {
	{ TUN_F_CSUM, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_CSUM },
	{ TUN_F_TSO4, VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_HOST_TSO4 },
	{ TUN_F_TSO6, VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_HOST_TSO6 },
	{ TUN_F_TSO_ECN, VIRTIO_NET_F_GUEST_ECN, VIRTIO_NET_F_HOST_ECN },
	{ TUN_F_UFO, VIRTIO_NET_F_GUEST_UFO, VIRTIO_NET_F_HOST_UFO },
	{ F_USO4, NET_F_GUEST_USO4, NET_F_HOST_USO },
	{ F_USO6, NET_F_GUEST_USO6, NET_F_HOST_USO },
};

static int tap_set_offloads(struct netdev *d, uint64_t features)
{
	unsigned int flags = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(offload); i++)
		flags |= features & NETDEV_BIT(offload[i].guest) ? offload[i].tun : 0;
	return ioctl(d->fd, TUNSETOFFLOAD, flags) < 0 ? -errno : 0;
}

static bool takes(const struct netdev *d, unsigned int flags)
{
	return ioctl(d->fd, TUNSETOFFLOAD, flags) >= 0;
}

static void probe_offloads(struct netdev *d)
{
	unsigned int flags = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_UFO;

	/*
	 * UFO was removed from some kernels and later restored; UDP segmentation came with 6.2, for
	 * both families at once.
	 */
	if (takes(d, flags | F_USO4 | F_USO6))
		flags |= F_USO4 | F_USO6;
	else if (!takes(d, flags))
		flags &= ~(unsigned int)TUN_F_UFO;
	if (!takes(d, 0))
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(offload); i++) {
		if (flags & offload[i].tun)
			d->offloads |= NETDEV_BIT(offload[i].guest) | NETDEV_BIT(offload[i].host);
	}
}

static int set_header(struct netdev *d)
{
	int bytes = HEADER_BYTES, on = 1;

	if (ioctl(d->fd, TUNSETVNETHDRSZ, &bytes) < 0)
		return -errno;
	if (__BYTE_ORDER == __BIG_ENDIAN && ioctl(d->fd, TUNSETVNETLE, &on) < 0)
		return -errno;
	d->has_header = true;
	probe_offloads(d);
	return 0;
}

int tap_adopt(struct netdev *d)
{
	struct ifreq ifr = { 0 };

	if (ioctl(d->fd, TUNGETIFF, &ifr) < 0)
		return -errno;
	if (!(ifr.ifr_flags & IFF_TAP) || !(ifr.ifr_flags & IFF_NO_PI))
		return -EINVAL;
	d->ops = &tap_ops;
	snprintf(d->name, sizeof(d->name), "%s", ifr.ifr_name);
	return ifr.ifr_flags & IFF_VNET_HDR ? set_header(d) : 0;
}

static void say_refused(int err, const char *ifname)
{
	if (err == -EPERM)
		pr_err("-n tap: not allowed to create an interface; run as root, or have one created (ip tuntap add tap0 mode tap user $USER) and use ifname=, or use -n passt");
	else if (err == -EBUSY)
		pr_err("-n tap,ifname=%s: in use by another program", ifname);
	else if (err == -EINVAL)
		pr_err("-n tap,ifname=%s: not a tap interface, or one with a different number of queues",
		       ifname ? ifname : "");
	else
		pr_err("-n tap,ifname=%s: %s", ifname ? ifname : "", strerror(-err));
}

static int add_vhost(struct netdev *d, enum netdev_vhost wanted)
{
	int err = wanted == NETDEV_VHOST_OFF ? 0 : vhost_open(&d->vhost);

	if (!err || wanted == NETDEV_VHOST_AUTO) {
		if (err)
			pr_debug("network %s: cannot use vhost-net: %s", d->name, strerror(-err));
		return 0;
	}
	pr_err("-n tap,vhost=on: /dev/vhost-net: %s; %s", strerror(-err),
	       err == -EACCES || err == -EPERM ? "give yourself access to it"
					       : "run: modprobe vhost_net");
	return err;
}

int tap_open(struct netdev *d, const struct netdev_options *o, const char *ifname)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int err = 0;

	if (o->nr_queues > 1)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	if (ifname)
		snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	d->fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (d->fd < 0) {
		err = -errno;
		pr_err("-n tap: " TUN_DEVICE ": %s; %s, or use -n passt", strerror(-err),
		       err == -EACCES || err == -EPERM ? "give yourself access to it"
						       : "run: modprobe tun");
		return err;
	}
	if (ioctl(d->fd, TUNSETIFF, &ifr) < 0) {
		err = -errno;
		say_refused(err, ifname);
		return err;
	}
	d->ops = &tap_ops;
	snprintf(d->name, sizeof(d->name), "%s", ifr.ifr_name);
	err = set_header(d);
	if (err) {
		pr_err("-n tap: the host's kernel does not support virtio headers for %s: %s",
		       d->name, strerror(-err));
		return err;
	}
	return add_vhost(d, o->vhost);
}

/* Failure is only a warning: a user without the right can have it done by root. */
static void set_up(const struct netdev *d, int fd)
{
	struct ifreq ifr = { 0 };

	memcpy(ifr.ifr_name, d->name, IFNAMSIZ - 1);
	if (!ioctl(fd, SIOCGIFFLAGS, &ifr) && !(ifr.ifr_flags & IFF_UP)) {
		ifr.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
			pr_warn("network %s is down, and kvm may not set it up; run: ip link set %s up",
				d->name, d->name);
	}
}

static unsigned int get_mtu(const struct netdev *d, int fd)
{
	struct ifreq ifr = { 0 };

	memcpy(ifr.ifr_name, d->name, IFNAMSIZ - 1);
	return ioctl(fd, SIOCGIFMTU, &ifr) < 0 || ifr.ifr_mtu < 0 ? 0 : (unsigned int)ifr.ifr_mtu;
}

static int tap_set_active(struct netdev *d, bool active)
{
	struct ifreq ifr = { .ifr_flags = active ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	return ioctl(d->fd, TUNSETQUEUE, &ifr) < 0 ? -errno : 0;
}

static int run_script(struct netdev *d, const char *script)
{
	char *argv[] = { (char *)(uintptr_t)script, d->name, NULL };
	int status = 0, err;
	pid_t pid;

	err = netdev_spawn(&pid, argv, -1);
	if (err) {
		pr_err("-n tap,script=%s: %s", script, strerror(-err));
		return err;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!status)
		return 0;
	pr_err("-n tap,script=%s: the script failed for %s with %s %d", script, d->name,
	       WIFEXITED(status) ? "exit code" : "signal",
	       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return -ECANCELED;
}

int tap_up(struct netdev *d, const struct netdev_options *o)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd >= 0)
		set_up(d, fd);
	err = o->script ? run_script(d, o->script) : 0;
	/* The script may have changed the MTU. */
	if (fd >= 0) {
		d->mtu_bytes = get_mtu(d, fd);
		close(fd);
	}
	return err;
}

static ssize_t tap_recv(struct netdev *d, struct virtio_net_hdr *hdr, const uint8_t **frame)
{
	struct virtio_net_hdr_mrg_rxbuf header = { 0 };
	struct iovec iov[2] = { { &header, HEADER_BYTES }, { d->in, NETDEV_MAX_FRAME_BYTES } };
	size_t head = d->has_header ? HEADER_BYTES : 0;
	ssize_t n;

	do
		n = readv(d->fd, head ? iov : iov + 1, head ? 2 : 1);
	while ((n < 0 && errno == EINTR) || (n > 0 && (size_t)n <= head));
	if (n <= 0)
		return n ? -errno : -EPIPE;
	*hdr = header.hdr;
	*frame = d->in;
	return n - (ssize_t)head;
}

static int tap_send(struct netdev *d, const struct virtio_net_hdr *hdr, struct iovec *iov,
		    unsigned int nr, size_t bytes)
{
	struct virtio_net_hdr_mrg_rxbuf header = { .hdr = *hdr };
	ssize_t n;

	(void)bytes;
	if (d->has_header) {
		*--iov = (struct iovec){ &header, HEADER_BYTES };
		nr++;
	}
	do
		n = writev(d->fd, iov, (int)nr);
	while (n < 0 && errno == EINTR);
	/* Any other error loses a frame: the interface is down, or the kernel refused the frame. */
	return n < 0 && errno == EAGAIN ? -EAGAIN : 0;
}

const struct netdev_ops tap_ops = {
	.recv = tap_recv,
	.send = tap_send,
	.set_offloads = tap_set_offloads,
	.set_active = tap_set_active,
};
