/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the network device from CPL 3: net,N sends N frames of all lengths to a peer that returns
 * each, and compares.
 */
#include "virtio.h"

#define ID_NET 1
#define RX 0
#define TX 1
#define HEADER_BYTES 12
#define MIN_FRAME 60
#define MAX_FRAME 1514
#define BUFFER_BYTES 2048
#define NR_BUFFERS 32

static struct vdev nic;
static uint8_t *rx_buffers, *tx_buffer;

static void offer(uint16_t i)
{
	struct piece p = { rx_buffers + i * BUFFER_BYTES, BUFFER_BYTES, true };

	ring_add(&nic.queue[RX], i, &p, 1);
}

static void fill(uint32_t n, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		tx_buffer[HEADER_BYTES + i] = (uint8_t)(n + i * 3);
	/* broadcast, our address, a type for experiments */
	memset(tx_buffer, 0, HEADER_BYTES);
	memset(tx_buffer + HEADER_BYTES, 0xff, 6);
	memcpy(tx_buffer + HEADER_BYTES + 12, "\x88\xb5", 2);
}

/* Sends a frame and receives it back. */
static bool exchange(uint32_t n, uint32_t len)
{
	struct piece p = { tx_buffer, HEADER_BYTES + len, false };
	const uint8_t *back;
	uint16_t head;
	uint32_t got;

	fill(n, len);
	if (ring_request(&nic, TX, &p, 1) == ~0U) {
		print("frame %u was not sent\n", n);
		return false;
	}
	got = ring_wait(&nic.queue[RX], &head);
	if (got != HEADER_BYTES + len) {
		print("frame %u of %u bytes: %u came back\n", n, len, got);
		return false;
	}
	back = rx_buffers + head * BUFFER_BYTES + HEADER_BYTES;
	if (memcmp(back, tx_buffer + HEADER_BYTES, len)) {
		print("frame %u came back as another\n", n);
		return false;
	}
	offer(head);
	ring_kick(&nic, RX);
	return true;
}

static void net_at_cpl3(uint64_t frames)
{
	uint32_t good = 0;

	check("a network device", virtio_find(&nic, ID_NET, 0));
	check("features are taken", virtio_start(&nic, 2, 0));
	rx_buffers = pool_get(NR_BUFFERS * BUFFER_BYTES);
	tx_buffer = pool_get(BUFFER_BYTES);
	for (uint16_t i = 0; i < NR_BUFFERS; i++)
		offer(i);
	ring_kick(&nic, RX);
	while (good < frames && exchange(good, MIN_FRAME + good * 37 % (MAX_FRAME - MIN_FRAME + 1)))
		good++;
	check_eq("frames there and back", good, frames);
}

void test_net(void)
{
	irq_setup();
	user_pages();
	run_at_cpl3(net_at_cpl3, arg(0, 100));
}
