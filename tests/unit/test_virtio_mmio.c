/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the registers of virtio-mmio, its state machine, interrupts, and, as a litmus test, the
 * argument in virtio_mmio.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/log.h"
#include "unit/mmio_rig.h"

#include <stdatomic.h>

#define NR_WORDS 16

struct echo {
	struct virtio_device v;
	unsigned int handled, quiesced;
};

/* Returns each chain with the number of its readable bytes. */
static void echo_handle(struct virtio_device *v, unsigned int queue)
{
	struct iovec iov[RIG_SIZE];
	struct vq_chain c = { .iov = iov, .iov_cap = RIG_SIZE };

	((struct echo *)v)->handled++;
	while (virtio_pop(v, queue, &c))
		virtio_push(v, queue, c.head, (uint32_t)c.readable_bytes);
}

static void echo_quiesce(struct virtio_device *v, unsigned int queue)
{
	(void)queue;
	((struct echo *)v)->quiesced++;
}

static const struct virtio_ops echo_ops = {
	.name = "echo",
	.device_id = 42,
	.handle = echo_handle,
	.quiesce = echo_quiesce,
};

struct fix {
	struct mmio_rig r;
	struct echo echo;
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	uint32_t config[NR_WORDS] = { 0x44332211, 0x88776655 };

	log_set_level(LOG_LEVEL_ERROR);
	mmio_rig_begin(&f->r);
	assert_int_equal(virtio_init(&f->echo.v, &echo_ops, &f->r.ring.mem, &f->r.loop, 2, 256, 5,
				     config, sizeof(config)),
			 0);
	mmio_rig_plug(&f->r, &f->echo.v);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	virtio_fini(&f->echo.v);
	mmio_rig_end(&f->r);
	free(f);
	return 0;
}

static void it_says_what_it_is(void **state)
{
	struct mmio_rig *r = &((struct fix *)*state)->r;

	assert_int_equal(rd(r, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(rd(r, VIRTIO_MMIO_VERSION), 2);
	assert_int_equal(rd(r, VIRTIO_MMIO_DEVICE_ID), 42);
	assert_int_equal(rd(r, VIRTIO_MMIO_STATUS), 0);
	wr(r, VIRTIO_MMIO_MAGIC_VALUE, 0);
	wr(r, VIRTIO_MMIO_DEVICE_ID, 0);
	assert_int_equal(rd(r, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(rd(r, VIRTIO_MMIO_DEVICE_ID), 42);
	for (unsigned int at = VIRTIO_MMIO_SHM_LEN_LOW; at <= VIRTIO_MMIO_SHM_BASE_HIGH; at += 4)
		assert_int_equal(rd(r, at), UINT32_MAX);
}

static void features_are_seen_by_halves(void **state)
{
	struct mmio_rig *r = &((struct fix *)*state)->r;

	assert_int_equal(rd(r, VIRTIO_MMIO_DEVICE_FEATURES),
			 5 | FEATURE_EVENT_IDX | FEATURE_INDIRECT);
	wr(r, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	assert_int_equal(rd(r, VIRTIO_MMIO_DEVICE_FEATURES), 1 | 1 << (VIRTIO_F_RING_RESET - 32));
	wr(r, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	assert_int_equal(rd(r, VIRTIO_MMIO_DEVICE_FEATURES), 0);
	wr(r, VIRTIO_MMIO_DEVICE_FEATURES_SEL, UINT32_MAX);
	assert_int_equal(rd(r, VIRTIO_MMIO_DEVICE_FEATURES), 0);
}

static void features_not_offered_are_refused(void **state)
{
	struct mmio_rig *r = &((struct fix *)*state)->r;

	negotiate(r, 2, 1);
	assert_int_equal(rd(r, VIRTIO_MMIO_STATUS), S_ACK | S_DRIVER);
	negotiate(r, 5, 3);
	assert_int_equal(rd(r, VIRTIO_MMIO_STATUS), S_ACK | S_DRIVER);
	/* A driver from before 1.0. */
	negotiate(r, 5, 0);
	assert_int_equal(rd(r, VIRTIO_MMIO_STATUS), S_ACK | S_DRIVER);
	negotiate(r, 5, 1);
	assert_int_equal(rd(r, VIRTIO_MMIO_STATUS), S_ACK | S_DRIVER | S_FEATURES_OK);
	assert_true(virtio_has(r->device, 2));
	assert_false(virtio_has(r->device, 1));
}

static void features_are_fixed_then_and_gone_after_a_reset(void **state)
{
	struct mmio_rig *r = &((struct fix *)*state)->r;

	negotiate(r, 4, 1);
	wr(r, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	wr(r, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	assert_int_equal(r->device->driver_features, 4 | 1ULL << 32);
	wr(r, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(r->device->driver_features, 0);
	wr(r, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 2);
	wr(r, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	negotiate(r, 0, 1);
	assert_int_equal(rd(r, VIRTIO_MMIO_STATUS), S_ACK | S_DRIVER | S_FEATURES_OK);
}

static void status_bits_are_only_added(void **state)
{
	struct mmio_rig *r = &((struct fix *)*state)->r;

	/* Not before their time. */
	wr(r, VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER_OK);
	assert_int_equal(rd(r, VIRTIO_MMIO_STATUS), S_ACK);
	wr(r, VIRTIO_MMIO_STATUS, S_ACK | S_FEATURES_OK);
	assert_int_equal(rd(r, VIRTIO_MMIO_STATUS), S_ACK);
	/* Unassigned bits, and the device's own. */
	wr(r, VIRTIO_MMIO_STATUS, S_ACK | 0xffffff30 | S_NEEDS_RESET);
	assert_int_equal(rd(r, VIRTIO_MMIO_STATUS), S_ACK);
	wr(r, VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER);
	wr(r, VIRTIO_MMIO_STATUS, S_ACK);
	assert_int_equal(rd(r, VIRTIO_MMIO_STATUS), S_ACK | S_DRIVER);
	wr(r, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(rd(r, VIRTIO_MMIO_STATUS), 0);
}

static void queues_are_set_up_in_their_time_only(void **state)
{
	struct mmio_rig *r = &((struct fix *)*state)->r;

	set_queue(r, 0); /* before FEATURES_OK */
	assert_int_equal(rd(r, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_int_equal(r->device->queue[0].vq.desc_gpa, 0);
	go_live(r, 0);
	wr(r, VIRTIO_MMIO_QUEUE_NUM, 128);
	wr(r, VIRTIO_MMIO_QUEUE_USED_LOW, 0x9000);
	wr(r, VIRTIO_MMIO_QUEUE_DESC_HIGH, 7);
	assert_int_equal(r->device->queue[0].vq.size, RIG_SIZE);
	assert_int_equal(r->device->queue[0].vq.device_gpa, RIG_USED_GPA);
	assert_int_equal(r->device->queue[0].vq.desc_gpa, RIG_DESC_GPA);
	set_queue(r, 1); /* after DRIVER_OK */
	assert_int_equal(rd(r, VIRTIO_MMIO_QUEUE_READY), 0);
	/* A stopped queue stays stopped until a reset. */
	wr(r, VIRTIO_MMIO_QUEUE_SEL, 0);
	wr(r, VIRTIO_MMIO_QUEUE_READY, 0);
	assert_int_equal(rd(r, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_int_equal(((struct fix *)*state)->echo.quiesced, 1);
	set_queue(r, 0);
	assert_int_equal(rd(r, VIRTIO_MMIO_QUEUE_READY), 0);
	go_live(r, 0);
}

static void queue_select_is_checked_everywhere(void **state)
{
	static const uint32_t beyond[] = { 2, 64, 0x10000, UINT32_MAX };
	struct mmio_rig *r = &((struct fix *)*state)->r;

	negotiate(r, 0, 1 | 1 << (VIRTIO_F_RING_RESET - 32));
	for (unsigned int i = 0; i < ARRAY_SIZE(beyond); i++) {
		set_queue(r, beyond[i]);
		assert_int_equal(rd(r, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
		assert_int_equal(rd(r, VIRTIO_MMIO_QUEUE_READY), 0);
		wr(r, VIRTIO_MMIO_QUEUE_READY, 0);
		wr(r, VIRTIO_MMIO_QUEUE_NOTIFY, beyond[i]);
		wr(r, 0xc0, 1);
	}
	wr(r, VIRTIO_MMIO_QUEUE_SEL, 1);
	assert_int_equal(rd(r, VIRTIO_MMIO_QUEUE_NUM_MAX), 256);
}

static void a_bad_queue_does_not_start(void **state)
{
	static const uint32_t sizes[] = { 0, 3, 512, 0x10008, UINT32_MAX };
	struct mmio_rig *r = &((struct fix *)*state)->r;

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		negotiate(r, 0, 1);
		wr(r, VIRTIO_MMIO_QUEUE_DESC_LOW, RIG_DESC_GPA);
		wr(r, VIRTIO_MMIO_QUEUE_AVAIL_LOW, RIG_AVAIL_GPA);
		wr(r, VIRTIO_MMIO_QUEUE_USED_LOW, RIG_USED_GPA);
		wr(r, VIRTIO_MMIO_QUEUE_NUM, sizes[i]);
		wr(r, VIRTIO_MMIO_QUEUE_READY, 1);
		assert_int_equal(rd(r, VIRTIO_MMIO_QUEUE_READY), 0);
	}
	wr(r, VIRTIO_MMIO_QUEUE_NUM, 8);
	wr(r, VIRTIO_MMIO_QUEUE_USED_HIGH, 0xffffffff);
	wr(r, VIRTIO_MMIO_QUEUE_READY, 1);
	assert_int_equal(rd(r, VIRTIO_MMIO_QUEUE_READY), 0);
	wr(r, VIRTIO_MMIO_QUEUE_USED_HIGH, 0);
	wr(r, VIRTIO_MMIO_QUEUE_READY, 1);
	assert_int_equal(rd(r, VIRTIO_MMIO_QUEUE_READY), 1);
}

static void widths_other_than_four_are_for_the_configuration(void **state)
{
	struct mmio_rig *r = &((struct fix *)*state)->r;
	uint64_t at = MMIO_BASE;

	assert_int_equal(bus_read(&r->bus, at, 1), 0);
	assert_int_equal(bus_read(&r->bus, at, 2), 0);
	assert_int_equal(bus_read(&r->bus, at, 8), 0);
	assert_int_equal(bus_read(&r->bus, at + 2, 4), 0);
	bus_write(&r->bus, at + VIRTIO_MMIO_STATUS, 1, 1);
	bus_write(&r->bus, at + VIRTIO_MMIO_STATUS, 8, 1);
	bus_write(&r->bus, at + VIRTIO_MMIO_STATUS - 2, 4, 0x10000);
	assert_int_equal(rd(r, VIRTIO_MMIO_STATUS), 0);
	at += VIRTIO_MMIO_CONFIG;
	assert_int_equal(bus_read(&r->bus, at, 8), 0x8877665544332211);
	assert_int_equal(bus_read(&r->bus, at + 3, 1), 0x44);
	assert_int_equal(bus_read(&r->bus, at + 3, 2), 0x5544);
	assert_int_equal(bus_read(&r->bus, at + 4, 4), 0x88776655);
	assert_int_equal(bus_read(&r->bus, at + sizeof(uint32_t) * NR_WORDS, 8), 0);
	assert_int_equal(bus_read(&r->bus, MMIO_BASE + 4088, 8), 0);
	bus_write(&r->bus, at, 4, 0);
	bus_write(&r->bus, MMIO_BASE + 4095, 1, 7);
	assert_int_equal(rd(r, VIRTIO_MMIO_CONFIG), 0x44332211);
}

static void offer(struct mmio_rig *r, uint16_t head, uint32_t len)
{
	rig_desc(&r->ring, head, RIG_DATA_GPA, len, 0, 0);
	rig_avail(&r->ring, head);
}

static void used_buffers_interrupt_and_ack_clears(void **state)
{
	struct mmio_rig *r = &((struct fix *)*state)->r;

	go_live(r, 0);
	assert_int_equal(r->shows, 1);
	assert_int_equal(r->swallows, 0);
	offer(r, 1, 33);
	turn(r);
	turn(r);
	wr(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	turn(r);
	assert_int_equal(r->ring.used->idx, 1);
	assert_int_equal(r->ring.used->ring[0].len, 33);
	assert_int_equal(r->pulses, 1);
	assert_int_equal(rd(r, VIRTIO_MMIO_INTERRUPT_STATUS), 1);
	wr(r, VIRTIO_MMIO_INTERRUPT_ACK, 2);
	assert_int_equal(rd(r, VIRTIO_MMIO_INTERRUPT_STATUS), 1);
	wr(r, VIRTIO_MMIO_INTERRUPT_ACK, 1);
	assert_int_equal(rd(r, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	/* Every notification is a pulse, read or not. */
	offer(r, 1, 1);
	wr(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	turn(r);
	offer(r, 2, 2);
	wr(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	turn(r);
	assert_int_equal(r->pulses, 3);
}

static void shown_the_used_bit_stays(void **state)
{
	struct mmio_rig *r = &((struct fix *)*state)->r;

	r->can_show = true;
	go_live(r, 0);
	assert_int_equal(r->swallows, 1);
	assert_int_equal(rd(r, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	offer(r, 1, 33);
	wr(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	turn(r);
	assert_int_equal(rd(r, VIRTIO_MMIO_INTERRUPT_STATUS), 1);
	wr(r, VIRTIO_MMIO_INTERRUPT_ACK, 1);
	assert_int_equal(rd(r, VIRTIO_MMIO_INTERRUPT_STATUS), 1);
	wr(r, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(rd(r, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	go_live(r, 0);
	assert_int_equal(r->swallows, 1); /* it remains for the next driver */
}

static void a_configuration_change_takes_the_slow_way(void **state)
{
	struct mmio_rig *r = &((struct fix *)*state)->r;
	uint32_t word = 0xabcd, generation;

	r->can_show = true;
	go_live(r, 0);
	generation = rd(r, VIRTIO_MMIO_CONFIG_GENERATION);
	virtio_set_config(r->device, 4, &word, sizeof(word));
	assert_int_equal(rd(r, VIRTIO_MMIO_CONFIG + 4), 0xabcd);
	assert_int_not_equal(rd(r, VIRTIO_MMIO_CONFIG_GENERATION), generation);
	assert_int_equal(rd(r, VIRTIO_MMIO_INTERRUPT_STATUS), 2);
	assert_int_equal(r->pulses, 1);
	assert_int_equal(r->hides, 0x101); /* and shown again */
	wr(r, VIRTIO_MMIO_INTERRUPT_ACK, 1);
	assert_int_equal(rd(r, VIRTIO_MMIO_INTERRUPT_STATUS), 2);
	wr(r, VIRTIO_MMIO_INTERRUPT_ACK, 3);
	assert_int_equal(rd(r, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

static void nonsense_breaks_the_device_until_its_reset(void **state)
{
	struct fix *f = *state;
	struct mmio_rig *r = &f->r;
	unsigned int handled;

	go_live(r, 0);
	rig_avail(&r->ring, RIG_SIZE);
	wr(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	turn(r);
	assert_int_equal(rd(r, VIRTIO_MMIO_STATUS),
			 S_ACK | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK | S_NEEDS_RESET);
	assert_int_equal(rd(r, VIRTIO_MMIO_INTERRUPT_STATUS), 2);
	assert_int_equal(r->pulses, 1);
	handled = f->echo.handled;
	offer(r, 1, 1);
	wr(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	turn(r);
	assert_int_equal(f->echo.handled, handled);
	/* Writing the old value does not repair it; a reset does. */
	wr(r, VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
	assert_true(rd(r, VIRTIO_MMIO_STATUS) & S_NEEDS_RESET);
	r->ring.avail->idx = 0;
	go_live(r, 0);
	offer(r, 1, 1);
	wr(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	turn(r);
	assert_int_equal(r->ring.used->idx, 1);
}

static void one_queue_is_reset_alone(void **state)
{
	struct mmio_rig *r = &((struct fix *)*state)->r;

	go_live(r, 0);
	wr(r, 0xc0, 1); /* not negotiated */
	assert_int_equal(rd(r, VIRTIO_MMIO_QUEUE_READY), 1);
	negotiate(r, 0, 1 | 1 << (VIRTIO_F_RING_RESET - 32));
	set_queue(r, 0);
	wr(r, VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
	wr(r, 0xc0, 1);
	assert_int_equal(rd(r, 0xc0), 0);
	assert_int_equal(rd(r, VIRTIO_MMIO_QUEUE_READY), 0);
	/* A bad address is refused, and the driver may correct it. */
	wr(r, VIRTIO_MMIO_QUEUE_DESC_LOW, RIG_DESC_GPA + 1);
	wr(r, VIRTIO_MMIO_QUEUE_READY, 1);
	assert_int_equal(rd(r, VIRTIO_MMIO_QUEUE_READY), 0);
	r->ring.size = 4;
	set_queue(r, 0);
	assert_int_equal(rd(r, VIRTIO_MMIO_QUEUE_READY), 1);
	assert_int_equal(r->device->queue[0].vq.size, 4);
	offer(r, 1, 9);
	wr(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	turn(r);
	assert_int_equal(r->ring.used->ring[0].len, 9);
}

static void kicks_are_routed_once_and_before_driver_ok_remembered(void **state)
{
	struct mmio_rig *r = &((struct fix *)*state)->r;

	negotiate(r, 0, 1);
	set_queue(r, 0);
	offer(r, 1, 9);
	wr(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	turn(r);
	assert_int_equal(r->ring.used->idx, 0);
	wr(r, VIRTIO_MMIO_STATUS, S_ACK | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
	turn(r);
	assert_int_equal(r->ring.used->idx, 1);
	assert_int_equal(r->routes, 1);
	memset(r->ring.avail, 0, 64);
	go_live(r, 0);
	assert_int_equal(r->routes, 1);
}

/*
 * ---- the litmus test ---------------------------------------------------------------------------
 */

/*
 * Models KVM and the CPU with threads. The guest's CPU runs its interrupt handler once after each
 * edge, and reads the page if it is mapped, or else the device's register. ACKs of used buffers
 * alone are swallowed, others reach the device. The driver reads the ring only in its handler:
 * after one lost interrupt it would wait without end.
 */
#ifndef LITMUS_REQUESTS
#define LITMUS_REQUESTS 1000000
#endif

struct litmus {
	struct mmio_rig r;
	struct echo echo;
	_Atomic unsigned int edge; /* pending at the interrupt controller */
	pthread_mutex_t line_lock;
	pthread_cond_t line_cond;
	pthread_rwlock_t mapped_lock;
	bool mapped;
	uint32_t swallowed_value;
	_Atomic bool over;
	_Atomic uint32_t config_seen;
	unsigned int done, swallowed, exited, torn;
	uint16_t used_seen;
};

static void litmus_pulse(void *ctx)
{
	struct litmus *l = ctx;

	pthread_mutex_lock(&l->line_lock);
	atomic_store(&l->edge, 1);
	pthread_cond_signal(&l->line_cond);
	pthread_mutex_unlock(&l->line_lock);
}

static bool litmus_show(void *ctx)
{
	((struct litmus *)ctx)->mapped = true; /* before the threads */
	return true;
}

static void litmus_hide(void *ctx, bool hide)
{
	struct litmus *l = ctx;

	pthread_rwlock_wrlock(&l->mapped_lock);
	l->mapped = !hide;
	pthread_rwlock_unlock(&l->mapped_lock);
}

static int litmus_swallow(void *ctx, unsigned int offset, uint32_t value)
{
	(void)offset;
	((struct litmus *)ctx)->swallowed_value = value; /* before the threads */
	return 0;
}

static uint32_t guest_read(struct litmus *l, unsigned int offset)
{
	uint32_t value;

	pthread_rwlock_rdlock(&l->mapped_lock);
	if (l->mapped) {
		value = __atomic_load_n((uint32_t *)(void *)(l->r.page + offset), __ATOMIC_ACQUIRE);
		pthread_rwlock_unlock(&l->mapped_lock);
		return value;
	}
	pthread_rwlock_unlock(&l->mapped_lock);
	return (uint32_t)bus_read(&l->r.bus, MMIO_BASE + offset, 4);
}

static void guest_ack(struct litmus *l, uint32_t value)
{
	if (value == l->swallowed_value) {
		l->swallowed++;
		return;
	}
	bus_write(&l->r.bus, MMIO_BASE + VIRTIO_MMIO_INTERRUPT_ACK, 4, value);
	l->exited++;
}

/* All words of one configuration are equal. */
static void guest_reads_config(struct litmus *l)
{
	uint32_t before, after, word[NR_WORDS];

	do {
		before = guest_read(l, VIRTIO_MMIO_CONFIG_GENERATION);
		for (unsigned int i = 0; i < NR_WORDS; i++)
			word[i] = guest_read(l, VIRTIO_MMIO_CONFIG + 4 * i);
		after = guest_read(l, VIRTIO_MMIO_CONFIG_GENERATION);
	} while (before != after);
	for (unsigned int i = 1; i < NR_WORDS; i++)
		l->torn += word[i] != word[0];
	atomic_store(&l->config_seen, word[0]);
}

static void guest_takes_used(struct litmus *l)
{
	struct ring_rig *ring = &l->r.ring;

	for (;;) {
		while (l->used_seen != __atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE)) {
			l->used_seen++;
			l->done++;
		}
		__atomic_store_n(rig_used_event(ring), l->used_seen, __ATOMIC_SEQ_CST);
		if (l->used_seen == __atomic_load_n(&ring->used->idx, __ATOMIC_SEQ_CST))
			return;
	}
}

static void guest_handler(struct litmus *l)
{
	uint32_t status = guest_read(l, VIRTIO_MMIO_INTERRUPT_STATUS);

	guest_ack(l, status);
	if (status & VIRTIO_MMIO_INT_CONFIG)
		guest_reads_config(l);
	if (status & VIRTIO_MMIO_INT_VRING)
		guest_takes_used(l);
}

/* Waits for an edge. Returns false after ten seconds without one: it was lost. */
static bool guest_halts(struct litmus *l)
{
	struct timespec until;
	bool woken = true;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	pthread_mutex_lock(&l->line_lock);
	while (!atomic_load(&l->edge) && woken)
		woken = !pthread_cond_timedwait(&l->line_cond, &l->line_lock, &until);
	pthread_mutex_unlock(&l->line_lock);
	return woken;
}

/* vCPU 0: keeps the ring as full as it may be. */
static bool guest_runs(struct litmus *l)
{
	unsigned int sent = 0;

	while (l->done < LITMUS_REQUESTS) {
		unsigned int room = 1 + sent % (RIG_SIZE - 1);

		while (sent - l->done < room && sent < LITMUS_REQUESTS) {
			uint16_t idx = (uint16_t)sent, old = idx;

			l->r.ring.avail->ring[idx % RIG_SIZE] = idx % RIG_SIZE;
			__atomic_store_n(&l->r.ring.avail->idx, (uint16_t)(idx + 1),
					 __ATOMIC_SEQ_CST);
			sent++;
			if (vring_need_event(__atomic_load_n(rig_avail_event(&l->r.ring),
							     __ATOMIC_SEQ_CST),
					     (uint16_t)(idx + 1), old))
				virtio_kick(l->r.device, 0); /* as the ioeventfd does */
		}
		if (!guest_halts(l))
			return false;
		while (atomic_exchange(&l->edge, 0))
			guest_handler(l);
	}
	return true;
}

static void *litmus_loop(void *arg)
{
	loop_run(&((struct litmus *)arg)->r.loop);
	return NULL;
}

static void *litmus_config(void *arg)
{
	struct litmus *l = arg;
	uint32_t word[NR_WORDS], last = 0;

	for (uint32_t n = 1; !atomic_load(&l->over); n++) {
		for (unsigned int i = 0; i < NR_WORDS; i++)
			word[i] = n;
		virtio_set_config(l->r.device, 0, word, sizeof(word));
		last = n;
		if (n % 4)
			continue; /* several in a row, then wait until the last one was seen */
		while (atomic_load(&l->config_seen) != n && !atomic_load(&l->over))
			usleep(10);
	}
	return (void *)(uintptr_t)last;
}

static void litmus_set_up(struct litmus *l)
{
	uint32_t config[NR_WORDS] = { 0 };

	mmio_rig_begin(&l->r);
	l->r.host = (struct virtio_mmio_host){ .pulse = litmus_pulse,
					       .show_page = litmus_show,
					       .hide_page = litmus_hide,
					       .swallow = litmus_swallow,
					       .ctx = l };
	pthread_mutex_init(&l->line_lock, NULL);
	pthread_cond_init(&l->line_cond, NULL);
	pthread_rwlock_init(&l->mapped_lock, NULL);
	assert_int_equal(virtio_init(&l->echo.v, &echo_ops, &l->r.ring.mem, &l->r.loop, 1, RIG_SIZE,
				     0, config, sizeof(config)),
			 0);
	mmio_rig_plug(&l->r, &l->echo.v);
	for (uint16_t i = 0; i < RIG_SIZE; i++)
		rig_desc(&l->r.ring, i, RIG_DATA_GPA, 4, 0, 0);
	go_live(&l->r, FEATURE_EVENT_IDX);
}

static void no_interrupt_is_lost(void **state)
{
	struct litmus *l = calloc(1, sizeof(*l));
	pthread_t loop, config;
	void *last;
	bool ok;

	(void)state;
	litmus_set_up(l);
	pthread_create(&loop, NULL, litmus_loop, l);
	pthread_create(&config, NULL, litmus_config, l);
	ok = guest_runs(l);
	atomic_store(&l->over, true);
	pthread_join(config, &last);
	/* The last change is still visible, whatever it coincided with. */
	while (ok && atomic_load(&l->config_seen) != (uintptr_t)last) {
		ok = guest_halts(l);
		while (atomic_exchange(&l->edge, 0))
			guest_handler(l);
	}
	loop_stop(&l->r.loop);
	pthread_join(loop, NULL);
	print_message("%u requests, %zu configurations; ACKs: %u swallowed, %u exits\n", l->done,
		      (size_t)(uintptr_t)last, l->swallowed, l->exited);
	assert_true(ok);
	assert_int_equal(l->torn, 0);
	assert_int_equal(l->done, LITMUS_REQUESTS);
	assert_true(l->swallowed > 0 && l->exited > 0);
	assert_true((uintptr_t)last > 10);
	virtio_fini(&l->echo.v);
	mmio_rig_end(&l->r);
	free(l);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(it_says_what_it_is),
		T(features_are_seen_by_halves),
		T(features_not_offered_are_refused),
		T(features_are_fixed_then_and_gone_after_a_reset),
		T(status_bits_are_only_added),
		T(queues_are_set_up_in_their_time_only),
		T(queue_select_is_checked_everywhere),
		T(a_bad_queue_does_not_start),
		T(widths_other_than_four_are_for_the_configuration),
		T(used_buffers_interrupt_and_ack_clears),
		T(shown_the_used_bit_stays),
		T(a_configuration_change_takes_the_slow_way),
		T(nonsense_breaks_the_device_until_its_reset),
		T(one_queue_is_reset_alone),
		T(kicks_are_routed_once_and_before_driver_ok_remembered),
		cmocka_unit_test(no_interrupt_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
