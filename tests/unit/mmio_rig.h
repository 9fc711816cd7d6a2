/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes a virtio-mmio device and takes a driver's first steps on it, for tests: a bus, a host that
 * records, a ring.
 */
#ifndef MMIO_RIG_H
#define MMIO_RIG_H

#include "unit/virtio_rig.h"

#include "virtio/virtio_mmio.h"

#include <errno.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <unistd.h>

#define MMIO_BASE 0xd0000000
#define S_ACK VIRTIO_CONFIG_S_ACKNOWLEDGE
#define S_DRIVER VIRTIO_CONFIG_S_DRIVER
#define S_FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define S_DRIVER_OK VIRTIO_CONFIG_S_DRIVER_OK
#define S_NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define FEATURE_EVENT_IDX (1U << VIRTIO_RING_F_EVENT_IDX)
#define FEATURE_INDIRECT (1U << VIRTIO_RING_F_INDIRECT_DESC)

struct mmio_rig {
	struct ring_rig ring;
	struct loop loop;
	struct bus bus;
	struct virtio_mmio mmio;
	struct virtio_mmio_host host;
	struct virtio_device *device;
	uint8_t *page;
	/* What the device requested from the host. */
	unsigned int pulses, shows, hides, swallows, routes;
	bool can_show;
	int route_result;
	int irq_fd; /* its answer to such a request */
};

static inline void rig_pulse(void *ctx)
{
	((struct mmio_rig *)ctx)->pulses++;
}

/* Makes every head of ring 0, which is a chain of its own, available again. */
static inline void rig_refill(void *ctx)
{
	struct mmio_rig *r = ctx;

	r->pulses++;
	__atomic_store_n(&r->ring.avail->idx, (uint16_t)(r->ring.used->idx + r->ring.size),
			 __ATOMIC_RELEASE);
}

/* The driver's other vCPU answers every interrupt by a full ring: the device is never done. */
static inline void rig_never_dry(struct mmio_rig *r)
{
	for (uint16_t i = 0; i < r->ring.size; i++)
		r->ring.avail->ring[i] = i;
	r->host.pulse = rig_refill;
	rig_refill(r);
}

static inline int rig_irq_fd(void *ctx)
{
	return ((struct mmio_rig *)ctx)->irq_fd;
}

static inline bool rig_show(void *ctx)
{
	((struct mmio_rig *)ctx)->shows++;
	return ((struct mmio_rig *)ctx)->can_show;
}

static inline void rig_hide(void *ctx, bool hide)
{
	((struct mmio_rig *)ctx)->hides += hide ? 1 : 0x100;
}

static inline int rig_route(void *ctx, unsigned int offset, unsigned int queue, int fd)
{
	struct mmio_rig *r = ctx;

	assert_int_equal(offset, VIRTIO_MMIO_QUEUE_NOTIFY);
	assert_int_equal(fd, r->device->queue[queue].kick_fd);
	r->routes++;
	return r->route_result;
}

static inline int rig_swallow(void *ctx, unsigned int offset, uint32_t value)
{
	struct mmio_rig *r = ctx;

	assert_int_equal(offset, VIRTIO_MMIO_INTERRUPT_ACK);
	assert_int_equal(value, VIRTIO_MMIO_INT_VRING);
	r->swallows++;
	return 0;
}

/* Call it before the device is made. */
static inline void mmio_rig_begin(struct mmio_rig *r)
{
	memset(r, 0, sizeof(*r));
	rig_init(&r->ring);
	assert_int_equal(loop_init(&r->loop), 0);
	assert_int_equal(bus_init(&r->bus, BUS_MMIO), 0);
	r->page = aligned_alloc(VIRTIO_MMIO_BYTES, VIRTIO_MMIO_BYTES);
	memset(r->page, 0, VIRTIO_MMIO_BYTES);
	r->irq_fd = -ENOTSUP;
	r->host = (struct virtio_mmio_host){ .pulse = rig_pulse,
					     .irq_fd = rig_irq_fd,
					     .show_page = rig_show,
					     .hide_page = rig_hide,
					     .route_kicks = rig_route,
					     .swallow = rig_swallow,
					     .ctx = r };
}

static inline void mmio_rig_plug(struct mmio_rig *r, struct virtio_device *device)
{
	r->device = device;
	virtio_mmio_init(&r->mmio, device, &r->host, r->page);
	assert_int_equal(bus_insert(&r->bus, MMIO_BASE, VIRTIO_MMIO_BYTES, &virtio_mmio_bus_ops,
				    &r->mmio, "virtio"),
			 0);
}

/* Call it after the device was destroyed. */
static inline void mmio_rig_end(struct mmio_rig *r)
{
	bus_fini(&r->bus);
	loop_fini(&r->loop);
	rig_fini(&r->ring);
	free(r->page);
}

static inline void wr(struct mmio_rig *r, unsigned int offset, uint32_t value)
{
	bus_write(&r->bus, MMIO_BASE + offset, 4, value);
}

static inline uint32_t rd(struct mmio_rig *r, unsigned int offset)
{
	uint32_t shown;

	memcpy(&shown, r->page + offset, sizeof(shown));
	/* The guest must read the same value both ways. */
	assert_int_equal(bus_read(&r->bus, MMIO_BASE + offset, 4), shown);
	return shown;
}

static inline void negotiate(struct mmio_rig *r, uint32_t low, uint32_t high)
{
	wr(r, VIRTIO_MMIO_STATUS, 0);
	wr(r, VIRTIO_MMIO_STATUS, S_ACK);
	wr(r, VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER);
	wr(r, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	wr(r, VIRTIO_MMIO_DRIVER_FEATURES, low);
	wr(r, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	wr(r, VIRTIO_MMIO_DRIVER_FEATURES, high);
	wr(r, VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER | S_FEATURES_OK);
}

static inline void set_queue(struct mmio_rig *r, unsigned int queue)
{
	wr(r, VIRTIO_MMIO_QUEUE_SEL, queue);
	wr(r, VIRTIO_MMIO_QUEUE_NUM, r->ring.size);
	wr(r, VIRTIO_MMIO_QUEUE_DESC_LOW, RIG_DESC_GPA);
	wr(r, VIRTIO_MMIO_QUEUE_DESC_HIGH, 0);
	wr(r, VIRTIO_MMIO_QUEUE_AVAIL_LOW, RIG_AVAIL_GPA);
	wr(r, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, 0);
	wr(r, VIRTIO_MMIO_QUEUE_USED_LOW, RIG_USED_GPA);
	wr(r, VIRTIO_MMIO_QUEUE_USED_HIGH, 0);
	wr(r, VIRTIO_MMIO_QUEUE_READY, 1);
}

/* Gives a queue a ring of its own, @q, for devices with several; its memory is r->ring's. */
static inline void set_ring_of(struct mmio_rig *r, struct ring_rig *q, unsigned int queue,
			       uint16_t size)
{
	gpa_t base = 0x1000 + queue * 0x4000;

	q->size = size;
	q->desc = gmem_at(&r->ring.mem, base, 0x3000);
	q->avail = (void *)((uint8_t *)q->desc + 0x1000);
	q->used = (void *)((uint8_t *)q->desc + 0x2000);
	memset(q->desc, 0, 0x3000);
	wr(r, VIRTIO_MMIO_QUEUE_SEL, queue);
	wr(r, VIRTIO_MMIO_QUEUE_NUM, q->size);
	wr(r, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)base);
	wr(r, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)base + 0x1000);
	wr(r, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)base + 0x2000);
	wr(r, VIRTIO_MMIO_QUEUE_READY, 1);
	assert_int_equal(rd(r, VIRTIO_MMIO_QUEUE_READY), 1);
}

static inline void set_ring(struct mmio_rig *r, struct ring_rig *q, unsigned int queue)
{
	set_ring_of(r, q, queue, RIG_SIZE);
}

/* Takes the device to DRIVER_OK, with queue 0. */
static inline void go_live(struct mmio_rig *r, uint32_t low)
{
	negotiate(r, low, 1);
	assert_int_equal(rd(r, VIRTIO_MMIO_STATUS), S_ACK | S_DRIVER | S_FEATURES_OK);
	set_queue(r, 0);
	assert_int_equal(rd(r, VIRTIO_MMIO_QUEUE_READY), 1);
	wr(r, VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
	assert_int_equal(rd(r, VIRTIO_MMIO_STATUS), S_ACK | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
}

/* Runs one round of the loop, which handles pending kicks. */
static inline void turn(struct mmio_rig *r)
{
	struct epoll_event ev[16];
	int n = epoll_wait(r->loop.epoll_fd, ev, 16, 0);

	for (int i = 0; i < n; i++) {
		struct loop_source *s = ev[i].data.ptr;

		s->fn(s->ctx, ev[i].events);
	}
}

#endif
