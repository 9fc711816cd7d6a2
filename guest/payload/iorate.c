/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Measures the devices' throughput from CPL 3, without interrupts.
 *
 *	blkrate,DEPTH,BYTES,MS	reads the disk from start to end, again and again, with DEPTH
 *				requests of BYTES in flight
 *	netrate,BYTES,MS	sends frames of BYTES
 *
 * Each prints how many it did, in how many TSC ticks, and with how many kicks. The kicks are its
 * only exits.
 */
#include "virtio.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_mmio.h>

#define ID_NET 1
#define ID_BLOCK 2
#define SECTOR 512
#define LINGER_US 20000 /* the test samples the launcher's CPU time now */
#define NET_HEADER_BYTES 12
#define NET_TX 1
#define MAX_BLK_DEPTH (RING_SIZE / 3)
#define MAX_NET_DEPTH (RING_SIZE / 2)

static struct vdev dev;
static struct virtio_blk_outhdr *headers;
static uint8_t *statuses, *buffers;
static uint64_t next_sector, kicks;

static void add_read(uint16_t i)
{
	uint64_t sectors = read64(dev.base + VIRTIO_MMIO_CONFIG), bytes = arg(1, 4096);
	struct piece p[] = { { headers + i, sizeof(*headers), false },
			     { buffers + i * bytes, (uint32_t)bytes, true },
			     { statuses + i, 1, true } };

	headers[i] = (struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_IN, .sector = next_sector };
	next_sector += bytes / SECTOR;
	if (next_sector + bytes / SECTOR > sectors)
		next_sector = 0;
	ring_add(&dev.queue[0], (uint16_t)(3 * i), p, 3);
}

/* Refills the returned requests with one kick for all. Returns their number. */
static uint32_t refill(unsigned int queue, void (*add)(uint16_t i), unsigned int pieces)
{
	struct ring *r = &dev.queue[queue];
	uint16_t head;
	uint32_t n = 0;

	do {
		if (ring_wait(r, &head) == ~0U)
			return 0;
		add((uint16_t)(head / pieces));
		n++;
	} while (*(volatile uint16_t *)&r->used->idx != r->used_seen);
	kicks += ring_kick(&dev, queue);
	return n;
}

static void run_for(const char *what, unsigned int queue, void (*add)(uint16_t i),
		    unsigned int pieces, unsigned int depth, uint64_t ms)
{
	uint64_t begin, end, n = 0, more = 1;

	dev.queue[queue].avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	for (uint16_t i = 0; i < depth; i++)
		add(i);
	ring_kick(&dev, queue);
	print("rate begins\n");
	begin = rdtsc();
	end = begin + tsc_khz() * ms;
	while (more && rdtsc() < end) {
		more = refill(queue, add, pieces);
		n += more;
	}
	end = rdtsc();
	print("rate %s: %llu in %llu at %llu khz, %llu kicks\n", what, (unsigned long long)n,
	      (unsigned long long)(end - begin), (unsigned long long)tsc_khz(),
	      (unsigned long long)kicks);
	delay_us(LINGER_US);
	check("none was lost", more);
}

static void blk_rate(uint64_t depth)
{
	bool good = virtio_find(&dev, ID_BLOCK, 0) && virtio_start(&dev, 1, 0) &&
		    depth <= MAX_BLK_DEPTH;

	check("a disk", good);
	if (!good)
		return;
	headers = pool_get(depth * sizeof(*headers));
	statuses = pool_get(depth);
	buffers = pool_get(depth * arg(1, 4096));
	run_for("reads", 0, add_read, 3, (unsigned int)depth, arg(2, 100));
	for (uint64_t i = 0; i < depth; i++) {
		if (statuses[i])
			check_eq("status", statuses[i], 0);
	}
}

static void add_frame(uint16_t i)
{
	struct piece p = { buffers, NET_HEADER_BYTES + (uint32_t)arg(0, 60), false };

	ring_add(&dev.queue[NET_TX], i, &p, 1);
}

static void net_rate(uint64_t ms)
{
	bool good = virtio_find(&dev, ID_NET, 0) && virtio_start(&dev, 2, 0);

	check("a network device", good);
	if (!good)
		return;
	buffers = pool_get(65536);
	memset(buffers, 0, NET_HEADER_BYTES);
	memset(buffers + NET_HEADER_BYTES, 0xff, arg(0, 60));
	run_for("frames", NET_TX, add_frame, 1, MAX_NET_DEPTH, ms);
}

void test_blk_rate(void)
{
	irq_setup();
	user_pages();
	run_at_cpl3(blk_rate, arg(0, 1));
}

void test_net_rate(void)
{
	irq_setup();
	user_pages();
	run_at_cpl3(net_rate, arg(1, 100));
}
