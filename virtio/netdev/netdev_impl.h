/* SPDX-License-Identifier: GPL-2.0-only */
/* What netdev.c and its backends share; private to them. */
#ifndef VIRTIO_NETDEV_NETDEV_IMPL_H
#define VIRTIO_NETDEV_NETDEV_IMPL_H

#include "virtio/netdev.h"

#include <sys/types.h>

#define NETDEV_BIT(n) (1ULL << (n))

struct netdev_ops {
	/* Like netdev_recv(); d->in is allocated. */
	ssize_t (*recv)(struct netdev *d, struct virtio_net_hdr *hdr, const uint8_t **frame);
	/* Like netdev_send(). */
	int (*send)(struct netdev *d, const struct virtio_net_hdr *hdr, struct iovec *iov,
		    unsigned int nr, size_t bytes);
	/* Like netdev_flush(). NULL: never needed. */
	bool (*flush)(struct netdev *d);
	int (*set_offloads)(struct netdev *d, uint64_t features);
	int (*set_active)(struct netdev *d, bool active);
};

/* The most that @in holds: a frame and its length word. */
#define NETDEV_IN_BYTES (4 + NETDEV_MAX_FRAME_BYTES)

struct netdev {
	const struct netdev_ops *ops;
	int fd; /* owned */
	char name[24];
	unsigned int mtu_bytes; /* 0: unknown */
	struct vhost *vhost;	/* TAP; NULL: not used */
	/* PASST: the path of its socket, if we did not start it; points into the options */
	const char *path;
	uint64_t offloads; /* the offloads that it supports */
	uint64_t enabled;  /* what netdev_set_offloads() has set */
	bool inactive;	   /* set by netdev_set_active() */
	bool datagrams;	   /* a socket that preserves message boundaries and has no end */
	bool has_header;   /* TAP: each frame has a struct virtio_net_hdr_mrg_rxbuf in front */
	uint8_t *in;	   /* allocated when first needed */
	/*
	 * Streams: in[at, have) was read and not taken yet; @out is to be written before the next
	 * frame.
	 */
	size_t in_at, in_have;
	uint8_t *out;
	size_t out_at, out_have;
	pid_t pid; /* passt, if we started it; 0: none */
};

extern const struct netdev_ops tap_ops, stream_ops, packet_ops;

/* Each function sets d->fd, ops, name and offloads. Returns 0, or -errno (reported). */
int tap_open(struct netdev *d, const struct netdev_options *o, const char *ifname);
/* Uses d->fd if it is a tap interface's. Returns 0 or -errno. */
int tap_adopt(struct netdev *d);
/* Sets the interface up after all queues are open. Returns 0, or -errno (reported). */
int tap_up(struct netdev *d, const struct netdev_options *o);
int passt_open(struct netdev *d, const struct netdev_options *o);
/* Waits until the passt that we started reads its socket. Returns 0, or -errno (reported). */
int passt_greet(struct netdev *d);
/* Connects to d->path and sets d->fd. Returns 0 or -errno (not reported). */
int passt_connect(struct netdev *d);

/*
 * Starts @argv[0], from PATH, with default signals, an empty stdin, and the descriptor @keep (-1:
 * none) left open. Returns 0 or -errno.
 */
int netdev_spawn(pid_t *pid, char *const *argv, int keep);

#endif
