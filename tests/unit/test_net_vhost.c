/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the network device's queues that the host's kernel serves: when they are handed over and
 * taken back, and that in between only vhost touches them.
 *
 * A fake replaces virtio/vhost/vhost.c; tests/net.sh uses the real one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/log.h"
#include "unit/mmio_rig.h"
#include "virtio/device/net_impl.h"
#include "virtio/netdev/netdev_impl.h"
#include "virtio/vhost/vhost.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define RX 0
#define TX 1
#define HDR 12
#define DATA_GPA 0x80000
#define F_WRITE VRING_DESC_F_WRITE
#define F_NEXT VRING_DESC_F_NEXT
#define FEATURES                                                                                   \
	(1U << VIRTIO_NET_F_MRG_RXBUF | 1U << VIRTIO_NET_F_CTRL_VQ | 1U << VIRTIO_NET_F_MQ |       \
	 1U << VIRTIO_RING_F_EVENT_IDX)
#define ALL_OK (S_ACK | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK)

/* ---- the fake --------------------------------------------------------------------------- */

struct vhost {
	int error_fd, result, stop_result;
	unsigned int running, starts, stops;
	struct vhost_ring ring[VHOST_RINGS];
	uint16_t begun_at[VHOST_RINGS], stands_at[VHOST_RINGS];
	uint64_t features;
};

int vhost_open(struct vhost **out)
{
	*out = calloc(1, sizeof(**out));
	(*out)->error_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return 0;
}

void vhost_close(struct vhost *vh)
{
	if (!vh)
		return;
	assert_int_equal(vh->running, 0);
	close(vh->error_fd);
	free(vh);
}

int vhost_error_fd(const struct vhost *vh)
{
	return vh->error_fd;
}

int vhost_start(struct vhost *vh, unsigned int index, const struct vhost_ring *ring,
		uint64_t features)
{
	assert_false(vhost_runs(vh, index));
	vh->starts++;
	if (vh->result)
		return vh->result;
	vh->running |= 1U << index;
	vh->ring[index] = *ring;
	vh->begun_at[index] = vh->stands_at[index] = ring->vq->last_avail_idx;
	vh->features = features;
	return 0;
}

bool vhost_runs(const struct vhost *vh, unsigned int index)
{
	return vh->running & 1U << index;
}

int vhost_stop(struct vhost *vh, unsigned int index, uint16_t *next)
{
	assert_true(vhost_runs(vh, index));
	vh->stops++;
	vh->running &= vh->stop_result ? 0 : ~(1U << index);
	*next = vh->stop_result ? 0 : vh->stands_at[index];
	return vh->stop_result;
}

/* ---- the driver --------------------------------------------------------------------------- */

struct fix {
	struct mmio_rig r;
	struct net *net;
	struct ring_rig ring[5];
	struct vhost *vhost[2];
	int peer[2];
	_Atomic bool stop;
	uint8_t *ram;
};

static void turns(struct fix *f)
{
	for (unsigned int i = 0; i < 4; i++)
		turn(&f->r);
}

static void live(struct fix *f)
{
	negotiate(&f->r, FEATURES, 1 | 1U << (VIRTIO_F_RING_RESET - 32));
	for (unsigned int i = 0; i < 5; i++)
		set_ring(&f->r, &f->ring[i], i);
	wr(&f->r, VIRTIO_MMIO_STATUS, ALL_OK);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_STATUS), ALL_OK);
	turns(f);
}

static struct netdev *open_pair(struct fix *f, unsigned int index)
{
	struct netdev_options o = { .kind = NETDEV_FD, .nr_queues = 1 };
	struct netdev *d;
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	f->peer[index] = pair[1];
	o.fd = pair[0];
	assert_int_equal(netdev_open(&d, &o), 0);
	assert_int_equal(vhost_open(&d->vhost), 0);
	f->vhost[index] = d->vhost;
	return d;
}

static int setup(void **state)
{
	static const uint8_t mac[ETH_ALEN] = { 2 };
	struct fix *f = calloc(1, sizeof(*f));
	struct netdev *backend[2];

	log_set_level(LOG_LEVEL_ERROR);
	mmio_rig_begin(&f->r);
	f->r.irq_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	f->ram = gmem_at(&f->r.ring.mem, 0, RIG_MEM_BYTES);
	for (unsigned int i = 0; i < 2; i++)
		backend[i] = open_pair(f, i);
	assert_int_equal(net_create(&f->net, backend, 2, mac, &f->r.ring.mem, &f->r.loop), 0);
	mmio_rig_plug(&f->r, net_virtio(f->net));
	*state = f;
	return 0;
}

static int setup_live(void **state)
{
	setup(state);
	live(*state);
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	net_destroy(f->net);
	close(f->peer[0]);
	close(f->peer[1]);
	close(f->r.irq_fd);
	mmio_rig_end(&f->r);
	free(f);
	return 0;
}

static void notify(struct fix *f, unsigned int queue)
{
	wr(&f->r, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
	turns(f);
}

static void offer_tx(struct fix *f, unsigned int i)
{
	memset(f->ram + DATA_GPA, 0, HDR + 60);
	rig_desc(&f->ring[TX], i, DATA_GPA, HDR + 60, 0, 0);
	rig_avail(&f->ring[TX], (uint16_t)i);
}

static unsigned int command(struct fix *f, const void *bytes, uint32_t len)
{
	struct ring_rig *q = &f->ring[4];

	memcpy(f->ram + DATA_GPA, bytes, len);
	f->ram[DATA_GPA + 0x100] = 0xee;
	rig_desc(q, 0, DATA_GPA, len, F_NEXT, 1);
	rig_desc(q, 1, DATA_GPA + 0x100, 1, F_WRITE, 0);
	rig_avail(q, 0);
	notify(f, 4);
	return f->ram[DATA_GPA + 0x100];
}

/* The kernel takes the next chain of the transmit queue and returns it. */
static void kernel_sends_one(struct fix *f)
{
	struct vring_used *used = f->ring[TX].used;

	used->ring[used->idx % RIG_SIZE].id = f->ring[TX].avail->ring[used->idx % RIG_SIZE];
	used->idx++;
	f->vhost[0]->stands_at[TX]++;
}

static ssize_t sent(struct fix *f)
{
	uint8_t frame[100];

	return recv(f->peer[0], frame, sizeof(frame), 0);
}

/* ---- tests --------------------------------------------------------------------------- */

static void queues_in_use_are_handed_over(void **state)
{
	struct fix *f = *state;
	struct virtio_device *v = net_virtio(f->net);

	assert_int_equal(f->vhost[0]->running, 3);
	assert_int_equal(f->vhost[1]->running, 0);
	for (unsigned int i = 0; i < 2; i++) {
		assert_ptr_equal(f->vhost[0]->ring[i].vq, &v->queue[i].vq);
		assert_int_equal(f->vhost[0]->ring[i].kick_fd, v->queue[i].kick_fd);
		assert_int_equal(f->vhost[0]->ring[i].call_fd, f->r.irq_fd);
		assert_int_equal(f->vhost[0]->begun_at[i], 0);
	}
	assert_true(f->vhost[0]->features & 1U << VIRTIO_NET_F_MRG_RXBUF);
}

static void nobody_else_touches_them(void **state)
{
	struct fix *f = *state;
	uint8_t before[0x3000];
	eventfd_t count;

	offer_tx(f, 0);
	memcpy(before, f->ring[TX].desc, sizeof(before));
	notify(f, TX);
	assert_memory_equal(f->ring[TX].desc, before, sizeof(before));
	assert_int_equal(sent(f), -1);
	/* Even if the loop still has an older event. */
	virtio_lock(f->r.device);
	virtio_run(f->r.device, TX);
	virtio_unlock(f->r.device);
	assert_memory_equal(f->ring[TX].desc, before, sizeof(before));
	/* The kernel has received the kick. */
	assert_int_equal(eventfd_read(f->vhost[0]->ring[TX].kick_fd, &count), 0);
}

static void the_used_bit_stays_until_the_reset(void **state)
{
	struct fix *f = *state;

	assert_int_equal(rd(&f->r, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	assert_int_equal(f->r.pulses, 0);
	wr(&f->r, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	net_announce(f->net);
	wr(&f->r, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	wr(&f->r, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

static void a_reset_stops_the_kernel_first(void **state)
{
	struct fix *f = *state;

	wr(&f->r, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(f->vhost[0]->running, 0);
	assert_int_equal(f->vhost[0]->stops, 2);
	turns(f);
	assert_int_equal(f->vhost[0]->starts, 2);
	live(f);
	assert_int_equal(f->vhost[0]->running, 3);
	assert_int_equal(f->vhost[0]->begun_at[TX], 0);
}

static void a_queue_alone_is_reset(void **state)
{
	struct fix *f = *state;

	wr(&f->r, VIRTIO_MMIO_QUEUE_SEL, TX);
	wr(&f->r, 0x0c0, 1); /* QueueReset */
	assert_int_equal(f->vhost[0]->running, 1U << RX);
	turns(f);
	assert_int_equal(f->vhost[0]->running, 1U << RX);
	set_ring(&f->r, &f->ring[TX], TX);
	turns(f);
	assert_int_equal(f->vhost[0]->running, 3);
}

static void a_mistake_breaks_the_device(void **state)
{
	struct fix *f = *state;

	eventfd_write(f->vhost[0]->error_fd, 1);
	turns(f);
	assert_true(rd(&f->r, VIRTIO_MMIO_STATUS) & S_NEEDS_RESET);
	assert_int_equal(f->vhost[0]->running, 0);
	offer_tx(f, 0);
	notify(f, TX);
	assert_int_equal(f->ring[TX].used->idx, 0);
	assert_int_equal(f->vhost[0]->starts, 2);
	/* One that arrives after the reset belonged to the previous driver. */
	eventfd_write(f->vhost[0]->error_fd, 1);
	wr(&f->r, VIRTIO_MMIO_STATUS, 0);
	turns(f);
	live(f);
	assert_int_equal(f->vhost[0]->running, 3);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_STATUS), ALL_OK);
}

/* Then nobody knows where the other queue has stopped: the driver must begin again. */
static void a_refused_stop_breaks_the_device(void **state)
{
	struct fix *f = *state;

	f->vhost[0]->stop_result = -EIO;
	net_set_link(f->net, false);
	assert_true(rd(&f->r, VIRTIO_MMIO_STATUS) & S_NEEDS_RESET);
	assert_int_equal(f->vhost[0]->stops, 1);
	f->vhost[0]->stop_result = 0;
	net_set_link(f->net, true);
	memset(f->ram + 0x1000, 0, 5 * 0x4000);
	live(f);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_STATUS), ALL_OK);
	assert_int_equal(f->vhost[0]->running, 3);
}

static unsigned int switches;

static int count_switch(struct netdev *d, bool active)
{
	(void)d;
	(void)active;
	switches++;
	return 0;
}

static void next_commands(void *ctx)
{
	struct fix *f = ctx;
	struct ring_rig *q = &f->ring[4];

	__atomic_store_n(&q->avail->idx, (uint16_t)(q->used->idx + RIG_SIZE / 2), __ATOMIC_RELEASE);
}

/* The host's kernel changes the queues of interfaces one by one, for all its users. */
static void one_callback_changes_the_pairs_once(void **state)
{
	struct fix *f = *state;
	struct netdev_ops ops = *f->net->pair[1].backend->ops;
	struct ring_rig *q = &f->ring[4];

	ops.set_active = count_switch;
	f->net->pair[1].backend->ops = &ops;
	for (unsigned int i = 0; i < RIG_SIZE; i += 2) {
		uint8_t *bytes = f->ram + DATA_GPA + i * 16;

		memcpy(bytes, i % 4 ? "\4\0\2\0" : "\4\0\1\0", 4);
		rig_desc(q, i, DATA_GPA + i * 16, 4, F_NEXT, (uint16_t)(i + 1));
		rig_desc(q, i + 1, DATA_GPA + i * 16 + 8, 1, F_WRITE, 0);
		q->avail->ring[i / 2] = q->avail->ring[i / 2 + RIG_SIZE / 2] = (uint16_t)i;
	}
	f->r.host.pulse = next_commands;
	f->r.host.ctx = f;
	next_commands(f);
	virtio_kick(f->r.device, 4);
	for (unsigned int i = 0; i < 4; i++) {
		switches = 0;
		turn(&f->r);
		assert_int_equal(switches, 1);
	}
	f->r.host.pulse = rig_pulse;
	f->r.host.ctx = &f->r;
	f->net->pair[1].backend->ops = &packet_ops;
}

static void a_broken_control_queue_stops_all(void **state)
{
	struct fix *f = *state;

	rig_avail(&f->ring[4], RIG_SIZE); /* no such head */
	notify(f, 4);
	assert_true(rd(&f->r, VIRTIO_MMIO_STATUS) & S_NEEDS_RESET);
	assert_int_equal(f->vhost[0]->running, 0);
}

static void a_pulled_cable_takes_them_back(void **state)
{
	struct fix *f = *state;

	offer_tx(f, 0);
	offer_tx(f, 1);
	notify(f, TX);
	kernel_sends_one(f);
	net_set_link(f->net, false);
	turns(f);
	assert_int_equal(f->vhost[0]->running, 0);
	/* The device drops the second chain, and does not see the first one again. */
	assert_int_equal(f->ring[TX].used->idx, 2);
	assert_int_equal(f->ring[TX].used->ring[1].id, 1);
	assert_int_equal(sent(f), -1);
	net_set_link(f->net, true);
	turns(f);
	assert_int_equal(f->vhost[0]->running, 3);
	assert_int_equal(f->vhost[0]->begun_at[TX], 2);
	offer_tx(f, 2);
	notify(f, TX);
	assert_int_equal(f->ring[TX].used->idx, 2);
}

static void refused_by_the_kernel_we_do_it(void **state)
{
	struct fix *f = *state;

	f->vhost[0]->result = -ENOBUFS;
	live(f);
	assert_int_equal(f->vhost[0]->starts, 1);
	offer_tx(f, 0);
	notify(f, TX);
	assert_int_equal(f->ring[TX].used->idx, 1);
	assert_int_equal(sent(f), 60);
}

static void without_an_interrupt_by_eventfd_we_do_it(void **state)
{
	struct fix *f = *state;

	close(f->r.irq_fd);
	f->r.irq_fd = -ENOTSUP;
	live(f);
	assert_int_equal(f->vhost[0]->starts, 0);
	offer_tx(f, 0);
	notify(f, TX);
	assert_int_equal(sent(f), 60);
	wr(&f->r, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	f->r.irq_fd = eventfd(0, EFD_CLOEXEC);
}

static void further_pairs_follow_the_driver(void **state)
{
	struct fix *f = *state;

	assert_int_equal(command(f, "\4\0\2\0", 4), VIRTIO_NET_OK);
	assert_int_equal(f->vhost[0]->running, 3);
	assert_int_equal(f->vhost[1]->running, 3);
	assert_int_equal(command(f, "\4\0\1\0", 4), VIRTIO_NET_OK);
	assert_int_equal(f->vhost[0]->running, 3);
	assert_int_equal(f->vhost[1]->running, 0);
	assert_int_equal(f->vhost[0]->starts, 2);
	assert_int_equal(command(f, "\4\0\2\0", 4), VIRTIO_NET_OK);
	assert_int_equal(f->vhost[1]->running, 3);
	wr(&f->r, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(f->vhost[1]->running, 0);
}

/* The loop's thread. */
static void *turn_all_the_time(void *ctx)
{
	struct fix *f = ctx;

	while (!atomic_load(&f->stop))
		turn(&f->r);
	return NULL;
}

static void resets_and_hand_overs_race(void **state)
{
	struct fix *f = *state;
	pthread_t loop;
	unsigned int handed_over = 0;

	assert_int_equal(pthread_create(&loop, NULL, turn_all_the_time, f), 0);
	for (unsigned int i = 0; i < 300; i++) {
		negotiate(&f->r, FEATURES, 1);
		for (unsigned int q = 0; q < 5; q++)
			set_ring(&f->r, &f->ring[q], q);
		wr(&f->r, VIRTIO_MMIO_STATUS, ALL_OK);
		for (unsigned int wait = 0; wait < i % 64; wait++)
			sched_yield();
		wr(&f->r, VIRTIO_MMIO_STATUS, 0);
		virtio_lock(f->r.device);
		assert_int_equal(f->vhost[0]->running, 0);
		handed_over = f->vhost[0]->starts;
		virtio_unlock(f->r.device);
	}
	/* Whenever resets happened, the last driver's queues reach vhost. */
	negotiate(&f->r, FEATURES, 1);
	for (unsigned int q = 0; q < 5; q++)
		set_ring(&f->r, &f->ring[q], q);
	wr(&f->r, VIRTIO_MMIO_STATUS, ALL_OK);
	for (unsigned int running = 0; running != 3;) {
		usleep(1000);
		virtio_lock(f->r.device);
		running = f->vhost[0]->running;
		virtio_unlock(f->r.device);
	}
	atomic_store(&f->stop, true);
	pthread_join(loop, NULL);
	assert_true(f->vhost[0]->starts >= handed_over + 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup_live, teardown)
#define T_FRESH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(queues_in_use_are_handed_over),
		T(nobody_else_touches_them),
		T(the_used_bit_stays_until_the_reset),
		T(a_reset_stops_the_kernel_first),
		T(a_queue_alone_is_reset),
		T(a_mistake_breaks_the_device),
		T(a_refused_stop_breaks_the_device),
		T(one_callback_changes_the_pairs_once),
		T(a_broken_control_queue_stops_all),
		T(a_pulled_cable_takes_them_back),
		T_FRESH(refused_by_the_kernel_we_do_it),
		T_FRESH(without_an_interrupt_by_eventfd_we_do_it),
		T(further_pairs_follow_the_driver),
		T_FRESH(resets_and_hand_overs_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
