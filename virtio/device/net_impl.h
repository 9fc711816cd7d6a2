/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files net*.c share; private to them. Locks: the device's, held, unless stated otherwise.
 */
#ifndef VIRTIO_DEVICE_NET_IMPL_H
#define VIRTIO_DEVICE_NET_IMPL_H

#include "virtio/net.h"

#define NET_QUEUE_SIZE 256
/* for the longest chain; a buffer may span two regions */
#define NET_MAX_PIECES (NET_QUEUE_SIZE + GMEM_MAX_REGIONS)
#define NET_GUEST_OFFLOADS                                                                         \
	(VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO4) |               \
	 VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO6) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_ECN) |                \
	 VIRTIO_BIT(VIRTIO_NET_F_GUEST_UFO) | VIRTIO_BIT(NET_F_GUEST_USO4) |                       \
	 VIRTIO_BIT(NET_F_GUEST_USO6))

/* One receive queue (2 * i), one transmit queue (2 * i + 1), and their backend. */
struct net_pair {
	struct net *net;
	struct netdev *backend;
	/* Called back for events of source, the backend's descriptor. */
	void (*on_backend)(void *pair, uint32_t events);
	struct loop_source source;  /* added when a driver runs the device */
	bool want_in, want_out;	    /* the events to watch for */
	int gone;		    /* -errno: the backend's peer has disconnected */
	bool closed;		    /* this has been reported */
	struct loop_source mistake; /* vhost's, while it is used: see net_vhost.c */
	/* The frame that is being passed to the driver, in the backend's memory. NULL: none. */
	const uint8_t *frame;
	size_t frame_bytes, copied_bytes;
	struct virtio_net_hdr hdr;
	/* Its buffers so far: popped, but not yet returned. */
	unsigned int nr_held;
	struct {
		uint16_t head;
		uint32_t written;
	} held[NET_QUEUE_SIZE];
	uint8_t *num_buffers[2]; /* the bytes of that field in the first buffer */
};

struct net {
	struct virtio_device v;
	struct loop *loop;
	bool started; /* the backends use the driver's features */
	bool link_up;
	bool vhost_refused;	 /* vhost was tried and failed */
	struct loop_timer retry; /* for a backend whose peer may return */
	uint8_t mac[ETH_ALEN];	 /* the address after a reset */
	uint64_t offloads;	 /* VIRTIO_NET_F_GUEST_ bits in use */
	unsigned int nr_pairs, nr_active;
	struct net_pair pair[];
};

/* Returns the control queue's number, which depends on the negotiated features. */
unsigned int net_ctrl_queue(const struct net *n);
/* Serves the control queue. */
void net_ctrl_handle(struct net *n, unsigned int queue);
/* Sets the backends up for n->offloads and n->nr_active. Thread: loop. */
void net_apply(struct net *n);
/* Sends or receives on the data queue @queue of @p, as far as both sides can. Thread: loop. */
void net_move_frames(struct net_pair *p, unsigned int queue);
/* Whether the driver uses pair @index now. */
bool net_is_active(const struct net *n, unsigned int index);
/* Makes the loop watch @p for what is wanted. Thread: loop. */
void net_sync_watch(struct net_pair *p);
/*
 * Forgets the frame that is being passed to the driver; its chains are lost because the ring was
 * reset, ...
 */
void net_forget_frame(struct net_pair *p);
/* ... or puts its chains back, as if no frame had arrived. */
void net_drop_frame(struct net_pair *p, unsigned int queue);
/*
 * Checks the header of a frame of @bytes that the driver sends (5.1.6.2.1), and changes *@h to what
 * the backend gets. Returns NULL, or what is wrong.
 */
const char *net_check_header(const struct net *n, struct virtio_net_hdr *h, uint64_t bytes);
/*
 * Whether the driver accepts a frame with such a header; removes from *@h what the driver need not
 * know.
 */
bool net_driver_takes(const struct net *n, struct virtio_net_hdr *h);
/* Thread: setup. */
void net_link_init(struct net *n);
/*
 * Plugs the cable in or pulls it out; frames are lost while it is out. Thread: loop. Locks: not
 * held.
 */
void net_set_link(struct net *n, bool up);
/*
 * Asks the driver to announce itself to its neighbours (5.1.6.5.4), if it can. Thread: loop. Locks:
 * not held.
 */
void net_announce(struct net *n);
/* Closes the backend and reports it, once, after p->gone was set. Thread: loop. Locks: not held. */
void net_close_backend(struct net_pair *p);
/*
 * Updates the link's status in the configuration without an interrupt, after a command of the
 * driver.
 */
void net_quiet_status(struct net *n);
/*
 * Makes the kernel's worker serve the data queue @queue, if it can. Returns whether it does.
 * Thread: loop.
 */
bool net_vhost_take(struct net *n, unsigned int queue);
/*
 * Stops the kernel's worker on @queue, if it serves the queue. @resume: we continue where it
 * stopped.
 */
void net_vhost_stop(struct net *n, unsigned int queue, bool resume);
/* The same for all queues. */
void net_vhost_stop_all(struct net *n, bool resume);

#endif
