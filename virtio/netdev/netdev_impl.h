/* SPDX-License-Identifier: GPL-2.0-only */
/* What netdev.c and its backends share; private to them. */
#ifndef VIRTIO_NETDEV_NETDEV_IMPL_H
#define VIRTIO_NETDEV_NETDEV_IMPL_H

#include "virtio/netdev.h"

#include <sys/types.h>

#define NETDEV_BIT(n) (1ULL << (n))

struct netdev_ops {
	/* As netdev_recv(), with d->in there. */
	ssize_t (*recv)(struct netdev *d, struct virtio_net_hdr *hdr, const uint8_t **frame);
	/* As netdev_send(). */
	int (*send)(struct netdev *d, const struct virtio_net_hdr *hdr, struct iovec *iov,
		    unsigned int nr, size_t bytes);
	/* NULL: none. */
	bool (*flush)(struct netdev *d);
	int (*set_offloads)(struct netdev *d, uint64_t features);
	int (*set_active)(struct netdev *d, bool active);
};

/* What @in holds at most: a frame and its length word. */
#define NETDEV_IN_BYTES (4 + NETDEV_MAX_FRAME_BYTES)

struct netdev {
	const struct netdev_ops *ops;
	int fd; /* owned */
	char name[24];
	unsigned int mtu_bytes; /* 0: unknown */
	struct vhost *vhost;	/* TAP: NULL when it is not used */
	/* PASST: its socket, when it was started by somebody else; the options' */
	const char *path;
	uint64_t offloads; /* what it can do */
	uint64_t enabled;  /* what netdev_set_offloads() has set */
	bool inactive;	   /* by netdev_set_active() */
	bool datagrams;	   /* a socket that keeps messages apart, and has no end */
	bool has_header;   /* TAP: each frame has a struct virtio_net_hdr_mrg_rxbuf in front */
	uint8_t *in;	   /* made when first needed */
	/*
	 * Streams: what was read and not taken yet, in[at, have); what is to be written before the
	 * next frame.
	 */
	size_t in_at, in_have;
	uint8_t *out;
	size_t out_at, out_have;
	pid_t pid; /* passt, when we started it; 0: none */
};

extern const struct netdev_ops tap_ops, stream_ops, packet_ops;

/* Each sets d->fd, ops, name and offloads, or returns -errno having said why. */
int tap_open(struct netdev *d, const struct netdev_options *o, const char *ifname);
/* d->fd is a tap's. Returns 0 or -errno. */
int tap_adopt(struct netdev *d);
/* After the first queue was opened. Returns 0 or -errno having said why. */
int tap_up(struct netdev *d, const struct netdev_options *o);
int passt_open(struct netdev *d, const struct netdev_options *o);
/* Connects to d->path: sets d->fd or returns -errno, saying nothing. */
int passt_connect(struct netdev *d);

/*
 * Starts @argv[0], from PATH, with the fd @keep (-1: none) left open, default signals, and nothing
 * to read. Returns 0 or -errno.
 */
int netdev_spawn(pid_t *pid, char *const *argv, int keep);

#endif
