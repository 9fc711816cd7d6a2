/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs the loop, and takes a device through a driver's first steps without a transport, for the
 * targets of virtio devices.
 */
#ifndef TESTS_VIRTIO_FUZZ_H
#define TESTS_VIRTIO_FUZZ_H

#include "kvm/loop.h"
#include "virtio/virtio.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/* A ring of at most 256 descriptors lies in three pages. */
#define RING_AVAIL 0x1000
#define RING_USED 0x2000

static inline void check(bool ok)
{
	if (!ok)
		abort();
}

/* Runs one round of the loop: handles what is ready now. Returns whether there was something. */
static inline bool fuzz_turn(struct loop *loop)
{
	struct epoll_event ev[8];
	int n = epoll_wait(loop->epoll_fd, ev, 8, 0);

	for (int i = 0; i < n; i++) {
		struct loop_source *s = ev[i].data.ptr;

		/* deleted by another callback, see loop_run() */
		if (s->loop && s != &loop->wake)
			s->fn(s->ctx, ev[i].events);
	}
	return n > 0;
}

/*
 * Takes the device from reset to FEATURES_OK, with those of @features that it offers. Locks: the
 * device's, held.
 */
static inline void fuzz_negotiate(struct virtio_device *v, uint64_t features)
{
	virtio_write_status(v, 0);
	virtio_write_status(v, 3);
	virtio_accept(v, 0, virtio_offered(v, 0) & (uint32_t)features);
	virtio_accept(v, 1, 1);
	virtio_write_status(v, 11);
}

/* Puts a queue's ring at @gpa, with the memory's present content. Locks: the device's, held. */
static inline void fuzz_ring_at(struct virtio_device *v, unsigned int queue, gpa_t gpa,
				uint16_t size)
{
	struct virtqueue *vq = virtio_queue_setup(v, queue);

	check(vq != NULL);
	vq->size = size;
	vq->desc_gpa = gpa;
	vq->driver_gpa = gpa + RING_AVAIL;
	vq->device_gpa = gpa + RING_USED;
	virtio_queue_ready(v, queue, true);
}

/* Makes the ring at @gpa one that was never used. */
static inline void fuzz_ring_clear(uint8_t *ram, gpa_t gpa)
{
	memset(ram + gpa + RING_AVAIL, 0, 8);
	memset(ram + gpa + RING_USED, 0, 8);
}

#endif
