/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver of virtio.h.
 *
 * Its barriers affect only the compiler: this processor keeps stores in order, and a kick is an
 * exit.
 */
#include "virtio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#define MAGIC 0x74726976
#define WAIT_MS 5000

static uintptr_t pool_at = POOL_GPA;

static void barrier(void)
{
	asm volatile("mfence" ::: "memory");
}

void *pool_get(size_t bytes)
{
	uintptr_t at = pool_at;

	pool_at += (bytes + 4095) & ~4095UL;
	if (pool_at > POOL_END) {
		print("not ok: the pool is empty\n");
		power_off();
	}
	return (void *)at;
}

uint32_t virtio_reg(const struct vdev *d, unsigned int offset)
{
	return read32(d->base + offset);
}

void virtio_set(const struct vdev *d, unsigned int offset, uint32_t value)
{
	write32(d->base + offset, value);
}

bool virtio_at(struct vdev *d, unsigned int slot)
{
	static const uint8_t lines[] = { 16, 17, 18, 19, 20, 21, 22, 23, 5, 10, 11 };

	d->base = VIRTIO_GPA + slot * VIRTIO_SLOT_BYTES;
	d->gsi = lines[slot % ARRAY_SIZE(lines)];
	return virtio_reg(d, VIRTIO_MMIO_MAGIC_VALUE) == MAGIC;
}

bool virtio_find(struct vdev *d, uint32_t id, unsigned int nth)
{
	for (unsigned int slot = 0; slot < VIRTIO_SLOTS && virtio_at(d, slot); slot++) {
		if (virtio_reg(d, VIRTIO_MMIO_DEVICE_ID) == id && !nth--)
			return true;
	}
	return false;
}

static void set_address(const struct vdev *d, unsigned int low, const void *at)
{
	virtio_set(d, low, (uint32_t)(uintptr_t)at);
	virtio_set(d, low + 4, 0);
}

static void start_queue(struct vdev *d, unsigned int index)
{
	struct ring *r = &d->queue[index];

	r->avail = (void *)(r->desc + RING_SIZE);
	r->used = (void *)((uint8_t *)r->avail + 512);
	r->avail_idx = r->used_seen = 0;
	memset(r->desc, 0, 4096);
	virtio_set(d, VIRTIO_MMIO_QUEUE_SEL, index);
	virtio_set(d, VIRTIO_MMIO_QUEUE_NUM, RING_SIZE);
	set_address(d, VIRTIO_MMIO_QUEUE_DESC_LOW, r->desc);
	set_address(d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, r->avail);
	set_address(d, VIRTIO_MMIO_QUEUE_USED_LOW, r->used);
	virtio_set(d, VIRTIO_MMIO_QUEUE_READY, 1);
}

bool virtio_restart(struct vdev *d, unsigned int nr_queues, uint32_t features)
{
	uint32_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	virtio_set(d, VIRTIO_MMIO_STATUS, 0);
	virtio_set(d, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	virtio_set(d, VIRTIO_MMIO_STATUS, status);
	virtio_set(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	virtio_set(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	virtio_set(d, VIRTIO_MMIO_DRIVER_FEATURES,
		   features & virtio_reg(d, VIRTIO_MMIO_DEVICE_FEATURES));
	virtio_set(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	virtio_set(d, VIRTIO_MMIO_DRIVER_FEATURES, 1U << (VIRTIO_F_VERSION_1 - 32));
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	virtio_set(d, VIRTIO_MMIO_STATUS, status);
	if (virtio_reg(d, VIRTIO_MMIO_STATUS) != status)
		return false;
	for (unsigned int i = 0; i < nr_queues; i++)
		start_queue(d, i);
	virtio_set(d, VIRTIO_MMIO_STATUS, status | VIRTIO_CONFIG_S_DRIVER_OK);
	return true;
}

bool virtio_start(struct vdev *d, unsigned int nr_queues, uint32_t features)
{
	for (unsigned int i = 0; i < nr_queues; i++)
		d->queue[i].desc = pool_get(4096);
	return virtio_restart(d, nr_queues, features);
}

void ring_add(struct ring *r, uint16_t head, const struct piece *p, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		bool last = i + 1 == nr;

		r->desc[head + i] = (struct vring_desc){
			.addr = (uintptr_t)p[i].at,
			.len = p[i].len,
			.flags = (p[i].writable ? VRING_DESC_F_WRITE : 0) |
				 (last ? 0 : VRING_DESC_F_NEXT),
			.next = (uint16_t)(head + i + 1),
		};
	}
	r->avail->ring[r->avail_idx % RING_SIZE] = head;
	barrier();
	*(volatile uint16_t *)&r->avail->idx = ++r->avail_idx;
	barrier();
}

bool ring_kick(const struct vdev *d, unsigned int queue)
{
	if (*(volatile uint16_t *)&d->queue[queue].used->flags & VRING_USED_F_NO_NOTIFY)
		return false;
	virtio_set(d, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
	return true;
}

uint32_t ring_wait(struct ring *r, uint16_t *head)
{
	const struct vring_used_elem *elem = &r->used->ring[r->used_seen % RING_SIZE];
	uint64_t end = rdtsc() + tsc_khz() * WAIT_MS;

	while (*(volatile uint16_t *)&r->used->idx == r->used_seen) {
		if (rdtsc() > end)
			return ~0U;
		asm volatile("pause" ::: "memory");
	}
	barrier();
	r->used_seen++;
	if (head)
		*head = (uint16_t)elem->id;
	return elem->len;
}

uint32_t ring_request(struct vdev *d, unsigned int queue, const struct piece *p, unsigned int nr)
{
	ring_add(&d->queue[queue], 0, p, nr);
	ring_kick(d, queue);
	return ring_wait(&d->queue[queue], NULL);
}
