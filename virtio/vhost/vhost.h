/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One /dev/vhost-net: a receive ring (0) and a transmit ring (1) that the host's kernel serves
 * itself. Private to virtio/. Thread: any. Locks: the network device's lets one thread at a time
 * use a struct vhost.
 */
#ifndef VIRTIO_VHOST_VHOST_H
#define VIRTIO_VHOST_VHOST_H

#include "virtio/virtqueue.h"

#define VHOST_RINGS 2

struct vhost;

/*
 * What vhost_start() lends to the kernel until vhost_stop(), or vhost_user_start() to a process;
 * all of it stays the caller's.
 */
struct vhost_ring {
	const struct virtqueue *vq; /* started */
	int kick_fd;		    /* eventfd: the driver's notifications */
	int call_fd;		    /* eventfd: interrupts the driver */
	/* for the kernel; its frames have headers of 12 bytes */
	int tap_fd;
};

/*
 * Returns 0, or -errno (not reported): ENOENT, EACCES ... of the device, ENOTSUP if it lacks what
 * virtio 1.0 needs.
 */
int vhost_open(struct vhost **out);
/* Stops both rings. NULL is allowed. */
void vhost_close(struct vhost *vh);

/*
 * Returns an eventfd that counts the driver's mistakes; the ring with the mistake has stopped.
 * Never blocks.
 */
int vhost_error_fd(const struct vhost *vh);

/*
 * Makes the kernel serve ring @index, from the position of @ring->vq, for a driver that accepted
 * @features. All rings that run at the same time have the same features and guest memory. Returns 0
 * or -errno.
 */
int vhost_start(struct vhost *vh, unsigned int index, const struct vhost_ring *ring,
		uint64_t features);
bool vhost_runs(const struct vhost *vh, unsigned int index);
/*
 * Stops ring @index, which runs: the kernel does not touch the ring, or signal for it, after this
 * returns. Stores in *@next the index in the available ring of the next chain to take. Returns 0,
 * or -errno if the kernel refused: then neither ring runs any more, and *@next is not known.
 */
int vhost_stop(struct vhost *vh, unsigned int index, uint16_t *next);

#endif
