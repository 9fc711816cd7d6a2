/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the console device: named ports on a socket, and the console on stdio, which it shares with
 * a serial port's client.
 *
 * For ports: control messages, both directions, both kinds of waiting, hostile drivers, reset, the
 * end of the machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/log.h"
#include "unit/mmio_rig.h"
#include "virtio/console.h"

#include <fcntl.h>
#include <linux/virtio_console.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#define RX 0
#define TX 1
#define CTRL_RX 2
#define CTRL_TX 3
#define RX_1 4
#define TX_1 5
#define NR_QUEUES 6
#define RX_GPA 0x40000
#define TX_GPA 0x100000
#define CTRL_RX_GPA 0x80000
#define CTRL_TX_GPA 0x90000
#define F_NEXT VRING_DESC_F_NEXT
#define F_WRITE VRING_DESC_F_WRITE
#define TURNS 50	       /* more than enough for pending events */
#define WAIT_NS 20000000000ULL /* how long a test waits for something that must come */

/* Runs the loop until the condition holds, because terminals and timers take time. */
#define until(f, condition)                                                                        \
	do {                                                                                       \
		for (uint64_t end_ = now_ns() + WAIT_NS; !(condition) && now_ns() < end_;)         \
			turn(&(f)->r);                                                             \
		assert_true(condition);                                                            \
	} while (0)

struct fix {
	struct mmio_rig r;
	struct console *console;
	struct chardev *cd[2];
	struct ring_rig ring[NR_QUEUES];
	uint16_t seen[NR_QUEUES]; /* used entries read */
	uint8_t *ram;
	char path[64];
	int peer; /* on port 0 */
	/* The serial port's client. */
	uint8_t serial[64];
	size_t serial_len;
	int saved_in, saved_out, master, slave;
};

static void ring_at(struct fix *f, unsigned int queue)
{
	set_ring(&f->r, &f->ring[queue], queue);
	f->seen[queue] = 0;
}

static void turns(struct fix *f)
{
	for (int i = 0; i < TURNS; i++)
		turn(&f->r);
}

static void live(struct fix *f, uint32_t features, unsigned int nr_queues)
{
	negotiate(&f->r, features, 1);
	for (unsigned int i = 0; i < nr_queues; i++)
		ring_at(f, i);
	wr(&f->r, VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_STATUS),
			 S_ACK | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
	turns(f);
}

static bool broken(struct fix *f)
{
	return rd(&f->r, VIRTIO_MMIO_STATUS) & S_NEEDS_RESET;
}

static void notify(struct fix *f, unsigned int queue)
{
	wr(&f->r, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
	turns(f);
}

static void offer(struct fix *f, unsigned int queue, unsigned int i, gpa_t addr, uint32_t len,
		  uint16_t flags)
{
	rig_desc(&f->ring[queue], i, addr, len, flags, 0);
	rig_avail(&f->ring[queue], (uint16_t)i);
	notify(f, queue);
}

/* Buffers for all the control messages of a test. */
static void offer_ctrl(struct fix *f)
{
	for (unsigned int i = 0; i < RIG_SIZE; i++)
		offer(f, CTRL_RX, i, CTRL_RX_GPA + i * 0x100, 0x100, F_WRITE);
}

static void say(struct fix *f, uint32_t id, uint16_t event, uint16_t value)
{
	struct virtio_console_control m = { id, event, value };

	memcpy(f->ram + CTRL_TX_GPA, &m, sizeof(m));
	offer(f, CTRL_TX, 0, CTRL_TX_GPA, sizeof(m), 0);
}

/* Checks that this is the next control message. */
static void assert_told(struct fix *f, uint32_t id, uint16_t event, uint16_t value,
			const char *name)
{
	struct ring_rig *q = &f->ring[CTRL_RX];
	struct vring_used_elem *e = &q->used->ring[f->seen[CTRL_RX] % RIG_SIZE];
	struct virtio_console_control m;

	assert_int_not_equal(q->used->idx, f->seen[CTRL_RX]);
	f->seen[CTRL_RX]++;
	memcpy(&m, f->ram + CTRL_RX_GPA + e->id * 0x100, sizeof(m));
	assert_int_equal(m.id, id);
	assert_int_equal(m.event, event);
	assert_int_equal(m.value, value);
	assert_int_equal(e->len, sizeof(m) + strlen(name));
	assert_memory_equal(f->ram + CTRL_RX_GPA + e->id * 0x100 + sizeof(m), name, strlen(name));
}

static void assert_told_no_more(struct fix *f)
{
	assert_int_equal(f->ring[CTRL_RX].used->idx, f->seen[CTRL_RX]);
}

static void connect_peer(struct fix *f)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	strcpy(addr.sun_path, f->path);
	f->peer = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(f->peer, (struct sockaddr *)&addr, sizeof(addr)), 0);
	turns(f);
}

static void peer_closes(struct fix *f)
{
	close(f->peer);
	f->peer = -1;
	turns(f);
}

/* Checks the @len bytes that the peer gets. */
static size_t peer_reads(struct fix *f, uint8_t *buf, size_t len)
{
	uint64_t end = now_ns() + WAIT_NS;
	size_t got = 0;

	while (got < len && now_ns() < end) {
		ssize_t n = recv(f->peer, buf + got, len - got, 0);

		got += n > 0 ? (size_t)n : 0;
		turn(&f->r);
	}
	return got;
}

static void paint(uint8_t *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)(i * 7 + (i >> 8));
}

static void begin(struct fix *f)
{
	log_set_level(LOG_LEVEL_ERROR);
	signal(SIGPIPE, SIG_IGN);
	f->peer = f->saved_in = f->saved_out = f->master = f->slave = -1;
	mmio_rig_begin(&f->r);
	f->ram = gmem_at(&f->r.ring.mem, 0, RIG_MEM_BYTES);
}

/* Port 0 on a socket, port 1 on nothing. */
static struct fix *make_ports(void)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct console_port_options port[2] = { { .name = "data" }, { .name = "org.test.1" } };
	char spec[80];

	begin(f);
	snprintf(f->path, sizeof(f->path), "/tmp/test_console.%d", getpid());
	snprintf(spec, sizeof(spec), "unix:%s", f->path);
	assert_int_equal(chardev_open(&f->cd[0], &f->r.loop, spec, NULL), 0);
	assert_int_equal(chardev_open(&f->cd[1], &f->r.loop, "null", NULL), 0);
	port[0].chardev = f->cd[0];
	port[1].chardev = f->cd[1];
	assert_int_equal(console_create_ports(&f->console, port, 2, &f->r.ring.mem, &f->r.loop), 0);
	mmio_rig_plug(&f->r, console_virtio(f->console));
	for (int i = 0; i < 2; i++)
		assert_int_equal(chardev_start(f->cd[i]), 0);
	return f;
}

static int setup_fresh(void **state)
{
	struct fix *f = make_ports();

	live(f, 1U << VIRTIO_CONSOLE_F_MULTIPORT, NR_QUEUES);
	*state = f;
	return 0;
}

/* Does everything that Linux's driver and a program that opens port 0 do. */
static int setup(void **state)
{
	struct fix *f;

	setup_fresh(state);
	f = *state;
	offer_ctrl(f);
	say(f, 0xffffffff, VIRTIO_CONSOLE_DEVICE_READY, 1);
	say(f, 0, VIRTIO_CONSOLE_PORT_READY, 1);
	say(f, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	console_destroy(f->console);
	chardev_close(f->cd[0]);
	chardev_close(f->cd[1]);
	mmio_rig_end(&f->r);
	if (f->saved_in >= 0) {
		dup2(f->saved_in, STDIN_FILENO);
		dup2(f->saved_out, STDOUT_FILENO);
	}
	for (int *fd = (int[]){ f->peer, f->saved_in, f->saved_out, f->master, f->slave, -2 };
	     *fd != -2; fd++) {
		if (*fd >= 0)
			close(*fd);
	}
	free(f);
	return 0;
}

/* ---- ports --------------------------------------------------------------------------- */

static void ports_are_announced(void **state)
{
	struct fix *f = *state;

	assert_int_equal(rd(&f->r, VIRTIO_MMIO_DEVICE_ID), 3);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_CONFIG + 4), 2);
	offer_ctrl(f);
	assert_told_no_more(f);
	say(f, 0xffffffff, VIRTIO_CONSOLE_DEVICE_READY, 1);
	assert_told(f, 0, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	assert_told(f, 1, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	assert_told_no_more(f);
	say(f, 0, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_told(f, 0, VIRTIO_CONSOLE_PORT_NAME, 1, "data");
	assert_told(f, 0, VIRTIO_CONSOLE_PORT_OPEN, 0, "");
	say(f, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_told(f, 1, VIRTIO_CONSOLE_PORT_NAME, 1, "org.test.1");
	assert_told(f, 1, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	connect_peer(f);
	assert_told(f, 0, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	peer_closes(f);
	assert_told(f, 0, VIRTIO_CONSOLE_PORT_OPEN, 0, "");
	assert_told_no_more(f);
}

static void messages_wait_for_buffers(void **state)
{
	struct fix *f = *state;

	/* However often the driver asks, it gets each message once. */
	for (int i = 0; i < 50; i++)
		say(f, 0xffffffff, VIRTIO_CONSOLE_DEVICE_READY, 1);
	assert_told_no_more(f);
	offer(f, CTRL_RX, 0, CTRL_RX_GPA, 0x100, F_WRITE);
	assert_told(f, 0, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	assert_told_no_more(f);
	offer(f, CTRL_RX, 1, CTRL_RX_GPA + 0x100, 0x100, F_WRITE);
	assert_told(f, 1, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	offer(f, CTRL_RX, 2, CTRL_RX_GPA + 0x200, 0x100, F_WRITE);
	assert_told_no_more(f);
	/* A client that connected before the driver was ready for the port. */
	connect_peer(f);
	assert_told_no_more(f);
}

static void nonsense_is_ignored(void **state)
{
	struct fix *f = *state;

	offer_ctrl(f);
	say(f, 2, VIRTIO_CONSOLE_PORT_READY, 1);
	say(f, 0xffffffff, VIRTIO_CONSOLE_PORT_OPEN, 1);
	say(f, 0, VIRTIO_CONSOLE_RESIZE, 1);
	say(f, 0, 0xffff, 1);
	say(f, 0, VIRTIO_CONSOLE_DEVICE_READY, 0);
	offer(f, CTRL_TX, 0, CTRL_TX_GPA, 7, 0);
	offer(f, CTRL_TX, 1, CTRL_TX_GPA, 8, F_WRITE);
	assert_told_no_more(f);
	assert_int_equal(f->ring[CTRL_TX].used->idx, 7);
	assert_false(broken(f));
}

static void a_small_control_buffer_breaks(void **state)
{
	struct fix *f = *state;

	offer(f, CTRL_RX, 0, CTRL_RX_GPA, 11, F_WRITE);
	say(f, 0, VIRTIO_CONSOLE_PORT_READY, 1); /* 8 + "data" */
	assert_true(broken(f));
}

static void bytes_reach_the_host(void **state)
{
	struct fix *f = *state;
	uint8_t buf[64];

	connect_peer(f);
	memcpy(f->ram + TX_GPA, "hello ", 6);
	memcpy(f->ram + TX_GPA + 100, "world", 5);
	rig_desc(&f->ring[TX], 0, TX_GPA, 6, F_NEXT, 1);
	rig_desc(&f->ring[TX], 1, TX_GPA + 50, 0, F_NEXT, 2);
	rig_desc(&f->ring[TX], 2, TX_GPA + 100, 5, 0, 0);
	rig_avail(&f->ring[TX], 0);
	notify(f, TX);
	assert_int_equal(f->ring[TX].used->idx, 1);
	assert_int_equal(f->ring[TX].used->ring[0].len, 0);
	/* At once: without a newline, and before a timer expires. */
	assert_int_equal(recv(f->peer, buf, sizeof(buf), 0), 11);
	assert_memory_equal(buf, "hello world", 11);
}

static void a_host_that_does_not_read_stops_the_guest(void **state)
{
	struct fix *f = *state;
	size_t len = 1 * MIB, got;
	uint8_t *buf = malloc(3 * len);

	connect_peer(f);
	paint(f->ram + TX_GPA, len);
	for (unsigned int i = 0; i < 3; i++)
		offer(f, TX, i, TX_GPA, (uint32_t)len, 0);
	assert_int_equal(f->ring[TX].used->idx, 0);
	got = peer_reads(f, buf, 3 * len);
	assert_int_equal(got, 3 * len);
	for (unsigned int i = 0; i < 3; i++)
		assert_memory_equal(buf + i * len, f->ram + TX_GPA, len);
	free(buf);
	until(f, f->ring[TX].used->idx == 3);
}

static void output_waits_for_a_client(void **state)
{
	struct fix *f = *state;
	uint8_t buf[8];

	memcpy(f->ram + TX_GPA, "early", 5);
	offer(f, TX, 0, TX_GPA, 5, 0);
	assert_int_equal(f->ring[TX].used->idx, 0);
	connect_peer(f);
	assert_int_equal(f->ring[TX].used->idx, 1);
	assert_int_equal(peer_reads(f, buf, 5), 5);
	assert_memory_equal(buf, "early", 5);
}

static void input_waits_for_an_open_port(void **state)
{
	struct fix *f = *state;

	connect_peer(f);
	say(f, 0, VIRTIO_CONSOLE_PORT_OPEN, 0);
	offer(f, RX, 0, RX_GPA, 100, F_WRITE);
	assert_int_equal(send(f->peer, "abc", 3, 0), 3);
	turns(f);
	assert_int_equal(f->ring[RX].used->idx, 0);
	say(f, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_int_equal(f->ring[RX].used->idx, 1);
	assert_int_equal(f->ring[RX].used->ring[0].len, 3);
	assert_memory_equal(f->ram + RX_GPA, "abc", 3);
}

static void input_waits_for_buffers(void **state)
{
	struct fix *f = *state;
	uint8_t want[3000];
	size_t got = 0;

	connect_peer(f);
	paint(want, sizeof(want));
	assert_int_equal(send(f->peer, want, sizeof(want), 0), sizeof(want));
	turns(f);
	for (unsigned int i = 0; got < sizeof(want); i++) {
		struct vring_used_elem *e = &f->ring[RX].used->ring[i % RIG_SIZE];

		assert_int_equal(f->ring[RX].used->idx, i);
		/* Two pieces, the second one small. */
		rig_desc(&f->ring[RX], 0, RX_GPA, 400, F_WRITE | F_NEXT, 1);
		rig_desc(&f->ring[RX], 1, RX_GPA + 400, i + 1, F_WRITE, 0);
		rig_avail(&f->ring[RX], 0);
		notify(f, RX);
		assert_int_equal(f->ring[RX].used->idx, i + 1);
		assert_int_equal(e->len, min_u64(401 + i, sizeof(want) - got));
		assert_memory_equal(f->ram + RX_GPA, want + got, e->len);
		got += e->len;
	}
}

static void a_buffer_without_room_breaks(void **state)
{
	struct fix *f = *state;

	connect_peer(f);
	offer(f, RX, 0, RX_GPA, 100, 0);
	assert_int_equal(send(f->peer, "x", 1, 0), 1);
	turns(f);
	assert_true(broken(f));
}

static void a_long_chain_takes_its_turns(void **state)
{
	struct fix *f = *state;

	for (unsigned int i = 0; i < RIG_SIZE; i++)
		rig_desc(&f->ring[TX_1], i, TX_GPA, 1 * MIB, i < RIG_SIZE - 1 ? F_NEXT : 0,
			 (uint16_t)(i + 1));
	rig_avail(&f->ring[TX_1], 0);
	wr(&f->r, VIRTIO_MMIO_QUEUE_NOTIFY, TX_1);
	turn(&f->r);
	assert_int_equal(f->ring[TX_1].used->idx, 0);
	until(f, f->ring[TX_1].used->idx == 1);
}

static void a_reset_forgets(void **state)
{
	struct fix *f = *state;
	uint8_t buf[8];

	/* One chain held in each direction. */
	memcpy(f->ram + TX_GPA, "old", 3);
	offer(f, TX, 0, TX_GPA, 3, 0);
	offer(f, RX, 0, RX_GPA, 100, F_WRITE);
	wr(&f->r, VIRTIO_MMIO_STATUS, 0);
	live(f, 1U << VIRTIO_CONSOLE_F_MULTIPORT, NR_QUEUES);
	connect_peer(f);
	assert_int_equal(send(f->peer, "abc", 3, 0), 3);
	offer(f, RX, 1, RX_GPA + 200, 100, F_WRITE);
	assert_int_equal(f->ring[RX].used->idx, 0); /* not open any more */
	memcpy(f->ram + TX_GPA, "new", 3);
	offer(f, TX, 1, TX_GPA, 3, 0);
	assert_int_equal(peer_reads(f, buf, 3), 3);
	assert_memory_equal(buf, "new", 3);
	offer_ctrl(f);
	say(f, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_int_equal(f->ring[RX].used->idx, 1);
	assert_int_equal(f->ring[RX].used->ring[0].id, 1);
	assert_told_no_more(f);
}

static void the_end_brings_out_what_was_sent(void **state)
{
	struct fix *f = *state;
	uint8_t buf[8];

	connect_peer(f);
	memcpy(f->ram + TX_GPA, "last", 4);
	rig_desc(&f->ring[TX], 0, TX_GPA, 4, 0, 0);
	rig_avail(&f->ring[TX], 0);
	console_drain(f->console, 1000);
	assert_true(chardev_flush(f->cd[0], 1000));
	assert_int_equal(recv(f->peer, buf, sizeof(buf), 0), 4);
	assert_memory_equal(buf, "last", 4);
	/*
	 * The port waits neither for a client that does not connect, nor for one that reads
	 * nothing.
	 */
	peer_closes(f);
	rig_avail(&f->ring[TX], 0);
	console_drain(f->console, -1);
	connect_peer(f);
	for (unsigned int i = 1; i < 4; i++) {
		rig_desc(&f->ring[TX], i, TX_GPA, 1 * MIB, 0, 0);
		rig_avail(&f->ring[TX], (uint16_t)i);
	}
	console_drain(f->console, 10);
	assert_false(chardev_flush(f->cd[0], 10));
}

static void names(void **state)
{
	char name[CONSOLE_MAX_NAME_BYTES + 2];

	(void)state;
	assert_true(console_name_ok("org.qemu.guest_agent.0"));
	assert_true(console_name_ok("a-b"));
	assert_false(console_name_ok(""));
	assert_false(console_name_ok("a/b"));
	assert_false(console_name_ok("a b"));
	memset(name, 'a', sizeof(name));
	name[CONSOLE_MAX_NAME_BYTES + 1] = '\0';
	assert_false(console_name_ok(name));
	name[CONSOLE_MAX_NAME_BYTES] = '\0';
	assert_true(console_name_ok(name));
}

/* ---- the console --------------------------------------------------------------------------- */

static size_t serial_room(void *ctx)
{
	struct fix *f = ctx;

	return sizeof(f->serial) - f->serial_len;
}

static void serial_receive(void *ctx, const uint8_t *bytes, size_t len)
{
	struct fix *f = ctx;

	memcpy(f->serial + f->serial_len, bytes, len);
	f->serial_len += len;
}

static void set_size(struct fix *f, unsigned short columns, unsigned short rows)
{
	struct winsize w = { .ws_col = columns, .ws_row = rows };

	assert_int_equal(ioctl(f->master, TIOCSWINSZ, &w), 0);
}

/*
 * A pseudo-terminal as stdin and stdout, and a chardev on it that already belongs to a serial port.
 */
static int setup_console(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct chardev_client serial = { serial_room, serial_receive, NULL, f };

	begin(f);
	f->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(f->master >= 0);
	assert_int_equal(grantpt(f->master) | unlockpt(f->master), 0);
	f->slave = open(ptsname(f->master), O_RDWR | O_NOCTTY);
	assert_true(f->slave >= 0);
	set_size(f, 100, 30);
	fflush(stdout);
	f->saved_in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 100);
	f->saved_out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 100);
	dup2(f->slave, STDIN_FILENO);
	dup2(f->slave, STDOUT_FILENO);
	assert_int_equal(chardev_open(&f->cd[0], &f->r.loop, "stdio", NULL), 0);
	chardev_set_client(f->cd[0], &serial);
	assert_int_equal(console_create(&f->console, f->cd[0], &f->r.ring.mem, &f->r.loop), 0);
	mmio_rig_plug(&f->r, console_virtio(f->console));
	assert_int_equal(chardev_start(f->cd[0]), 0);
	*state = f;
	return 0;
}

static void type(struct fix *f, const char *text)
{
	assert_int_equal(write(f->master, text, strlen(text)), strlen(text));
	turns(f);
}

static void assert_got(struct fix *f, unsigned int i, const char *text)
{
	until(f, f->ring[RX].used->idx == i + 1);
	assert_int_equal(f->ring[RX].used->ring[i].len, strlen(text));
	assert_memory_equal(f->ram + RX_GPA + f->ring[RX].used->ring[i].id * 0x100, text,
			    strlen(text));
}

static void live_console(struct fix *f)
{
	live(f, 1U << VIRTIO_CONSOLE_F_SIZE, 2);
	for (unsigned int i = 0; i < RIG_SIZE; i++)
		offer(f, RX, i, RX_GPA + i * 0x100, 0x100, F_WRITE);
}

static void input_is_the_live_consoles(void **state)
{
	struct fix *f = *state;

	type(f, "one");
	until(f, f->serial_len == 3);
	live_console(f);
	type(f, "two");
	assert_got(f, 0, "two");
	assert_int_equal(f->serial_len, 3);
	wr(&f->r, VIRTIO_MMIO_STATUS, 0);
	type(f, "three");
	until(f, f->serial_len == 8);
	assert_memory_equal(f->serial, "onethree", 8);
}

static void typed_ahead_goes_to_the_serial_port_after_a_reset(void **state)
{
	struct fix *f = *state;

	live(f, 0, 2);
	type(f, "ahead"); /* no buffers */
	until(f, poll(&(struct pollfd){ STDIN_FILENO, POLLIN, 0 }, 1, 0) == 0);
	assert_int_equal(f->serial_len, 0);
	wr(&f->r, VIRTIO_MMIO_STATUS, 0);
	until(f, f->serial_len == 5);
}

static void escapes(void **state)
{
	struct fix *f = *state;

	live_console(f);
	type(f, "a\001bh");
	assert_got(f, 2, "h");
	assert_memory_equal(f->ram + RX_GPA, "a", 1);
	assert_memory_equal(f->ram + RX_GPA + 0x100, "\017", 1);
}

static void sizes(void **state)
{
	struct fix *f = *state;
	uint32_t generation = rd(&f->r, VIRTIO_MMIO_CONFIG_GENERATION);

	assert_int_equal(rd(&f->r, VIRTIO_MMIO_CONFIG), 30 << 16 | 100);
	live_console(f);
	/* The driver gets one message when there is a size. */
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_INTERRUPT_STATUS) & 2, 2);
	wr(&f->r, VIRTIO_MMIO_INTERRUPT_ACK, 3);
	type(f, "x");
	assert_got(f, 0, "x");
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_INTERRUPT_STATUS) & 2, 0);
	set_size(f, 132, 50);
	chardev_winch(f->cd[0]);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_CONFIG), 50 << 16 | 132);
	assert_int_not_equal(rd(&f->r, VIRTIO_MMIO_CONFIG_GENERATION), generation);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_INTERRUPT_STATUS) & 2, 2);
}

static void output_is_in_order_with_the_serial_ports(void **state)
{
	struct fix *f = *state;
	char buf[16] = "";

	live_console(f);
	chardev_write(f->cd[0], "se", 2);
	memcpy(f->ram + TX_GPA, "con", 3);
	offer(f, TX, 0, TX_GPA, 3, 0);
	assert_int_equal(f->ring[TX].used->idx, 1);
	assert_int_equal(read(f->master, buf, sizeof(buf)), 5);
	assert_string_equal(buf, "secon");
}

#define PORTS(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define FRESH(f) cmocka_unit_test_setup_teardown(f, setup_fresh, teardown)
#define CONSOLE(f) cmocka_unit_test_setup_teardown(f, setup_console, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(ports_are_announced),
		FRESH(messages_wait_for_buffers),
		FRESH(nonsense_is_ignored),
		FRESH(a_small_control_buffer_breaks),
		PORTS(bytes_reach_the_host),
		PORTS(a_host_that_does_not_read_stops_the_guest),
		PORTS(output_waits_for_a_client),
		PORTS(input_waits_for_an_open_port),
		PORTS(input_waits_for_buffers),
		PORTS(a_buffer_without_room_breaks),
		PORTS(a_long_chain_takes_its_turns),
		PORTS(a_reset_forgets),
		PORTS(the_end_brings_out_what_was_sent),
		cmocka_unit_test(names),
		CONSOLE(input_is_the_live_consoles),
		CONSOLE(typed_ahead_goes_to_the_serial_port_after_a_reset),
		CONSOLE(escapes),
		CONSOLE(sizes),
		CONSOLE(output_is_in_order_with_the_serial_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
