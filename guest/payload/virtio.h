/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A minimal driver for virtio-mmio (virtio 1.2, 4.2) for the payload's tests.
 *
 * It uses split rings, polls its requests, and accepts only VERSION_1 and the features that a test
 * requests. It uses no interrupts, so it also runs at CPL 3. Memory for the devices comes from a
 * pool after the image, which is never cleared.
 */
#ifndef PAYLOAD_VIRTIO_H
#define PAYLOAD_VIRTIO_H

#include "payload.h"

#include <linux/virtio_ring.h>

#define VIRTIO_GPA 0xd0000000UL /* slot n is at + 4 KiB * n */
#define VIRTIO_SLOTS 64
#define VIRTIO_SLOT_BYTES 4096
#define POOL_GPA 0x800000UL
#define POOL_END 0x2800000UL
#define RING_SIZE 128
#define VIRTIO_QUEUES 2

struct ring {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t avail_idx, used_seen;
};

struct vdev {
	uintptr_t base;
	unsigned int gsi;
	struct ring queue[VIRTIO_QUEUES];
};

/* One piece of a request. */
struct piece {
	void *at;
	uint32_t len;
	bool writable; /* by the device */
};

/* Returns page-aligned memory. Ends the machine with a report if the pool is empty. */
void *pool_get(size_t bytes);
/* Finds the device in @slot. Returns false if there is none. */
bool virtio_at(struct vdev *d, unsigned int slot);
/* Finds the @nth device of type @id. Returns false if there is none. */
bool virtio_find(struct vdev *d, uint32_t id, unsigned int nth);
uint32_t virtio_reg(const struct vdev *d, unsigned int offset);
void virtio_set(const struct vdev *d, unsigned int offset, uint32_t value);
/*
 * Takes the device from reset to DRIVER_OK with @nr_queues queues and those of @features (of the
 * low 32) that it offers. Returns false if it refuses FEATURES_OK.
 */
bool virtio_start(struct vdev *d, unsigned int nr_queues, uint32_t features);
/* Does the same with the emptied rings of virtio_start(). */
bool virtio_restart(struct vdev *d, unsigned int nr_queues, uint32_t features);
/* Makes one chain of @nr pieces available, from descriptor @head on. Does not notify. */
void ring_add(struct ring *r, uint16_t head, const struct piece *p, unsigned int nr);
bool ring_kick(const struct vdev *d, unsigned int queue);
/*
 * Waits at most five seconds for one more used chain. Returns the bytes written to it and sets
 * *head, or returns ~0 if none came.
 */
uint32_t ring_wait(struct ring *r, uint16_t *head);
/* Add, kick, wait: returns the bytes written, or ~0. */
uint32_t ring_request(struct vdev *d, unsigned int queue, const struct piece *p, unsigned int nr);

#endif
