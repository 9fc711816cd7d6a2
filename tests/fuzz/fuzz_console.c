/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the console device with a hostile driver and a hostile peer: any descriptors, chains and
 * control messages from one side, bytes and hang-ups from the other.
 *
 * The first byte chooses the device: two ports, on a socket and on nothing, or a console on a
 * socket that it shares with a serial port. Whatever they do:
 *
 * - chains come back, unless the queue is broken or no peer takes their bytes;
 * - the peer gets no byte that was not sent;
 * - nothing spins: when both sides are quiet, so is the loop.
 */
#include "virtio_fuzz.h"

#include "kvm/log.h"
#include "virtio/console.h"

#include <linux/virtio_console.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MEM_BYTES (2 * MIB)
#define NR 16
#define MAX_QUEUES 6
#define RING(q) (0x1000 + (gpa_t)(q)*0x4000)
#define DATA 0x20000
#define MAX_TURNS 20000 /* far more turns than the bytes in flight can need */

struct machine {
	struct gmem mem;
	struct loop loop;
	struct console *console;
	struct virtio_device *v;
	struct chardev *cd[2];
	struct sockaddr_un addr;
	uint8_t *ram;
	int peer;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void peer_reads(struct machine *m)
{
	uint8_t buf[65536];

	while (m->peer >= 0 && recv(m->peer, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		continue;
}

static void settle(struct machine *m)
{
	unsigned int turns = 0;

	while (fuzz_turn(&m->loop)) {
		peer_reads(m);
		check(++turns < MAX_TURNS);
	}
}

static void go_live(struct machine *m, uint64_t features)
{
	virtio_lock(m->v);
	fuzz_negotiate(m->v, features);
	for (unsigned int i = 0; i < m->v->nr_queues; i++) {
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
	static const uint32_t lens[] = { 8, 0, 7, 72, 1, 4096, 70000, 300000 };
	unsigned int queue = op[1] % m->v->nr_queues, at = op[1] / MAX_QUEUES % (NR / 2) * 2;
	struct vring_desc *desc = (void *)(m->ram + RING(queue));
	struct vring_avail *avail = (void *)(m->ram + RING(queue) + RING_AVAIL);
	uint16_t flags = queue % 2 ? 0 : VRING_DESC_F_WRITE;

	desc[at] = (struct vring_desc){ DATA + op[2] * 16U, lens[op[3] & 7],
					(uint16_t)(flags | (op[3] & 8 ? 0 : VRING_DESC_F_NEXT)),
					(uint16_t)(at + 1) };
	desc[at + 1] = (struct vring_desc){ DATA + op[4] * 64U, lens[op[3] >> 5],
					    op[5] & 1 ? VRING_DESC_F_WRITE : flags, 0 };
	avail->ring[avail->idx % NR] = (uint16_t)at;
	avail->idx++;
	virtio_kick(m->v, queue);
}

/* Sends a control message. */
static void say(struct machine *m, const uint8_t *op)
{
	struct virtio_console_control c = { op[2] & 3, op[3] & 7, op[4] & 1 };
	uint8_t chain[6] = { 0, 3, op[5], 8, 0, 0 };

	memcpy(m->ram + DATA + op[5] * 16U, &c, sizeof(c));
	offer(m, chain);
}

static void peer_acts(struct machine *m, const uint8_t *op)
{
	uint8_t buf[8192];
	ssize_t n;

	if (m->peer < 0) {
		m->peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		check(m->peer >= 0);
		if (!connect(m->peer, (struct sockaddr *)&m->addr, sizeof(m->addr)))
			return;
	}
	/* Also while the device has not yet seen the disconnection of earlier clients. */
	if (op[2] < 16) {
		close(m->peer);
		m->peer = -1;
		return;
	}
	memset(buf, op[3], sizeof(buf));
	n = send(m->peer, buf, (op[4] << 8 | op[5]) % sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)n;
}

static void step(struct machine *m, const uint8_t *op)
{
	switch (op[0] & 7) {
	case 0:
		memcpy(m->ram + RING(op[1] % MAX_QUEUES) + (op[0] >> 3 & 1) * 0x1000 +
			       (op[1] >> 3) * 2U,
		       op + 2, 4);
		break;
	case 1:
		settle(m);
		break;
	case 2:
		fuzz_turn(&m->loop);
		break;
	case 3:
		if (!(op[1] & 7))
			go_live(m, op[2] & 1 ? UINT64_MAX : 1ULL << op[2] % 32);
		else if (op[1] & 8)
			virtio_kick(m->v, op[2] % m->v->nr_queues);
		break;
	case 4:
		peer_acts(m, op);
		break;
	case 5:
		say(m, op);
		break;
	default:
		offer(m, op);
	}
}

static size_t serial_room(void *ctx)
{
	(void)ctx;
	return 16;
}

static void serial_receive(void *ctx, const uint8_t *bytes, size_t len)
{
	(void)ctx;
	(void)bytes;
	check(len <= 16);
}

static void begin(struct machine *m, bool ports)
{
	struct console_port_options port[2] = { { .name = "data" }, { .name = "nothing" } };
	struct chardev_client serial = { .rx_room = serial_room, .receive = serial_receive };
	char spec[80];

	gmem_init(&m->mem);
	check(!gmem_add(&m->mem, 0, MEM_BYTES, GMEM_NORMAL) && !loop_init(&m->loop));
	m->ram = m->mem.region[0].hva;
	m->peer = -1;
	m->addr.sun_family = AF_UNIX;
	snprintf(m->addr.sun_path, sizeof(m->addr.sun_path), "/tmp/fuzz_console.%d", getpid());
	snprintf(spec, sizeof(spec), "unix:%s", m->addr.sun_path);
	check(!chardev_open(&m->cd[0], &m->loop, spec, NULL) &&
	      !chardev_open(&m->cd[1], &m->loop, "null", NULL));
	port[0].chardev = m->cd[0];
	port[1].chardev = m->cd[1];
	if (ports) {
		check(!console_create_ports(&m->console, port, 2, &m->mem, &m->loop));
	} else {
		chardev_set_client(m->cd[0], &serial);
		check(!console_create(&m->console, m->cd[0], &m->mem, &m->loop));
	}
	m->v = console_virtio(m->console);
	check(!chardev_start(m->cd[0]) && !chardev_start(m->cd[1]));
}

static void end(struct machine *m)
{
	console_drain(m->console, 0);
	console_destroy(m->console);
	chardev_close(m->cd[0]);
	chardev_close(m->cd[1]);
	if (m->peer >= 0)
		close(m->peer);
	loop_fini(&m->loop);
	gmem_fini(&m->mem);
	free(m);
}

static bool nothing_is_held_up(const struct machine *m)
{
	const struct virtqueue *tx = &m->v->queue[m->v->nr_queues - 1].vq;

	return (m->v->status & VIRTIO_CONFIG_S_NEEDS_RESET) || tx->used_idx == tx->last_avail_idx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine *m = calloc(1, sizeof(*m));

	log_set_level(LOG_LEVEL_ERROR);
	signal(SIGPIPE, SIG_IGN);
	check(m != NULL);
	begin(m, !size || data[0] & 1);
	go_live(m, UINT64_MAX);
	for (size_t i = 1; i + 5 < size && i < 6 * 512; i += 6)
		step(m, data + i);
	/* Nothing may block a port on nothing, or a console without a client. */
	if (m->peer >= 0)
		close(m->peer);
	m->peer = -1;
	settle(m);
	for (unsigned int i = 0; i < 100 && !nothing_is_held_up(m); i++) {
		struct pollfd due = { .fd = m->loop.epoll_fd, .events = POLLIN };

		poll(&due, 1, 10); /* a chardev's timer reports room */
		settle(m);
	}
	check(nothing_is_held_up(m));
	end(m);
	return 0;
}
