/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One /dev/vhost-net: a receive ring (0) and a transmit ring (1) that the host's kernel serves
 * itself. Private to virtio/. All functions are for any thread, one at a time for each struct
 * vhost: the network device's lock.
 */
#ifndef VIRTIO_VHOST_VHOST_H
#define VIRTIO_VHOST_VHOST_H

#include "virtio/virtqueue.h"

#define VHOST_RINGS 2

struct vhost;

/*
 * What vhost_start() lends to the kernel until vhost_stop(), or vhost_user_start() to a process;
 * all of it the caller's.
 */
struct vhost_ring {
	const struct virtqueue *vq; /* started */
	int kick_fd;		    /* eventfd: the driver's notifications */
	int call_fd;		    /* eventfd: interrupts the driver */
	/* the kernel: with headers of 12 bytes in front of its frames */
	int tap_fd;
};

/*
 * Returns 0, or -errno: ENOENT, EACCES ... of the device, ENOTSUP when it lacks what virtio 1.0
 * needs. Says nothing.
 */
int vhost_open(struct vhost **out);
/* Stops both rings. NULL is fine. */
void vhost_close(struct vhost *vh);

/*
 * An eventfd that counts the driver's mistakes: the ring it is about stands still since. Never
 * blocks.
 */
int vhost_error_fd(const struct vhost *vh);

/*
 * Has the kernel serve ring @index, from where @ring->vq stands, for a driver that accepted
 * @features. All rings that run at a time have the same features and guest memory. Returns 0 or
 * -errno.
 */
int vhost_start(struct vhost *vh, unsigned int index, const struct vhost_ring *ring,
		uint64_t features);
bool vhost_runs(const struct vhost *vh, unsigned int index);
/*
 * The kernel touches nothing of ring @index after this returns, nor signals for it. Returns the
 * index in the available ring of what it would have taken next; 0 when it did not run.
 */
uint16_t vhost_stop(struct vhost *vh, unsigned int index);

#endif
