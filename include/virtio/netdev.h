/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A netdev carries a network device's frames to and from the host: a tap interface, passt(1), or a
 * file descriptor that the parent process passed. virtio-net sends and receives frames; it knows no
 * interface and no framing.
 *
 * A struct netdev is one queue of a network. Thread: loop or setup, one call at a time. No function
 * blocks, except netdev_open(), which may run a script.
 */
#ifndef VIRTIO_NETDEV_H
#define VIRTIO_NETDEV_H

#include "kvm/types.h"

#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <sys/uio.h>

#define NETDEV_MAX_FRAME_BYTES 65550 /* 5.1.6.3.1: 65562 with its header */
#define NETDEV_MAX_QUEUES 8
#define NETDEV_MAX_FORWARDS 16

/* Newer than the headers of some distributions. */
#define NET_F_GUEST_USO4 54
#define NET_F_GUEST_USO6 55
#define NET_F_HOST_USO 56
#define NET_HDR_GSO_UDP_L4 5

enum netdev_kind { NETDEV_NONE, NETDEV_TAP, NETDEV_FD, NETDEV_PASST };
/* AUTO: on if the host has it */
enum netdev_vhost { NETDEV_VHOST_OFF, NETDEV_VHOST_AUTO, NETDEV_VHOST_ON };

struct netdev_options {
	enum netdev_kind kind;
	const char *ifname; /* TAP; NULL: the next free tapN */
	/* TAP: program to run with the interface's name, or NULL */
	const char *script;
	enum netdev_vhost vhost;		  /* TAP */
	int fd;					  /* FD */
	const char *path;			  /* PASST: its socket; NULL: we start passt */
	const char *forward[NETDEV_MAX_FORWARDS]; /* PASST: [tcp:|udp:][ADDRESS/]PORT:GUEST_PORT */
	unsigned int nr_forwards;
	unsigned int nr_queues; /* 1 .. NETDEV_MAX_QUEUES; more than one with a TAP only */
	bool has_mac;
	uint8_t mac[ETH_ALEN];
};

struct netdev;
struct vhost;

/*
 * Reads the value of -n, "KIND[,KEY=VALUE]...", a list as in optlist.h. Cuts @text up; the strings
 * of @o point into it. Returns 0, or -EINVAL (reported).
 */
int netdev_parse(char *text, struct netdev_options *o);

/*
 * Opens o->nr_queues queues, with no offloads on. Not for NETDEV_NONE. Returns 0, or -errno
 * (reported). Thread: setup.
 */
int netdev_open(struct netdev **out, const struct netdev_options *o);

/*
 * Waits until the program that netdev_open() has started is ready for frames. Returns 0, or -errno
 * (reported). Thread: setup.
 */
int netdev_greet(struct netdev *d);

/* NULL is allowed. */
void netdev_close(struct netdev *d);

/* A name for messages, different for each network: "tap0", "passt", "fd 5". */
const char *netdev_name(const struct netdev *d);

/*
 * The descriptor to watch: readable when there are frames, writable when netdev_send() can
 * continue.
 */
int netdev_fd(const struct netdev *d);

/*
 * The offloads that it supports: VIRTIO_NET_F_ bits of checksums and segmentation, both directions.
 */
uint64_t netdev_offloads(const struct netdev *d);

/* The largest packet that fits into a frame, in bytes; 0: the host does not say. */
unsigned int netdev_mtu(const struct netdev *d);

/*
 * The means by which the host's kernel can move the frames itself (virtio/vhost/vhost.h), or NULL.
 */
struct vhost *netdev_vhost(const struct netdev *d);

/*
 * Sets which VIRTIO_NET_F_GUEST_ offloads are used towards the guest from now on. Returns 0 or
 * -errno.
 */
int netdev_set_offloads(struct netdev *d, uint64_t features);

/*
 * Sets whether the host gives frames to this queue (of several); at first all are active. Returns 0
 * or -errno.
 */
int netdev_set_active(struct netdev *d, bool active);

/*
 * Reads the next frame. *@frame stays the netdev's, is valid until the next call, and has at most
 * NETDEV_MAX_FRAME_BYTES. *@hdr is its header, zero if there are no offloads. Returns the frame's
 * bytes, -EAGAIN if there is no frame now, or another -errno if no more frames will arrive.
 */
ssize_t netdev_recv(struct netdev *d, struct virtio_net_hdr *hdr, const uint8_t **frame);

/*
 * Takes the error that netdev_fd() reports. Returns 0 if frames may still arrive: a datagram socket
 * has no end, and its peer may be back with the next frame. Else -errno.
 */
int netdev_take_error(struct netdev *d);

/*
 * Sends the frame @iov[0 .. nr), @bytes in all and at most NETDEV_MAX_FRAME_BYTES. The netdev may
 * use @iov[-1]. Returns 0 when it has sent the frame or dropped it, as networks may; -EAGAIN: send
 * it again when netdev_fd() is writable.
 */
int netdev_send(struct netdev *d, const struct virtio_net_hdr *hdr, struct iovec *iov,
		unsigned int nr, size_t bytes);

/*
 * Writes the rest of a frame that was sent in part. Returns false if some of it is left; call it
 * again when netdev_fd() is writable.
 */
bool netdev_flush(struct netdev *d);

/* Reports once that the peer has disconnected, with the reason if it is known. */
void netdev_say_gone(struct netdev *d, int err);

/* Whether a peer that has disconnected may return. */
bool netdev_may_return(const struct netdev *d);
/*
 * Connects to the peer again and discards all state of the old connection; netdev_fd() changes.
 * Returns 0 or -errno (not reported).
 */
int netdev_reopen(struct netdev *d);

/*
 * Makes a locally administered address from @name and @index; equal arguments give equal addresses.
 */
void netdev_make_mac(uint8_t mac[ETH_ALEN], const char *name, unsigned int index);

#endif
