/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the registers of a virtio-mmio device with a hostile driver: accesses of any width at any
 * offset, mixed with a driver's correct steps.
 *
 * A read's value fits its width, queues that run have checked addresses, and the status never has a
 * bit that the driver did not reach.
 */
#include "virtio_fuzz.h"

#include "kvm/log.h"
#include "virtio/rng.h"
#include "virtio/virtio_mmio.h"

#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>

#define MEM_BYTES (2 * MIB)
#define BASE 0xd0000000

struct machine {
	struct gmem mem;
	struct loop loop;
	struct bus bus;
	struct virtio_device v;
	struct virtio_mmio mmio;
	struct virtio_mmio_host host;
	bool can_show;
	_Alignas(4096) uint8_t page[VIRTIO_MMIO_BYTES];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pulse(void *ctx)
{
	(void)ctx;
}

static bool show_page(void *ctx)
{
	return ((struct machine *)ctx)->can_show;
}

static int swallow(void *ctx, unsigned int offset, uint32_t value)
{
	(void)ctx;
	check(offset == VIRTIO_MMIO_INTERRUPT_ACK && value == VIRTIO_MMIO_INT_VRING);
	return 0;
}

static void check_device(const struct machine *m)
{
	uint8_t status = m->v.status, live = VIRTIO_CONFIG_S_DRIVER_OK;
	const struct virtqueue *vq = &m->v.queue[0].vq;
	uint32_t shown;

	memcpy(&shown, m->page + VIRTIO_MMIO_STATUS, sizeof(shown));
	check(shown == status);
	check(!(status & live) || (status & VIRTIO_CONFIG_S_FEATURES_OK));
	check(!(status & VIRTIO_CONFIG_S_FEATURES_OK) || !(m->v.driver_features & ~m->v.offered));
	if (vq->ready) {
		check(vq->size && vq->size <= vq->max_size && !(vq->size & (vq->size - 1)));
		check(gmem_at(&m->mem, vq->device_gpa, 6 + 8ULL * vq->size) == (void *)vq->used);
	}
}

/* Sets up a queue like a driver, in one step. */
static void bring_up(struct machine *m, uint8_t how)
{
	static const struct {
		uint16_t offset;
		uint32_t value;
	} steps[] = { { VIRTIO_MMIO_STATUS, 0 },
		      { VIRTIO_MMIO_STATUS, 1 },
		      { VIRTIO_MMIO_STATUS, 3 },
		      { VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1 },
		      { VIRTIO_MMIO_DRIVER_FEATURES, 0x101 },
		      { VIRTIO_MMIO_STATUS, 11 },
		      { VIRTIO_MMIO_QUEUE_SEL, 0 },
		      { VIRTIO_MMIO_QUEUE_NUM, 8 },
		      { VIRTIO_MMIO_QUEUE_DESC_LOW, 0x1000 },
		      { VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0x2000 },
		      { VIRTIO_MMIO_QUEUE_USED_LOW, 0x3000 },
		      { VIRTIO_MMIO_QUEUE_READY, 1 },
		      { VIRTIO_MMIO_STATUS, 15 } };

	for (unsigned int i = 0; i < ARRAY_SIZE(steps) && i <= (how & 15U); i++)
		bus_write(&m->bus, BASE + steps[i].offset, 4, steps[i].value);
}

/* Six bytes of input: kind, offset, value. */
static void step(struct machine *m, const uint8_t *op)
{
	unsigned int size = 1U << (op[0] >> 4 & 3);
	uint64_t offset = op[1] * ((op[0] & 8) ? 16U : 4U) + (op[0] >> 6), value;

	memcpy(&value, op + 2, 4);
	value = (uint32_t)value | value << 32;
	switch (op[0] & 7) {
	case 0:
		bring_up(m, op[1]);
		break;
	case 1:
		value = bus_read(&m->bus, BASE + offset, size);
		check(size == 8 || value < 1ULL << (8 * size));
		break;
	case 2:
		memcpy(m->mem.region[0].hva + 0x1000 + op[1] % 96 * 0x80U, &value, 8);
		break;
	case 3:
		fuzz_turn(&m->loop);
		break;
	default:
		bus_write(&m->bus, BASE + offset, size, value);
	}
	check_device(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine *m = aligned_alloc(4096, align_up(sizeof(*m), 4096));

	log_set_level(LOG_LEVEL_ERROR);
	check(m != NULL);
	memset(m, 0, sizeof(*m));
	gmem_init(&m->mem);
	check(!gmem_add(&m->mem, 0, MEM_BYTES, GMEM_NORMAL));
	check(!loop_init(&m->loop) && !bus_init(&m->bus, BUS_MMIO));
	check(!rng_init(&m->v, &m->mem, &m->loop));
	m->can_show = size & 1;
	m->host = (struct virtio_mmio_host){
		.pulse = pulse, .show_page = show_page, .swallow = swallow, .ctx = m
	};
	virtio_mmio_init(&m->mmio, &m->v, &m->host, m->page);
	check(!bus_insert(&m->bus, BASE, VIRTIO_MMIO_BYTES, &virtio_mmio_bus_ops, &m->mmio,
			  "virtio"));
	for (size_t i = 0; i + 5 < size; i += 6)
		step(m, data + i);
	virtio_fini(&m->v);
	bus_fini(&m->bus);
	loop_fini(&m->loop);
	gmem_fini(&m->mem);
	free(m);
	return 0;
}
