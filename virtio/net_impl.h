/* SPDX-License-Identifier: GPL-2.0-only */
/* What net.c and net_ctrl.c share; private to them. All under the device's lock. */
#ifndef NET_IMPL_H
#define NET_IMPL_H

#include "virtio/net.h"

#define NET_QUEUE_SIZE 256
#define NET_MAX_PIECES 128
#define NET_GUEST_OFFLOADS                                                                                   \
	(VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO4) |                         \
	 VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO6) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_ECN) |                          \
	 VIRTIO_BIT(VIRTIO_NET_F_GUEST_UFO) | VIRTIO_BIT(NET_F_GUEST_USO4) | VIRTIO_BIT(NET_F_GUEST_USO6))

/* One receive queue (2 * i), one transmit queue (2 * i + 1), and what is behind them. */
struct net_pair {
	struct net *net;
	struct netdev *backend;
	struct loop_source source; /* the backend's, added when the driver is there */
	bool want_in, want_out;	   /* what it shall be watched for */
	int gone;		   /* -errno: the backend's peer has ended */
	bool closed;		   /* and that was said */
	/* The frame that is being handed to the driver; the backend's memory. NULL: none. */
	const uint8_t *frame;
	size_t frame_bytes, copied_bytes;
	struct virtio_net_hdr hdr;
	/* Its buffers so far: popped, not returned yet. */
	unsigned int nr_held;
	struct {
		uint16_t head;
		uint32_t written;
	} held[NET_QUEUE_SIZE];
	uint8_t *num_buffers[2]; /* that field's bytes in the first one */
};

struct net {
	struct virtio_device v;
	struct loop *loop;
	bool started; /* the driver's features are the backends' */
	bool link_up;
	uint64_t offloads; /* VIRTIO_NET_F_GUEST_ bits in use */
	unsigned int nr_pairs, nr_active;
	struct net_pair pair[];
};

/* The control queue's number, which depends on what was negotiated. */
unsigned int net_ctrl_queue(const struct net *n);
/* Serves it. */
void net_ctrl_handle(struct net *n, unsigned int queue);
/* Makes the backends follow n->offloads and n->nr_active. Loop's thread. */
void net_apply(struct net *n);

#endif
