/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a network device's frames go to and come from: a tap interface, passt(1), or a file
 * descriptor from whoever started us. virtio-net sends and receives frames; it knows no interface
 * and no framing.
 *
 * A struct netdev is one queue of it. All functions are for the loop's thread or set-up, one at a
 * time; none of them blocks but netdev_open() (which may run a script).
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

/* Younger than some distributions' headers. */
#define NET_F_GUEST_USO4 54
#define NET_F_GUEST_USO6 55
#define NET_F_HOST_USO 56
#define NET_HDR_GSO_UDP_L4 5

enum netdev_kind { NETDEV_NONE, NETDEV_TAP, NETDEV_FD, NETDEV_PASST };
/* AUTO: where it can be had */
enum netdev_vhost { NETDEV_VHOST_OFF, NETDEV_VHOST_AUTO, NETDEV_VHOST_ON };

struct netdev_options {
	enum netdev_kind kind;
	const char *ifname;			  /* TAP; NULL: the next free tapN */
	const char *script;			  /* TAP: run with the interface's name, or NULL */
	enum netdev_vhost vhost;		  /* TAP */
	int fd;					  /* FD */
	const char *path;			  /* PASST: its socket; NULL: started by us */
	const char *forward[NETDEV_MAX_FORWARDS]; /* PASST: [tcp:|udp:][ADDRESS/]PORT:GUEST_PORT */
	unsigned int nr_forwards;
	unsigned int nr_queues; /* 1 .. NETDEV_MAX_QUEUES; more than one with a TAP only */
	bool has_mac;
	uint8_t mac[ETH_ALEN];
};

struct netdev;
struct vhost;

/*
 * Reads "KIND[,KEY=VALUE]...", a list by optlist.h, as -n has it. @text is cut up, and the strings
 * of @o point into it. Returns 0 or -EINVAL (reported).
 */
int netdev_parse(char *text, struct netdev_options *o);

/*
 * Opens o->nr_queues queues, with no offloads on. Returns 0, or -errno having said why. Not for
 * NETDEV_NONE. Set-up time.
 */
int netdev_open(struct netdev **out, const struct netdev_options *o);

/* NULL is fine. */
void netdev_close(struct netdev *d);

/* For messages, and to tell networks apart: "tap0", "passt", "fd 5". */
const char *netdev_name(const struct netdev *d);

/* To be watched: readable when there are frames, writable when netdev_send() may go on. */
int netdev_fd(const struct netdev *d);

/* What it can do: VIRTIO_NET_F_ bits of checksums and segmentation, both directions. */
uint64_t netdev_offloads(const struct netdev *d);

/* The largest packet that fits into a frame, in bytes, where the host says so; 0: it does not. */
unsigned int netdev_mtu(const struct netdev *d);

/* By which the host's kernel can move the frames itself (virtio/vhost/vhost.h); NULL: not here. */
struct vhost *netdev_vhost(const struct netdev *d);

/*
 * Which of the VIRTIO_NET_F_GUEST_ bits may be used towards the guest from now on. Returns 0 or
 * -errno.
 */
int netdev_set_offloads(struct netdev *d, uint64_t features);

/* Whether the host gives frames to this queue, of several: all do at first. Returns 0 or -errno. */
int netdev_set_active(struct netdev *d, bool active);

/*
 * The next frame: *@frame is the netdev's, until the next call, and at most NETDEV_MAX_FRAME_BYTES.
 * *@hdr is its header, zero where there are no offloads. Returns the frame's bytes, -EAGAIN when
 * there is none, or another -errno when none will ever come.
 */
ssize_t netdev_recv(struct netdev *d, struct virtio_net_hdr *hdr, const uint8_t **frame);

/*
 * Sends the frame @iov[0 .. nr), @bytes in all and at most NETDEV_MAX_FRAME_BYTES. @iov[-1] is the
 * netdev's to use. Returns 0 when the frame is sent or dropped, as networks do; -EAGAIN when it is
 * to be sent again once netdev_fd() is writable.
 */
int netdev_send(struct netdev *d, const struct virtio_net_hdr *hdr, struct iovec *iov,
		unsigned int nr, size_t bytes);

/*
 * A frame that was taken may be half sent: writes the rest of it. Returns false while there is some
 * left; to be called again once netdev_fd() is writable.
 */
bool netdev_flush(struct netdev *d);

/* Its peer is gone: says why, if that is known, once. */
void netdev_say_gone(struct netdev *d, int err);

/* Whether a peer that is gone may be there again some time. */
bool netdev_may_return(const struct netdev *d);
/*
 * Connects to it anew, with nothing left of what was. netdev_fd() is another one then. Returns 0 or
 * -errno, saying nothing.
 */
int netdev_reopen(struct netdev *d);

/* A locally administered address made of @name and @index, always the same for the same ones. */
void netdev_make_mac(uint8_t mac[ETH_ALEN], const char *name, unsigned int index);

#endif
