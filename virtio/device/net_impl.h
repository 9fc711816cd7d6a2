/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files net*.c share; private to them. Under the device's lock but where said. */
#ifndef VIRTIO_DEVICE_NET_IMPL_H
#define VIRTIO_DEVICE_NET_IMPL_H

#include "virtio/net.h"

#define NET_QUEUE_SIZE 256
#define NET_MAX_PIECES 128
#define NET_GUEST_OFFLOADS                                                                         \
	(VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO4) |               \
	 VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO6) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_ECN) |                \
	 VIRTIO_BIT(VIRTIO_NET_F_GUEST_UFO) | VIRTIO_BIT(NET_F_GUEST_USO4) |                       \
	 VIRTIO_BIT(NET_F_GUEST_USO6))

/* One receive queue (2 * i), one transmit queue (2 * i + 1), and what is behind them. */
struct net_pair {
	struct net *net;
	struct netdev *backend;
	/* Calls back when something happens to source, which is the backend's fd. */
	void (*on_backend)(void *pair, uint32_t events);
	struct loop_source source;  /* added when the driver is there */
	bool want_in, want_out;	    /* what it shall be watched for */
	int gone;		    /* -errno: the backend's peer has ended */
	bool closed;		    /* and that was said */
	struct loop_source mistake; /* vhost's, while it is there: see net_vhost.c */
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
	bool vhost_refused;	 /* it was tried in vain */
	struct loop_timer retry; /* of a backend that may return */
	uint8_t mac[ETH_ALEN];	 /* after a reset */
	uint64_t offloads;	 /* VIRTIO_NET_F_GUEST_ bits in use */
	unsigned int nr_pairs, nr_active;
	struct net_pair pair[];
};

/* The control queue's number, which depends on what was negotiated. */
unsigned int net_ctrl_queue(const struct net *n);
/* Serves it. */
void net_ctrl_handle(struct net *n, unsigned int queue);
/* Makes the backends follow n->offloads and n->nr_active. Loop's thread. */
void net_apply(struct net *n);
/* Sends or receives on the data queue @queue of @p, as far as both sides go. Loop's thread. */
void net_move_frames(struct net_pair *p, unsigned int queue);
/* Whether the driver uses pair @index now. */
bool net_is_active(const struct net *n, unsigned int index);
/* Makes the loop watch what is wanted of @p. Loop's thread. */
void net_sync_watch(struct net_pair *p);
/*
 * Forgets the frame that is being handed to the driver, whose chains are lost to it: its ring is
 * gone, ...
 */
void net_forget_frame(struct net_pair *p);
/* ... or has them back, as if nothing had come. */
void net_drop_frame(struct net_pair *p, unsigned int queue);
/*
 * 5.1.6.2.1, for a frame of @bytes that is sent. Returns NULL or what is wrong. Makes *@h what the
 * backend gets to see.
 */
const char *net_check_header(const struct net *n, struct virtio_net_hdr *h, uint64_t bytes);
/* Whether the driver takes a frame with such a header; what it need not know is taken out. */
bool net_driver_takes(const struct net *n, struct virtio_net_hdr *h);
/* Set-up time. */
void net_link_init(struct net *n);
/* Plugs the cable in or pulls it: frames are lost while it is out. Loop's thread, without lock. */
void net_set_link(struct net *n, bool up);
/*
 * Asks the driver to tell its neighbours where it is (5.1.6.5.4), if it can. Loop's thread, without
 * the lock.
 */
void net_announce(struct net *n);
/* @p->gone is set and it was not said yet. Loop's thread, without the lock. */
void net_close_backend(struct net_pair *p);
/*
 * Shows the configuration with the status of the link in it, without an interrupt: for what the
 * driver itself has asked for.
 */
void net_quiet_status(struct net *n);
/*
 * The kernel's worker serves the data queue @queue from now on, if it can. Returns whether it does.
 * Loop's thread.
 */
bool net_vhost_take(struct net *n, unsigned int queue);
/* It does not any more. @resume: we do, from where it has stopped. Nothing when it did not. */
void net_vhost_stop(struct net *n, unsigned int queue, bool resume);
/* The same for all queues. */
void net_vhost_stop_all(struct net *n, bool resume);

#endif
