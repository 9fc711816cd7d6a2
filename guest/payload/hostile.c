/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A hostile driver at CPL 3 that attacks every virtio device: hostile,SEED,SECONDS.
 *
 * It makes random register accesses, rings and descriptors; now and then it sets up a device
 * correctly, so that the rest gets further. The same seed repeats the same actions until a device
 * answers differently.
 *
 * It protects only itself: the memory that it lets a device write is in the pool, at the end of
 * memory, or outside of it. At the end it prints how much it has done.
 */
#include "virtio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

static uint64_t state;
static struct vdev victims[VIRTIO_SLOTS];
static unsigned int nr_victims;

static uint64_t chance(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dULL >> 8;
}

static uint64_t below(uint64_t n)
{
	return chance() % n;
}

static uint64_t any_address(void)
{
	switch (below(16)) {
	case 0:
		return VIRTIO_GPA + below(VIRTIO_SLOTS * VIRTIO_SLOT_BYTES);
	case 1:
		return 0x4000000 - below(8192); /* near the end with -m 64M */
	case 2:
		return chance() << 8 | 1ULL << 63;
	case 3:
		return UINT64_MAX - below(4096);
	default:
		return POOL_GPA +
		       (below(POOL_END - POOL_GPA - 0x20000) & (below(2) ? ~15ULL : ~0ULL));
	}
}

static uint32_t any_length(void)
{
	switch (below(6)) {
	case 0:
		return (uint32_t)chance();
	case 1:
		return 0;
	case 2:
		return 16 * (uint32_t)below(40);
	case 3:
		return 1 + (uint32_t)below(16);
	default:
		return 512 * (uint32_t)(1 + below(64));
	}
}

static uint32_t any_value(void)
{
	switch (below(5)) {
	case 0:
		return (uint32_t)chance();
	case 1:
		return (uint32_t)any_address();
	case 2:
		return 1U << below(32);
	default:
		return (uint32_t)below(17);
	}
}

static void write_register(const struct vdev *d)
{
	unsigned int offset = (unsigned int)below(0x140) & ~(below(8) ? 3U : 0U);
	uintptr_t at = d->base + offset;
	uint32_t value = any_value();

	/* A queue inside the payload would destroy the payload itself. */
	if (offset >= VIRTIO_MMIO_QUEUE_DESC_LOW && offset <= VIRTIO_MMIO_QUEUE_USED_HIGH)
		value = offset % 8 ? (uint32_t)(below(2) ? 0 : chance())
				   : POOL_GPA + below(0x1000000);
	switch (below(10)) {
	case 0:
		asm volatile("movb %b0, (%1)" ::"q"(value), "r"(at) : "memory");
		break;
	case 1:
		asm volatile("movw %w0, (%1)" ::"r"(value), "r"(at) : "memory");
		break;
	case 2:
		asm volatile("movq %q0, (%1)" ::"r"((uint64_t)value), "r"(at) : "memory");
		break;
	default:
		write32(at, value);
	}
}

static void read_register(const struct vdev *d)
{
	uintptr_t at = d->base + below(VIRTIO_SLOT_BYTES - 8);

	if (below(2))
		read32(at);
	else
		read64(at);
}

static void any_descriptor(struct ring *r)
{
	struct vring_desc *t = r->desc;

	if (!below(4)) /* where an indirect table may be */
		t = (void *)(POOL_GPA + 16 * below(4096));
	t[below(RING_SIZE)] =
		(struct vring_desc){ .addr = any_address(),
				     .len = any_length(),
				     .flags = (uint16_t)below(below(20) ? 8 : 0x10000),
				     .next = (uint16_t)below(below(20) ? RING_SIZE : 0x10000) };
}

/* In the form of a block request: header, data, status; with valid and invalid types. */
static void likely_request(struct ring *r)
{
	uint16_t head = (uint16_t)below(RING_SIZE - 3);
	uint32_t *header = (void *)(POOL_GPA + 0x1800000 + 64 * below(4096));
	struct piece p[] = { { header, 16, false },
			     { (void *)any_address(), any_length(), below(2) },
			     { header + 8, 1, true } };

	header[0] = (uint32_t)below(below(8) ? 14 : 0x100000000ULL);
	header[2] = (uint32_t)below(below(8) ? 4096 : 0x100000000ULL);
	header[3] = below(8) ? 0 : (uint32_t)chance();
	ring_add(r, head, p, 3);
}

static void advance(struct ring *r)
{
	r->avail->ring[r->avail_idx % RING_SIZE] = (uint16_t)below(below(20) ? RING_SIZE : 0x10000);
	r->avail_idx += below(50) ? 1 : (uint16_t)chance();
	*(volatile uint16_t *)&r->avail->idx = r->avail_idx;
	r->avail->flags = (uint16_t)below(2);
}

static void one_attack(void)
{
	struct vdev *d = &victims[below(nr_victims)];
	unsigned int queue = (unsigned int)below(VIRTIO_QUEUES);
	struct ring *r = &d->queue[queue];

	switch (below(16)) {
	case 0:
		read_register(d);
		break;
	case 1:
		if (!below(8))
			write_register(d);
		break;
	case 2:
		if (!below(8) || virtio_reg(d, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET)
			virtio_restart(d, VIRTIO_QUEUES, (uint32_t)chance());
		break;
	case 3 ... 6:
		any_descriptor(r);
		break;
	case 7 ... 9:
		advance(r);
		break;
	case 10 ... 12:
		likely_request(r);
		break;
	default:
		virtio_set(d, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
	}
}

static void hostile_at_cpl3(uint64_t seconds)
{
	uint64_t end = rdtsc() + tsc_khz() * 1000 * seconds, n = 0;

	for (nr_victims = 0; nr_victims < VIRTIO_SLOTS; nr_victims++) {
		struct vdev *d = &victims[nr_victims];

		if (!virtio_at(d, nr_victims))
			break;
		virtio_start(d, VIRTIO_QUEUES, (uint32_t)chance());
	}
	for (; rdtsc() < end; n++)
		one_attack();
	print("\nhostile: %u devices, %llu attacks\n", nr_victims, (unsigned long long)n);
}

void test_hostile(void)
{
	state = arg(0, 1) * 0x9e3779b97f4a7c15ULL + 1;
	irq_setup();
	user_pages();
	run_at_cpl3(hostile_at_cpl3, arg(1, 1));
}
