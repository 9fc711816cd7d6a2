/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the network device with a hostile driver and a hostile peer on a stream socket: any
 * descriptors and headers from one side, any bytes from the other.
 *
 * Whatever they do, the peer gets whole frames of a possible length, chains come back unless the
 * queue is broken, and nothing spins: when both sides are quiet, so is the loop.
 */
#include "virtio_fuzz.h"

#include "kvm/log.h"
#include "virtio/device/net_impl.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MEM_BYTES (2 * MIB)
#define NR 16
#define NR_QUEUES 3
#define RING(q) (0x1000 + (gpa_t)(q)*0x4000)
#define DATA 0x20000
#define MAX_ROUNDS 4000 /* far more turns than the frames in flight can need */

struct machine {
	struct gmem mem;
	struct loop loop;
	struct net *net;
	struct virtio_device *v;
	uint8_t *ram;
	int peer;
	/* Checks the stream that the peer receives. */
	uint8_t head[4];
	unsigned int head_bytes;
	size_t left_bytes;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void peer_reads(struct machine *m)
{
	uint8_t buf[4096];
	ssize_t n = recv(m->peer, buf, sizeof(buf), MSG_DONTWAIT);

	for (ssize_t i = 0; i < n;) {
		size_t some = min_u64(m->left_bytes, (uint64_t)(n - i));

		m->left_bytes -= some;
		i += (ssize_t)some;
		if (i == n)
			break;
		m->head[m->head_bytes++] = buf[i++];
		if (m->head_bytes < 4)
			continue;
		m->head_bytes = 0;
		m->left_bytes =
			(size_t)m->head[0] << 24 | m->head[1] << 16 | m->head[2] << 8 | m->head[3];
		check(m->left_bytes >= 14 && m->left_bytes <= NETDEV_MAX_FRAME_BYTES);
	}
}

static void settle(struct machine *m)
{
	unsigned int rounds = 0;

	while (fuzz_turn(&m->loop)) {
		peer_reads(m);
		check(++rounds < MAX_ROUNDS);
	}
}

static void go_live(struct machine *m, uint64_t features)
{
	virtio_lock(m->v);
	fuzz_negotiate(m->v, features);
	for (unsigned int i = 0; i < NR_QUEUES; i++) {
		fuzz_ring_clear(m->ram, RING(i));
		fuzz_ring_at(m->v, i, RING(i), NR);
	}
	virtio_write_status(m->v, 15);
	virtio_unlock(m->v);
}

/*
 * Offers a chain of one or two descriptors in a driver's form, in queue op[1], with unusual sizes
 * and places.
 */
static void offer(struct machine *m, const uint8_t *op)
{
	static const uint32_t lens[] = { 12, 0, 11, 14, 60, 1526, 4096, 70000 };
	unsigned int queue = op[1] % NR_QUEUES, at = op[1] / NR_QUEUES % (NR / 2) * 2;
	struct vring_desc *desc = (void *)(m->ram + RING(queue));
	struct vring_avail *avail = (void *)(m->ram + RING(queue) + RING_AVAIL);
	uint16_t first = queue == 0 ? VRING_DESC_F_WRITE : 0,
		 second = queue == 1 ? 0 : VRING_DESC_F_WRITE;

	desc[at] = (struct vring_desc){ DATA + op[2] * 16U, lens[op[3] & 7],
					(uint16_t)(first | (op[3] & 8 ? 0 : VRING_DESC_F_NEXT)),
					(uint16_t)(at + 1) };
	desc[at + 1] = (struct vring_desc){ DATA + op[4] * 64U, lens[op[3] >> 5] + (op[5] & 3),
					    second, 0 };
	avail->ring[avail->idx % NR] = (uint16_t)at;
	avail->idx++;
	virtio_kick(m->v, queue);
}

static void peer_sends(struct machine *m, const uint8_t *op)
{
	uint8_t frame[4 + 2048] = { 0, 0, op[2] & 7, op[3] };
	size_t len = (op[2] & 7U) << 8 | op[3];
	ssize_t n;

	memset(frame + 4, op[4], len);
	/*
	 * Sometimes sends half of it, so that the framing is lost, or continues with the next
	 * frame.
	 */
	n = send(m->peer, frame, op[5] > 250 ? len / 2 + 1 : 4 + len, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)n;
}

/* Sends an almost valid command: an existing class and number, the rest from the input. */
static void commands(struct machine *m, const uint8_t *op)
{
	uint8_t *at = m->ram + DATA;
	struct vring_desc *desc = (void *)(m->ram + RING(2));
	struct vring_avail *avail = (void *)(m->ram + RING(2) + 0x1000);

	memset(at, op[4] & 1 ? op[5] : 0, 64);
	at[0] = op[2] % 6;
	at[1] = op[2] / 6 % 3;
	memcpy(at + 2, op + 3, 2);
	desc[0] = (struct vring_desc){ DATA, 1 + op[5] % 40U, VRING_DESC_F_NEXT, 1 };
	desc[1] = (struct vring_desc){ DATA + 64, 1, VRING_DESC_F_WRITE, 0 };
	avail->ring[avail->idx % NR] = 0;
	avail->idx++;
	virtio_kick(m->v, 2);
}

static void step(struct machine *m, const uint8_t *op)
{
	static const gpa_t place[] = { RING(0), RING(1), RING(1) + 0x1000,
				       DATA,	RING(2), RING(0) + 0x1000,
				       DATA,	DATA };

	switch (op[0] & 7) {
	case 0:
		memcpy(m->ram + place[op[0] >> 3 & 7] + op[1] * 2U, op + 2, 4);
		break;
	case 1:
		settle(m);
		break;
	case 2:
		fuzz_turn(&m->loop);
		break;
	case 3:
		if (op[1] & 8)
			net_set_link(m->net, op[1] & 1);
		else if (op[1] & 16)
			net_announce(m->net);
		else if (op[1] & 32)
			commands(m, op);
		else if (!(op[1] & 7))
			go_live(m, op[2] & 1 ? UINT64_MAX : 1ULL << op[2] % 32);
		break;
	case 4:
	case 5:
		peer_sends(m, op);
		break;
	default:
		offer(m, op);
	}
}

static void begin(struct machine *m)
{
	static const uint8_t mac[ETH_ALEN] = { 2 };
	struct netdev_options o = { .kind = NETDEV_FD, .nr_queues = 1 };
	struct netdev *backend;
	int pair[2];

	gmem_init(&m->mem);
	check(!gmem_add(&m->mem, 0, MEM_BYTES, GMEM_NORMAL) && !loop_init(&m->loop));
	m->ram = m->mem.region[0].hva;
	check(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	m->peer = pair[1];
	o.fd = pair[0];
	check(!netdev_open(&backend, &o));
	close(pair[0]); /* the backend keeps a copy */
	check(!net_create(&m->net, &backend, 1, mac, &m->mem, &m->loop));
	m->v = net_virtio(m->net);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine *m = calloc(1, sizeof(*m));
	const struct virtqueue *tx;

	log_set_level(LOG_LEVEL_ERROR);
	check(m != NULL);
	begin(m);
	go_live(m, UINT64_MAX);
	for (size_t i = 0; i + 5 < size && i < 6 * 512; i += 6)
		step(m, data + i);
	virtio_kick(m->v, 1);
	settle(m);
	tx = &m->v->queue[1].vq;
	check((m->v->status & VIRTIO_CONFIG_S_NEEDS_RESET) || tx->used_idx == tx->last_avail_idx);
	/* The peer ends: the loop must be quiet again after a few turns. */
	close(m->peer);
	m->peer = -1;
	for (unsigned int i = 0; i < 40 && fuzz_turn(&m->loop); i++)
		check(i < 39);
	net_destroy(m->net);
	loop_fini(&m->loop);
	gmem_fini(&m->mem);
	free(m);
	return 0;
}
