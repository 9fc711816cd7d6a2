/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the entropy device: it fills buffers, writes none beyond its end, and returns odd chains.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/mmio_rig.h"
#include "virtio/rng.h"

#include <pthread.h>
#include <stdatomic.h>

#define BUF_GPA 0x20000

struct fix {
	struct mmio_rig r;
	struct virtio_device v;
	uint8_t *buf;
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	mmio_rig_begin(&f->r);
	f->buf = gmem_at(&f->r.ring.mem, BUF_GPA, 65536);
	assert_int_equal(rng_init(&f->v, &f->r.ring.mem, &f->r.loop), 0);
	mmio_rig_plug(&f->r, &f->v);
	go_live(&f->r, 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	virtio_fini(&f->v);
	mmio_rig_end(&f->r);
	free(f);
	return 0;
}

static uint32_t request(struct fix *f, uint16_t head)
{
	uint16_t at = f->r.ring.used->idx;

	rig_avail(&f->r.ring, head);
	wr(&f->r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	turn(&f->r);
	assert_int_equal(f->r.ring.used->idx, (uint16_t)(at + 1));
	assert_int_equal(f->r.ring.used->ring[at % RIG_SIZE].id, head);
	return f->r.ring.used->ring[at % RIG_SIZE].len;
}

static unsigned int zeroes(const uint8_t *bytes, unsigned int len)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < len; i++)
		nr += !bytes[i];
	return nr;
}

static void buffers_are_filled(void **state)
{
	struct fix *f = *state;

	assert_int_equal(rd(&f->r, VIRTIO_MMIO_DEVICE_ID), 4);
	rig_desc(&f->r.ring, 0, BUF_GPA, 600, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	rig_desc(&f->r.ring, 1, BUF_GPA + 1000, 400, VRING_DESC_F_WRITE, 0);
	assert_int_equal(request(f, 0), 1000);
	assert_true(zeroes(f->buf, 600) < 60);
	assert_true(zeroes(f->buf + 1000, 400) < 40);
	assert_int_equal(zeroes(f->buf + 600, 400), 400);
	assert_int_equal(zeroes(f->buf + 1400, 400), 400);
	assert_int_equal(f->r.pulses, 1);
}

static void a_request_gets_so_much_and_no_more(void **state)
{
	struct fix *f = *state;

	rig_desc(&f->r.ring, 0, BUF_GPA, 4000, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	rig_desc(&f->r.ring, 1, BUF_GPA + 8192, 50000, VRING_DESC_F_WRITE, 0);
	assert_int_equal(request(f, 0), 4096);
	assert_int_equal(zeroes(f->buf + 8192 + 96, 4000), 4000);
}

static void chains_with_no_room_are_returned(void **state)
{
	struct fix *f = *state;

	rig_desc(&f->r.ring, 2, BUF_GPA, 64, 0, 0);
	assert_int_equal(request(f, 2), 0);
	rig_desc(&f->r.ring, 3, BUF_GPA, 0, VRING_DESC_F_WRITE, 0);
	assert_int_equal(request(f, 3), 0);
	assert_int_equal(zeroes(f->buf, 64), 64);
}

/*
 * Takes a buffer back as soon as its used entry is there, before the index covers it, and offers it
 * again.
 */
struct greedy {
	struct fix *f;
	_Atomic bool over;
};

static void *be_greedy(void *ctx)
{
	struct greedy *g = ctx;
	struct ring_rig *ring = &g->f->r.ring;

	for (unsigned int n = 0; !atomic_load(&g->over);) {
		uint32_t *id = &ring->used->ring[n % RIG_SIZE].id;
		uint32_t head = __atomic_load_n(id, __ATOMIC_ACQUIRE);

		if (head == UINT32_MAX)
			continue;
		__atomic_store_n(id, UINT32_MAX, __ATOMIC_RELAXED);
		rig_avail(ring, (uint16_t)head);
		n++;
	}
	return NULL;
}

static void a_greedy_driver_lets_others_have_their_turn(void **state)
{
	struct greedy g = { .f = *state };
	struct mmio_rig *r = &g.f->r;
	pthread_t thread;

	for (uint16_t i = 0; i < RIG_SIZE; i++) {
		r->ring.used->ring[i].id = UINT32_MAX;
		rig_desc(&r->ring, i, BUF_GPA + i * 64U, 1, VRING_DESC_F_WRITE, 0);
		rig_avail(&r->ring, i);
	}
	assert_int_equal(pthread_create(&thread, NULL, be_greedy, &g), 0);
	wr(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	for (unsigned int i = 0; i < 100; i++)
		turn(r); /* returns, or the test times out */
	atomic_store(&g.over, true);
	pthread_join(thread, NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(buffers_are_filled),
		T(a_request_gets_so_much_and_no_more),
		T(chains_with_no_room_are_returned),
		T(a_greedy_driver_lets_others_have_their_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
