/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the network device on socketpairs: frames both ways in all framings, an empty ring, a full
 * backend, hostile headers, a peer that disconnects, the control queue; and -n's options.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/log.h"
#include "unit/mmio_rig.h"
#include "virtio/device/net_impl.h"

#include <fcntl.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define RX 0
#define TX 1
#define CONTROL 2
#define HDR 12
#define BUF_GPA 0x20000
#define TX_GPA 0x80000
#define RX_BYTES 2048
#define F_NEXT VRING_DESC_F_NEXT
#define F_WRITE VRING_DESC_F_WRITE
#define MERGEABLE (1U << VIRTIO_NET_F_MRG_RXBUF)

static const uint8_t the_mac[6] = { 2, 3, 4, 5, 6, 7 };

struct fix {
	struct mmio_rig r;
	struct net *net;
	struct ring_rig ring[5]; /* one for each queue; the memory is r.ring's */
	int peer;
	uint8_t *ram;
};

static void live(struct fix *f, uint32_t features)
{
	negotiate(&f->r, features, 1);
	for (unsigned int i = 0; i < 3; i++)
		set_ring(&f->r, &f->ring[i], i);
	wr(&f->r, VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_STATUS),
			 S_ACK | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
	turn(&f->r);
}

static struct fix *make(int type)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct netdev *backend;
	struct netdev_options o = { .kind = NETDEV_FD, .nr_queues = 1 };
	int pair[2];

	log_set_level(LOG_LEVEL_ERROR);
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
	f->peer = pair[1];
	o.fd = pair[0];
	fcntl(f->peer, F_SETFL, O_NONBLOCK);
	mmio_rig_begin(&f->r);
	f->ram = gmem_at(&f->r.ring.mem, 0, RIG_MEM_BYTES);
	assert_int_equal(netdev_open(&backend, &o), 0);
	assert_int_equal(close(pair[0]), 0); /* the device has a duplicate */
	assert_int_equal(net_create(&f->net, &backend, 1, the_mac, &f->r.ring.mem, &f->r.loop), 0);
	mmio_rig_plug(&f->r, net_virtio(f->net));
	return f;
}

static int setup(void **state)
{
	struct fix *f = make(SOCK_STREAM);

	live(f, MERGEABLE);
	*state = f;
	return 0;
}

static int setup_packets(void **state)
{
	struct fix *f = make(SOCK_SEQPACKET);

	live(f, MERGEABLE);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	net_destroy(f->net);
	if (f->peer >= 0)
		close(f->peer);
	mmio_rig_end(&f->r);
	free(f);
	return 0;
}

static void notify(struct fix *f, unsigned int queue)
{
	wr(&f->r, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
	turn(&f->r);
}

/* The bytes of the guest's frame @seed. */
static void paint(uint8_t *to, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)(seed + i * 7 + (i >> 8));
}

static void peer_sends(struct fix *f, size_t len, unsigned int seed)
{
	uint8_t buf[4 + 9000];

	buf[0] = buf[1] = 0;
	buf[2] = (uint8_t)(len >> 8);
	buf[3] = (uint8_t)len;
	paint(buf + 4, len, seed);
	assert_int_equal(send(f->peer, buf, 4 + len, 0), 4 + len);
}

static void offer_rx(struct fix *f, unsigned int i, uint32_t len)
{
	rig_desc(&f->ring[RX], i, BUF_GPA + i * 0x2000, len, F_WRITE, 0);
	rig_avail(&f->ring[RX], (uint16_t)i);
}

/* Chain @at: the header in one descriptor, the frame in another. */
static void offer_tx(struct fix *f, unsigned int at, const struct virtio_net_hdr *hdr, uint32_t len)
{
	gpa_t gpa = TX_GPA + at * 0x10000;

	memset(f->ram + gpa, 0, HDR);
	memcpy(f->ram + gpa, hdr, sizeof(*hdr));
	paint(f->ram + gpa + 0x100, len, at);
	rig_desc(&f->ring[TX], 2 * at, gpa, HDR, F_NEXT, (uint16_t)(2 * at + 1));
	rig_desc(&f->ring[TX], 2 * at + 1, gpa + 0x100, len, 0, 0);
	rig_avail(&f->ring[TX], (uint16_t)(2 * at));
}

static void check_frame(const uint8_t *got, size_t len, unsigned int seed)
{
	uint8_t want[9000];

	paint(want, len, seed);
	assert_memory_equal(got, want, len);
}

static unsigned int status(struct fix *f)
{
	return rd(&f->r, VIRTIO_MMIO_CONFIG + 4) >> 16; /* after the last byte of the MAC address */
}

static void what_the_driver_sees(void **state)
{
	struct fix *f = *state;

	assert_int_equal(rd(&f->r, VIRTIO_MMIO_DEVICE_ID), 1);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_CONFIG), 0x05040302);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_CONFIG + 4) & 0xffff, 0x0706);
	assert_int_equal(status(f), VIRTIO_NET_S_LINK_UP);
	wr(&f->r, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	/* Sockets have no offloads, so none are offered. */
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_DEVICE_FEATURES) & 0xffffff,
			 1U << VIRTIO_NET_F_MAC | 1U << VIRTIO_NET_F_STATUS | MERGEABLE |
				 1U << VIRTIO_NET_F_CTRL_VQ | 1U << VIRTIO_NET_F_CTRL_RX |
				 1U << VIRTIO_NET_F_CTRL_MAC_ADDR |
				 1U << VIRTIO_NET_F_GUEST_ANNOUNCE);
}

static void a_frame_is_sent(void **state)
{
	struct fix *f = *state;
	struct virtio_net_hdr none = { 0 };
	uint8_t got[4096];

	offer_tx(f, 0, &none, 60);
	offer_tx(f, 1, &none, 1514);
	notify(f, TX);
	assert_int_equal(f->ring[TX].used->idx, 2);
	assert_int_equal(f->ring[TX].used->ring[1].id, 2);
	assert_int_equal(recv(f->peer, got, sizeof(got), 0), 4 + 60 + 4 + 1514);
	assert_memory_equal(got, "\0\0\0\x3c", 4);
	check_frame(got + 4, 60, 0);
	assert_memory_equal(got + 64, "\0\0\x05\xea", 4);
	check_frame(got + 68, 1514, 1);
}

static void any_framing_is_sent(void **state)
{
	struct fix *f = *state;
	uint8_t got[4096];

	/* A header in two parts, with the frame's first byte after it in the same descriptor. */
	memset(f->ram + TX_GPA, 0, 64);
	paint(f->ram + TX_GPA + HDR, 100, 9);
	rig_desc(&f->ring[TX], 0, TX_GPA, 5, F_NEXT, 1);
	rig_desc(&f->ring[TX], 1, TX_GPA + 5, 8, F_NEXT, 2);
	rig_desc(&f->ring[TX], 2, TX_GPA + 13, 99, 0, 0);
	rig_avail(&f->ring[TX], 0);
	notify(f, TX);
	assert_int_equal(recv(f->peer, got, sizeof(got), 0), 104);
	check_frame(got + 4, 100, 9);
}

static void nonsense_is_dropped_and_the_next_frame_sent(void **state)
{
	static const struct {
		struct virtio_net_hdr hdr;
		uint32_t len;
	} bad[] = {
		{ { 0 }, 13 },
		{ { 0 }, 65551 },
		{ { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 14, .csum_offset = 6 },
		  60 },
		{ { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1000 }, 4000 },
		{ { .gso_type = VIRTIO_NET_HDR_GSO_ECN }, 60 },
		{ { .gso_type = 77 }, 60 },
	};
	struct fix *f = *state;
	struct virtio_net_hdr none = { 0 };
	uint8_t got[4096];

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		offer_tx(f, 0, &bad[i].hdr, bad[i].len);
		notify(f, TX);
		assert_int_equal(f->ring[TX].used->idx, i + 1);
		assert_int_equal(recv(f->peer, got, sizeof(got), 0), -1);
	}
	/* A chain too short for a header, and an empty one. */
	rig_desc(&f->ring[TX], 0, TX_GPA, 11, 0, 0);
	rig_avail(&f->ring[TX], 0);
	rig_desc(&f->ring[TX], 1, TX_GPA, 0, 0, 0);
	rig_avail(&f->ring[TX], 1);
	notify(f, TX);
	assert_int_equal(f->ring[TX].used->idx, ARRAY_SIZE(bad) + 2);
	offer_tx(f, 0, &none, 65550);
	notify(f, TX);
	assert_int_equal(recv(f->peer, got, sizeof(got), 0), sizeof(got));
	assert_memory_equal(got, "\0\x01\0\x0e", 4);
	assert_false(rd(&f->r, VIRTIO_MMIO_STATUS) & S_NEEDS_RESET);
}

static void a_full_backend_keeps_frames_whole_and_in_order(void **state)
{
	struct fix *f = *state;
	struct virtio_net_hdr none = { 0 };
	uint8_t *got = malloc(16 << 20);
	unsigned int sent = 0;
	size_t have = 0, at = 0;
	ssize_t n;

	while (f->ring[TX].used->idx == sent) {
		offer_tx(f, sent % 4, &none, 60000 + sent % 4);
		notify(f, TX);
		assert_true(++sent < 100);
		if (f->ring[TX].used->idx != sent)
			break;
	}
	/* Nothing spins while it is full, and the chain still waits to be sent. */
	turn(&f->r);
	assert_int_equal(f->ring[TX].used->idx, sent - 1);
	for (unsigned int i = 0; i < 200; i++) {
		while ((n = recv(f->peer, got + have, 65536, 0)) > 0)
			have += (size_t)n;
		turn(&f->r);
	}
	assert_int_equal(f->ring[TX].used->idx, sent);
	for (unsigned int i = 0; i < sent; i++) {
		size_t len = 60000 + i % 4;

		assert_true(have - at >= 4 + len);
		assert_int_equal(got[at] << 24 | got[at + 1] << 16 | got[at + 2] << 8 | got[at + 3],
				 len);
		for (size_t b = 0; b < len; b++)
			if (got[at + 4 + b] != (uint8_t)(i % 4 + b * 7 + (b >> 8)))
				fail_msg("frame %u, byte %zu", i, b);
		at += 4 + len;
	}
	assert_int_equal(at, have);
	free(got);
}

static void frames_are_received(void **state)
{
	struct fix *f = *state;
	uint8_t *buf = f->ram + BUF_GPA;

	for (unsigned int i = 0; i < 4; i++)
		offer_rx(f, i, RX_BYTES);
	notify(f, RX);
	assert_int_equal(f->ring[RX].used->idx, 0);
	memset(buf, 0xee, HDR);
	peer_sends(f, 60, 1);
	peer_sends(f, 1514, 2);
	turn(&f->r);
	assert_int_equal(f->ring[RX].used->idx, 2);
	assert_int_equal(f->ring[RX].used->ring[0].len, HDR + 60);
	assert_int_equal(f->ring[RX].used->ring[1].len, HDR + 1514);
	assert_memory_equal(buf, "\0\0\0\0\0\0\0\0\0\0\1\0", HDR);
	check_frame(buf + HDR, 60, 1);
	check_frame(buf + 0x2000 + HDR, 1514, 2);
	assert_int_equal(f->r.pulses, 1);
}

static void a_large_frame_is_merged_across_a_dry_ring(void **state)
{
	struct fix *f = *state;
	uint8_t *buf = f->ram + BUF_GPA, got[6000];
	struct epoll_event ev[4];

	/*
	 * The third buffer is not available yet. The first one's header ends in the next
	 * descriptor: num_buffers is in two of them.
	 */
	rig_desc(&f->ring[RX], 0, BUF_GPA, 11, F_WRITE | F_NEXT, 4);
	rig_desc(&f->ring[RX], 4, BUF_GPA + 11, RX_BYTES - 11, F_WRITE, 0);
	rig_avail(&f->ring[RX], 0);
	offer_rx(f, 1, RX_BYTES);
	notify(f, RX);
	peer_sends(f, 6000, 3);
	peer_sends(f, 64, 4);
	turn(&f->r);
	turn(&f->r);
	assert_int_equal(f->ring[RX].used->idx, 0);
	/* The device does not poll the backend now, though it may have more frames. */
	assert_int_equal(epoll_wait(f->r.loop.epoll_fd, ev, 4, 0), 0);
	offer_rx(f, 2, RX_BYTES);
	offer_rx(f, 3, RX_BYTES);
	notify(f, RX);
	assert_int_equal(f->ring[RX].used->idx, 4);
	assert_int_equal(f->ring[RX].used->ring[2].len, 6000 - (2 * RX_BYTES - HDR));
	assert_int_equal(f->ring[RX].used->ring[3].len, HDR + 64);
	assert_memory_equal(buf + 10, "\3\0", 2);
	memcpy(got, buf + HDR, RX_BYTES - HDR);
	memcpy(got + RX_BYTES - HDR, buf + 0x2000, RX_BYTES);
	memcpy(got + 2 * RX_BYTES - HDR, buf + 0x4000, 6000 - (2 * RX_BYTES - HDR));
	check_frame(got, 6000, 3);
	check_frame(buf + 0x6000 + HDR, 64, 4);
}

static void a_frame_that_no_ring_holds_is_dropped(void **state)
{
	struct fix *f = *state;

	for (unsigned int i = 0; i < RIG_SIZE; i++)
		offer_rx(f, i, 64);
	notify(f, RX);
	peer_sends(f, 6000, 3);
	peer_sends(f, 50, 4);
	turn(&f->r);
	assert_int_equal(f->ring[RX].used->idx, 1);
	assert_int_equal(f->ring[RX].used->ring[0].len, HDR + 50);
	check_frame(f->ram + BUF_GPA + HDR, 50, 4);
}

static void without_merging_a_frame_has_one_buffer(void **state)
{
	struct fix *f = *state;

	live(f, 0);
	offer_rx(f, 0, 1000);
	offer_rx(f, 1, 1000);
	notify(f, RX);
	peer_sends(f, 1500, 3);
	peer_sends(f, 988, 4);
	turn(&f->r);
	assert_int_equal(f->ring[RX].used->idx, 1);
	assert_int_equal(f->ring[RX].used->ring[0].id, 0);
	assert_int_equal(f->ring[RX].used->ring[0].len, 1000);
	check_frame(f->ram + BUF_GPA + HDR, 988, 4);
}

static void a_buffer_without_room_breaks_the_device(void **state)
{
	struct fix *f = *state;

	offer_rx(f, 0, 11);
	notify(f, RX);
	peer_sends(f, 60, 1);
	turn(&f->r);
	assert_true(rd(&f->r, VIRTIO_MMIO_STATUS) & S_NEEDS_RESET);
	turn(&f->r);
	/* And a reset repairs it; the frame was the last driver's. */
	live(f, MERGEABLE);
	offer_rx(f, 0, 1000);
	notify(f, RX);
	peer_sends(f, 70, 2);
	turn(&f->r);
	assert_int_equal(f->ring[RX].used->idx, 1);
	assert_int_equal(f->ring[RX].used->ring[0].len, HDR + 70);
}

static void a_reset_forgets_half_a_frame(void **state)
{
	struct fix *f = *state;
	struct epoll_event ev[4];

	offer_rx(f, 0, 100);
	notify(f, RX);
	peer_sends(f, 600, 1);
	turn(&f->r);
	wr(&f->r, VIRTIO_MMIO_STATUS, 0);
	/* The loop may watch it once more at most. */
	peer_sends(f, 60, 2);
	turn(&f->r);
	assert_int_equal(epoll_wait(f->r.loop.epoll_fd, ev, 4, 0), 0);
	live(f, MERGEABLE);
	offer_rx(f, 0, 100);
	notify(f, RX);
	assert_int_equal(f->ring[RX].used->idx, 1);
	assert_int_equal(f->ring[RX].used->ring[0].len, HDR + 60);
	check_frame(f->ram + BUF_GPA + HDR, 60, 2);
}

static void a_flood_ends_when_the_ring_is_empty(void **state)
{
	struct fix *f = *state;
	unsigned int nr = 0, seen = 0;

	/* More frames at once than a turn's budget, all in the backend's memory. */
	for (; nr < 100; nr++)
		peer_sends(f, 60, nr);
	for (unsigned int round = 0; round < 40; round++) {
		while ((uint16_t)(f->ring[RX].avail->idx - f->ring[RX].used->idx) < RIG_SIZE)
			offer_rx(f, f->ring[RX].avail->idx % RIG_SIZE, 200);
		notify(f, RX);
		for (; seen < f->ring[RX].used->idx; seen++)
			check_frame(f->ram + BUF_GPA + seen % RIG_SIZE * 0x2000 + HDR, 60, seen);
	}
	assert_int_equal(seen, 100);
}

static void a_peer_that_ends_takes_the_cable_along(void **state)
{
	struct fix *f = *state;
	struct virtio_net_hdr none = { 0 };
	struct epoll_event ev[4];

	offer_rx(f, 0, 1000);
	notify(f, RX);
	peer_sends(f, 60, 1);
	close(f->peer);
	f->peer = -1;
	turn(&f->r);
	turn(&f->r);
	assert_int_equal(f->ring[RX].used->idx, 1);
	offer_rx(f, 1, 1000);
	notify(f, RX);
	turn(&f->r);
	assert_int_equal(status(f), 0);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_INTERRUPT_STATUS) & 2, 2);
	assert_int_equal(epoll_wait(f->r.loop.epoll_fd, ev, 4, 0), 0);
	/* The driver does not wait for frames that the peer does not take. */
	offer_tx(f, 0, &none, 60);
	notify(f, TX);
	assert_int_equal(f->ring[TX].used->idx, 1);
}

static void an_impossible_length_ends_a_stream(void **state)
{
	struct fix *f = *state;

	offer_rx(f, 0, 1000);
	notify(f, RX);
	assert_int_equal(send(f->peer, "\0\x01\0\x0f", 4, 0), 4);
	turn(&f->r);
	turn(&f->r);
	assert_int_equal(status(f), 0);
	assert_int_equal(f->ring[RX].used->idx, 0);
}

static void a_pulled_cable_loses_frames(void **state)
{
	struct fix *f = *state;
	struct virtio_net_hdr none = { 0 };
	uint8_t got[200];

	offer_rx(f, 0, 1000);
	notify(f, RX);
	net_set_link(f->net, false);
	assert_int_equal(status(f), 0);
	peer_sends(f, 60, 1);
	offer_tx(f, 0, &none, 60);
	notify(f, TX);
	turn(&f->r);
	assert_int_equal(f->ring[RX].used->idx, 0);
	assert_int_equal(f->ring[TX].used->idx, 1);
	assert_int_equal(recv(f->peer, got, sizeof(got), 0), -1);
	net_set_link(f->net, true);
	assert_int_equal(status(f), VIRTIO_NET_S_LINK_UP);
	peer_sends(f, 64, 2);
	turn(&f->r);
	assert_int_equal(f->ring[RX].used->ring[0].len, HDR + 64);
}

/* 2.7.5.3.1 allows a chain as long as the queue. */
static void a_chain_of_the_queues_size_is_sent(void **state)
{
	struct fix *f = *state;
	uint8_t got[2048];

	negotiate(&f->r, MERGEABLE, 1);
	set_ring_of(&f->r, &f->ring[TX], TX, NET_QUEUE_SIZE);
	wr(&f->r, VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
	memset(f->ram + TX_GPA, 0, HDR);
	paint(f->ram + TX_GPA + HDR, 255 * 6, 5);
	for (unsigned int i = 0; i < NET_QUEUE_SIZE; i++)
		rig_desc(&f->ring[TX], i, TX_GPA + (i ? HDR + (i - 1) * 6 : 0), i ? 6 : HDR,
			 i < NET_QUEUE_SIZE - 1 ? F_NEXT : 0, (uint16_t)(i + 1));
	rig_avail(&f->ring[TX], 0);
	notify(f, TX);
	turn(&f->r);
	assert_int_equal(recv(f->peer, got, sizeof(got), 0), 4 + 255 * 6);
	check_frame(got + 4, 255 * 6, 5);
	assert_false(rd(&f->r, VIRTIO_MMIO_STATUS) & S_NEEDS_RESET);
}

static int udp_peer(struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(*at);

	assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof(*at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
	return fd;
}

static struct fix *make_udp(struct sockaddr_in *peer)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct netdev_options o = { .kind = NETDEV_FD, .nr_queues = 1 };
	struct netdev *backend;

	f->peer = udp_peer(peer);
	o.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(o.fd, (struct sockaddr *)peer, sizeof(*peer)), 0);
	mmio_rig_begin(&f->r);
	f->ram = gmem_at(&f->r.ring.mem, 0, RIG_MEM_BYTES);
	assert_int_equal(netdev_open(&backend, &o), 0);
	close(o.fd);
	assert_int_equal(net_create(&f->net, &backend, 1, the_mac, &f->r.ring.mem, &f->r.loop), 0);
	mmio_rig_plug(&f->r, net_virtio(f->net));
	live(f, MERGEABLE);
	return f;
}

/* The peer sends one frame more than there are buffers: the device does not read the socket. */
static void dry_out(struct fix *f)
{
	struct sockaddr_in device;
	socklen_t len = sizeof(device);
	uint8_t frame[60] = { 0 };

	getsockname(netdev_fd(f->net->pair[0].backend), (struct sockaddr *)&device, &len);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(sendto(f->peer, frame, sizeof(frame), 0,
					(struct sockaddr *)&device, len),
				 sizeof(frame));
	turn(&f->r);
	assert_int_equal(f->ring[RX].used->idx, 1);
}

/* A datagram socket has no end: a peer that restarts gets the next frame. */
static void a_datagram_peer_may_restart(void **state)
{
	struct virtio_net_hdr none = { 0 };
	uint8_t got[128];

	for (unsigned int buffers = 0; buffers < 2; buffers++) {
		struct sockaddr_in peer = { .sin_family = AF_INET,
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		struct fix *f = make_udp(&peer);

		offer_rx(f, 0, RX_BYTES);
		notify(f, RX);
		if (!buffers)
			dry_out(f);
		close(f->peer);
		for (unsigned int i = 0; i < 3; i++) {
			offer_tx(f, i, &none, 60);
			notify(f, TX);
			turn(&f->r);
		}
		assert_int_equal(status(f), VIRTIO_NET_S_LINK_UP);
		f->peer = udp_peer(&peer);
		offer_tx(f, 3, &none, 60);
		notify(f, TX);
		offer_tx(f, 0, &none, 60);
		notify(f, TX);
		assert_int_equal(recv(f->peer, got, sizeof(got), 0), 60);
		*state = f;
		teardown(state);
	}
	*state = NULL;
}

static void packets_have_no_framing(void **state)
{
	struct fix *f = *state;
	struct virtio_net_hdr none = { 0 };
	uint8_t got[200], frame[70];

	offer_rx(f, 0, 1000);
	notify(f, RX);
	paint(frame, sizeof(frame), 5);
	assert_int_equal(send(f->peer, frame, sizeof(frame), 0), sizeof(frame));
	turn(&f->r);
	assert_int_equal(f->ring[RX].used->ring[0].len, HDR + sizeof(frame));
	check_frame(f->ram + BUF_GPA + HDR, sizeof(frame), 5);
	offer_tx(f, 0, &none, 60);
	notify(f, TX);
	assert_int_equal(recv(f->peer, got, sizeof(got), 0), 60);
	check_frame(got, 60, 0);
}

/* Sends a command. Returns the answer, or 0xee if there is none. */
static unsigned int command_at(struct fix *f, unsigned int queue, const void *bytes, uint32_t len)
{
	uint8_t *at = f->ram + TX_GPA;

	memcpy(at, bytes, len);
	at[0x100] = 0xee;
	rig_desc(&f->ring[queue], 0, TX_GPA, len, F_NEXT, 1);
	rig_desc(&f->ring[queue], 1, TX_GPA + 0x100, 1, F_WRITE, 0);
	rig_avail(&f->ring[queue], 0);
	notify(f, queue);
	return at[0x100];
}

static unsigned int command(struct fix *f, const void *bytes, uint32_t len)
{
	return command_at(f, CONTROL, bytes, len);
}

static void commands_are_answered(void **state)
{
	struct fix *f = *state;

	assert_int_equal(command(f, "\3\0", 2), VIRTIO_NET_ERR); /* nothing was announced */
	live(f, 1U << VIRTIO_NET_F_GUEST_ANNOUNCE | 1U << VIRTIO_NET_F_CTRL_VQ);
	net_announce(f->net);
	assert_int_equal(status(f), VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
	assert_int_equal(command(f, "\3\0", 2), VIRTIO_NET_OK);
	assert_int_equal(status(f), VIRTIO_NET_S_LINK_UP);
	assert_int_equal(command(f, "\4\0\1\0", 4), VIRTIO_NET_ERR); /* no multi-queue here */
	assert_int_equal(command(f, "\5\0\0\0\0\0\0\0\0\0", 10), VIRTIO_NET_ERR);
	assert_int_equal(command(f, "\0\0\1", 3), VIRTIO_NET_ERR); /* not negotiated */
	assert_int_equal(command(f, "\1\1\2\0\0\0\0\1", 8), VIRTIO_NET_ERR);
	assert_int_equal(command(f, "\3", 1), VIRTIO_NET_ERR);
	assert_int_equal(f->ring[CONTROL].used->idx, 6);
}

static void receive_modes_are_taken(void **state)
{
	static const struct {
		const char *bytes;
		uint32_t len;
		unsigned int answer;
	} commands[] = {
		{ "\0\0\1", 3, VIRTIO_NET_OK }, /* promiscuous */
		{ "\0\1\0", 3, VIRTIO_NET_OK }, /* all groups */
		{ "\0\0\2", 3, VIRTIO_NET_ERR },
		{ "\0\0", 2, VIRTIO_NET_ERR },
		{ "\0\2\1", 3, VIRTIO_NET_ERR }, /* needs a feature that is not offered */
		{ "\1\0\0\0\0\0\0\0\0\0", 10, VIRTIO_NET_OK },
		{ "\1\0\1\0\0\0abcdef\2\0\0\0ghijklmnopqr", 28, VIRTIO_NET_OK },
		{ "\1\0\1\0\0\0abcdef\2\0\0\0ghijklmnopq", 27, VIRTIO_NET_ERR },
		{ "\1\0\1\0\0\0abcdef\0\0\0", 15, VIRTIO_NET_ERR },
		{ "\1\0\377\377\377\377abcdef\0\0\0\0", 16, VIRTIO_NET_ERR },
	};
	struct fix *f = *state;

	live(f, 1U << VIRTIO_NET_F_CTRL_RX | 1U << VIRTIO_NET_F_CTRL_VQ);
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++)
		if (command(f, commands[i].bytes, commands[i].len) != commands[i].answer)
			fail_msg("command %u", i);
}

static void an_address_lasts_until_the_reset(void **state)
{
	struct fix *f = *state;

	live(f, 1U << VIRTIO_NET_F_CTRL_MAC_ADDR | 1U << VIRTIO_NET_F_CTRL_VQ);
	assert_int_equal(command(f, "\1\1\2\0\0\0\0\1", 8), VIRTIO_NET_OK);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_CONFIG), 2);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_CONFIG + 4) & 0xffff, 0x0100);
	assert_int_equal(status(f), VIRTIO_NET_S_LINK_UP);
	assert_int_equal(command(f, "\1\1\3\0\0\0\0\1", 8), VIRTIO_NET_ERR); /* a group address */
	assert_int_equal(command(f, "\1\1\2\0\0\0\0", 7), VIRTIO_NET_ERR);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_CONFIG), 2);
	wr(&f->r, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_CONFIG), 0x05040302);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_CONFIG + 4) & 0xffff, 0x0706);
}

/* Two pairs, the second on its own socket; the control queue comes after both. */
static void several_pairs_are_used(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct netdev_options o = { .kind = NETDEV_FD, .nr_queues = 1 };
	struct virtio_net_hdr none = { 0 };
	struct netdev *backend[2];
	int peer[2], pair[2];
	uint8_t got[200];

	(void)state;
	mmio_rig_begin(&f->r);
	f->ram = gmem_at(&f->r.ring.mem, 0, RIG_MEM_BYTES);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		peer[i] = pair[1];
		o.fd = pair[0];
		assert_int_equal(netdev_open(&backend[i], &o), 0);
		assert_int_equal(close(pair[0]), 0);
	}
	assert_int_equal(net_create(&f->net, backend, 2, the_mac, &f->r.ring.mem, &f->r.loop), 0);
	mmio_rig_plug(&f->r, net_virtio(f->net));
	negotiate(&f->r, MERGEABLE | 1U << VIRTIO_NET_F_MQ | 1U << VIRTIO_NET_F_CTRL_VQ, 1);
	for (unsigned int i = 0; i < 5; i++)
		set_ring(&f->r, &f->ring[i], i);
	wr(&f->r, VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
	turn(&f->r);
	assert_int_equal(command_at(f, 4, "\4\0\2\0", 4), VIRTIO_NET_OK);
	assert_int_equal(command_at(f, 4, "\4\0\3\0", 4), VIRTIO_NET_ERR);
	assert_int_equal(command_at(f, 4, "\4\0\0\0", 4), VIRTIO_NET_ERR);
	f->ring[RX] = f->ring[2];
	f->ring[TX] = f->ring[3];
	f->peer = peer[1];
	offer_rx(f, 0, 1000);
	notify(f, 2);
	peer_sends(f, 60, 1);
	turn(&f->r);
	assert_int_equal(f->ring[2].used->idx, 1);
	check_frame(f->ram + BUF_GPA + HDR, 60, 1);
	offer_tx(f, 0, &none, 99);
	notify(f, 3);
	assert_int_equal(recv(peer[1], got, sizeof(got), MSG_DONTWAIT), 103);
	assert_int_equal(recv(peer[0], got, sizeof(got), MSG_DONTWAIT), -1);
	close(peer[0]);
	*state = f;
	teardown(state);
}

/* Runs the loop until the status field is @want. */
static void turn_until(struct fix *f, unsigned int want)
{
	for (unsigned int i = 0; i < 1000 && status(f) != want; i++) {
		turn(&f->r);
		usleep(10000);
	}
	assert_int_equal(status(f), want);
}

/* A passt that another process started ends, and starts again. */
static void a_peer_that_returns_brings_the_cable(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct netdev_options o = { .kind = NETDEV_PASST, .nr_queues = 1, .path = addr.sun_path };
	char dir[] = "/tmp/test_net.XXXXXX";
	struct virtio_net_hdr none = { 0 };
	struct netdev *backend;
	uint8_t got[200];
	int listener;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	assert_non_null(mkdtemp(dir));
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/socket", dir);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listener, 1), 0);
	mmio_rig_begin(&f->r);
	f->ram = gmem_at(&f->r.ring.mem, 0, RIG_MEM_BYTES);
	assert_int_equal(netdev_open(&backend, &o), 0);
	f->peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_int_equal(net_create(&f->net, &backend, 1, the_mac, &f->r.ring.mem, &f->r.loop), 0);
	mmio_rig_plug(&f->r, net_virtio(f->net));
	live(f, MERGEABLE | 1U << VIRTIO_NET_F_CTRL_VQ | 1U << VIRTIO_NET_F_GUEST_ANNOUNCE);
	offer_rx(f, 0, 100);
	offer_rx(f, 1, 100);
	notify(f, RX);
	/*
	 * The peer ends while half a frame is in the ring, and part of the next one in its socket.
	 */
	peer_sends(f, 600, 1);
	turn(&f->r);
	close(listener);
	unlink(addr.sun_path);
	assert_int_equal(send(f->peer, "\0\0", 2, 0), 2);
	close(f->peer);
	offer_rx(f, 2, 100);
	notify(f, RX);
	offer_tx(f, 0, &none, 60);
	notify(f, TX);
	turn_until(f, 0);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listener, 1), 0);
	turn_until(f, VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
	f->peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	turn(&f->r);
	/* The ring has its buffers again, and the stream begins with a frame. */
	peer_sends(f, 70, 2);
	turn(&f->r);
	turn(&f->r);
	assert_int_equal(f->ring[RX].used->idx, 1);
	assert_int_equal(f->ring[RX].used->ring[0].id, 0);
	assert_int_equal(f->ring[RX].used->ring[0].len, HDR + 70);
	check_frame(f->ram + BUF_GPA + HDR, 70, 2);
	offer_tx(f, 1, &none, 60);
	notify(f, TX);
	assert_int_equal(recv(f->peer, got, sizeof(got), 0), 64);
	close(listener);
	unlink(addr.sun_path);
	rmdir(dir);
	*state = f;
	teardown(state);
}

static void options_are_parsed(void **state)
{
	char tap[] = "tap,ifname=vm1,mac=02:aB:00:00:00:0f,queues=3,script=/etc/up,vhost=off";
	char tap_on[] = "tap,vhost=on";
	char commas[] = "tap,script=/etc/a,,b,,,vhost=off", socket[] = "passt,path=/run/a,,b";
	char passt[] = "passt,hostfwd=2222:22,hostfwd=udp:127.0.0.1/53:53", fd[] = "fd=7",
	     none[] = "none";
	struct netdev_options o;

	(void)state;
	assert_int_equal(netdev_parse(tap, &o), 0);
	assert_int_equal(o.kind, NETDEV_TAP);
	assert_string_equal(o.ifname, "vm1");
	assert_string_equal(o.script, "/etc/up");
	assert_int_equal(o.nr_queues, 3);
	assert_memory_equal(o.mac, "\x02\xab\0\0\0\x0f", 6);
	assert_int_equal(o.vhost, NETDEV_VHOST_OFF);
	assert_int_equal(netdev_parse(tap_on, &o), 0);
	assert_int_equal(o.vhost, NETDEV_VHOST_ON);
	assert_int_equal(netdev_parse(passt, &o), 0);
	assert_int_equal(o.vhost, NETDEV_VHOST_AUTO);
	assert_int_equal(o.nr_forwards, 2);
	assert_string_equal(o.forward[1], "udp:127.0.0.1/53:53");
	assert_false(o.has_mac);
	assert_int_equal(netdev_parse(fd, &o), 0);
	assert_int_equal(o.fd, 7);
	assert_int_equal(netdev_parse(none, &o), 0);
	assert_int_equal(o.kind, NETDEV_NONE);
	assert_int_equal(netdev_parse(commas, &o), 0);
	assert_string_equal(o.script, "/etc/a,b,");
	assert_int_equal(o.vhost, NETDEV_VHOST_OFF);
	assert_int_equal(netdev_parse(socket, &o), 0);
	assert_string_equal(o.path, "/run/a,b");
}

static void bad_options_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"tape",
		"tap=1",
		"fd",
		"fd=x",
		"fd=-1",
		"none,mac=02:00:00:00:00:01",
		"tap,queues=0",
		"tap,queues=9",
		"tap,mac=03:00:00:00:00:01",
		"tap,mac=02:00:00:00:00",
		"tap,mac=02:00:00:00:00:0g",
		"tap,mac=02-00:00:00:00:01",
		"tap,ifname=0123456789abcdef",
		"tap,ifname=",
		"tap,ifname=a/b",
		"tap,vhost=yes",
		"passt,vhost=on",
		"tap,vhost",
		"tap,hostfwd=1:1",
		"passt,queues=2",
		"passt,hostfwd=",
		"passt,hostfwd=-1:2",
		"passt,path=",
		"passt,path=/x,hostfwd=1:1",
		"fd=3,ifname=x",
		"tap,",
		"tap,script=",
		"tap,,script=/x",
	};
	struct netdev_options o;
	char text[64];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "%s", bad[i]);
		if (netdev_parse(text, &o) != -EINVAL)
			fail_msg("-n %s is taken", bad[i]);
	}
}

static void addresses_are_stable(void **state)
{
	uint8_t a[6], b[6];

	(void)state;
	netdev_make_mac(a, "host disk.img", 0);
	netdev_make_mac(b, "host disk.img", 0);
	assert_memory_equal(a, b, 6);
	assert_int_equal(a[0], 2);
	netdev_make_mac(b, "host disk.img", 1);
	assert_memory_not_equal(a, b, 6);
	netdev_make_mac(b, "host disk2.img", 0);
	assert_memory_not_equal(a, b, 6);
}

static void what_cannot_be_opened_is_refused(void **state)
{
	struct netdev_options o = { .kind = NETDEV_FD, .fd = 12345, .nr_queues = 1 };
	struct netdev *d;

	(void)state;
	assert_int_equal(netdev_open(&d, &o), -EBADF);
	assert_null(d);
	o.fd = open("/dev/null", O_RDWR);
	assert_int_equal(netdev_open(&d, &o), -EINVAL);
	o = (struct netdev_options){ .kind = NETDEV_PASST,
				     .path = "/nonexistent/socket",
				     .nr_queues = 1 };
	assert_int_equal(netdev_open(&d, &o), -ENOENT);
}

/* Makes @dir/passt, first in PATH. */
static void make_passt(const char *dir, const char *script, char *name, size_t n)
{
	char path[4096];
	int fd;

	snprintf(name, n, "%s/passt", dir);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	assert_int_equal(write(fd, script, strlen(script)), strlen(script));
	close(fd);
	if (strncmp(getenv("PATH"), dir, strlen(dir)) != 0) {
		snprintf(path, sizeof(path), "%s:%s", dir, getenv("PATH"));
		setenv("PATH", path, 1);
	}
}

/* passt must read its socket before the guest starts. */
static void passt_is_ready_or_the_guest_does_not_start(void **state)
{
	static const struct {
		const char *script;
		int err;
	} rows[] = {
		{ "#!/bin/sh\nexit 1\n", -EPIPE },
		{ "#!/bin/sh\nsleep 0.1\nexit 1\n", -EPIPE },
		{ "#!/bin/sh\nsleep 0.1\nkill -9 $$\n", -EPIPE },
		{ "#!/bin/sh\neval \"exec $4<&-\"\nexec sleep 60\n", -EPIPE },
		{ "#!/bin/sh\neval \"exec cat <&$4\" >/dev/null\n", 0 },
		{ "#!/bin/sh\nsleep 0.1\neval \"exec cat <&$4\" >/dev/null\n", 0 },
	};
	struct netdev_options o = { .kind = NETDEV_PASST, .nr_queues = 1 };
	char dir[] = "/tmp/test_net.XXXXXX", name[64], *old = strdup(getenv("PATH"));
	struct netdev *d;

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		make_passt(dir, rows[i].script, name, sizeof(name));
		assert_int_equal(netdev_open(&d, &o), 0);
		assert_int_equal(netdev_greet(d), rows[i].err);
		netdev_close(d);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child remains */
	}
	unlink(name);
	rmdir(dir);
	setenv("PATH", old, 1);
	free(old);
}

/* A fake passt, first in PATH, that records its arguments and reads its socket. */
static void passt_is_started_and_ended(void **state)
{
	static const char script[] =
		"#!/bin/sh\nprintf '%s ' \"$@\" >\"$0.new\"\nmv \"$0.new\" \"$0.args\"\n"
		"eval \"exec cat <&$4\" >/dev/null\n";
	struct netdev_options o = { .kind = NETDEV_PASST,
				    .nr_queues = 1,
				    .forward = { "2222:22", "udp:53:53" },
				    .nr_forwards = 2 };
	char dir[] = "/tmp/test_net.XXXXXX", name[64], path[4096], got[256] = "", want[256];
	struct netdev *d;
	int fd, number;

	(void)state;
	assert_non_null(mkdtemp(dir));
	make_passt(dir, script, name, sizeof(name));
	assert_int_equal(netdev_open(&d, &o), 0);
	snprintf(path, sizeof(path), "%s.args", name);
	for (unsigned int i = 0; i < 500 && (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0; i++)
		usleep(10000);
	assert_true(fd >= 0);
	assert_true(read(fd, got, sizeof(got) - 1) > 0);
	close(fd);
	assert_int_equal(sscanf(got, "--foreground --quiet --fd %d ", &number), 1);
	snprintf(want, sizeof(want), "--foreground --quiet --fd %d -t 2222:22 -u 53:53 ", number);
	assert_string_equal(got, want);
	netdev_close(d);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child remains */
	unlink(path);
	unlink(name);
	/* And without a passt in PATH. */
	setenv("PATH", dir, 1);
	assert_int_equal(netdev_open(&d, &o), -ENOENT);
	rmdir(dir);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_the_driver_sees),
		T(a_frame_is_sent),
		T(any_framing_is_sent),
		T(nonsense_is_dropped_and_the_next_frame_sent),
		T(a_full_backend_keeps_frames_whole_and_in_order),
		T(frames_are_received),
		T(a_large_frame_is_merged_across_a_dry_ring),
		T(a_frame_that_no_ring_holds_is_dropped),
		T(without_merging_a_frame_has_one_buffer),
		T(a_buffer_without_room_breaks_the_device),
		T(a_reset_forgets_half_a_frame),
		T(a_flood_ends_when_the_ring_is_empty),
		T(a_peer_that_ends_takes_the_cable_along),
		T(an_impossible_length_ends_a_stream),
		T(a_pulled_cable_loses_frames),
		T(a_chain_of_the_queues_size_is_sent),
		cmocka_unit_test(a_datagram_peer_may_restart),
		cmocka_unit_test_setup_teardown(packets_have_no_framing, setup_packets, teardown),
		T(commands_are_answered),
		T(receive_modes_are_taken),
		T(an_address_lasts_until_the_reset),
		cmocka_unit_test(a_peer_that_returns_brings_the_cable),
		cmocka_unit_test(several_pairs_are_used),
		cmocka_unit_test(options_are_parsed),
		cmocka_unit_test(bad_options_are_refused),
		cmocka_unit_test(addresses_are_stable),
		cmocka_unit_test(passt_is_ready_or_the_guest_does_not_start),
		cmocka_unit_test(passt_is_started_and_ended),
		cmocka_unit_test(what_cannot_be_opened_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
