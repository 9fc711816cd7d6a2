/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the virtqueue against a driver: correct chains, and one test for each rule in virtqueue.h's
 * list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/virtio_rig.h"

#include <errno.h>
#include <stdlib.h>

#define F_NEXT VRING_DESC_F_NEXT
#define F_WRITE VRING_DESC_F_WRITE
#define F_INDIRECT VRING_DESC_F_INDIRECT
#define CAP 32

struct fix {
	struct ring_rig rig;
	struct virtqueue vq;
	struct iovec iov[CAP];
	struct vq_chain c;
};

static void begin(struct fix *f, bool event_idx, bool indirect)
{
	f->vq.size = RIG_SIZE;
	f->vq.desc_gpa = RIG_DESC_GPA;
	f->vq.driver_gpa = RIG_AVAIL_GPA;
	f->vq.device_gpa = RIG_USED_GPA;
	assert_int_equal(vq_start(&f->vq, event_idx, indirect), 0);
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	rig_init(&f->rig);
	vq_init(&f->vq, &f->rig.mem, 256);
	f->c = (struct vq_chain){ .iov = f->iov, .iov_cap = CAP };
	begin(f, false, true);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	rig_fini(&f->rig);
	free(f);
	return 0;
}

static void refused(struct fix *f, const char *why)
{
	assert_int_equal(vq_pop(&f->vq, &f->c), -EPROTO);
	assert_string_equal(f->vq.why, why);
	/* Permanently: even if the driver then behaves correctly. */
	rig_desc(&f->rig, 7, RIG_DATA_GPA, 4, 0, 0);
	rig_avail(&f->rig, 7);
	assert_int_equal(vq_pop(&f->vq, &f->c), -EPROTO);
	assert_false(vq_has_work(&f->vq));
}

static void a_chain_comes_as_two_iovecs(void **state)
{
	struct fix *f = *state;
	uint8_t *mem = gmem_at(&f->rig.mem, 0, 1);

	rig_desc(&f->rig, 3, RIG_DATA_GPA, 16, F_NEXT, 1);
	rig_desc(&f->rig, 1, RIG_DATA_GPA + 0x100, 0, F_NEXT, 0); /* empty: no piece */
	rig_desc(&f->rig, 0, RIG_DATA_GPA + 0x200, 512, F_NEXT, 5);
	rig_desc(&f->rig, 5, RIG_HIGH_GPA, 4096, F_NEXT | F_WRITE, 6);
	rig_desc(&f->rig, 6, RIG_DATA_GPA + 0x400, 1, F_WRITE, 77);
	assert_int_equal(vq_pop(&f->vq, &f->c), 0);
	assert_false(vq_has_work(&f->vq));
	rig_avail(&f->rig, 3);
	assert_true(vq_has_work(&f->vq));
	assert_int_equal(vq_pop(&f->vq, &f->c), 1);
	assert_int_equal(f->c.head, 3);
	assert_int_equal(f->c.nr_readable, 2);
	assert_int_equal(f->c.nr_writable, 2);
	assert_int_equal(f->c.readable_bytes, 528);
	assert_int_equal(f->c.writable_bytes, 4097);
	assert_ptr_equal(f->iov[0].iov_base, mem + RIG_DATA_GPA);
	assert_ptr_equal(f->iov[1].iov_base, mem + RIG_DATA_GPA + 0x200);
	assert_int_equal(f->iov[1].iov_len, 512);
	assert_ptr_equal(f->iov[2].iov_base, gmem_at(&f->rig.mem, RIG_HIGH_GPA, 1));
	assert_int_equal(f->iov[3].iov_len, 1);
	assert_int_equal(vq_pop(&f->vq, &f->c), 0);
}

static void an_indirect_table_may_follow_a_chain(void **state)
{
	struct fix *f = *state;

	f->rig.indirect[0] = (struct vring_desc){ RIG_DATA_GPA, 8, F_NEXT, 2 };
	f->rig.indirect[2] = (struct vring_desc){ RIG_DATA_GPA + 8, 8, F_WRITE, 0 };
	rig_desc(&f->rig, 0, RIG_DATA_GPA + 64, 4, F_NEXT, 4);
	/* WRITE: ignored */
	rig_desc(&f->rig, 4, RIG_INDIRECT_GPA, 3 * 16, F_INDIRECT | F_WRITE, 0);
	rig_avail(&f->rig, 0);
	assert_int_equal(vq_pop(&f->vq, &f->c), 1);
	assert_int_equal(f->c.readable_bytes, 12);
	assert_int_equal(f->c.writable_bytes, 8);
	assert_int_equal(f->c.head, 0);
}

/* Its descriptors are read as bytes. Otherwise clang's UBSan reports it, in the fuzz target. */
static void an_indirect_table_may_begin_at_an_odd_byte(void **state)
{
	struct fix *f = *state;
	struct vring_desc table[] = {
		{ RIG_DATA_GPA, 8, F_NEXT, 1 },
		{ RIG_DATA_GPA + 8, 16, F_WRITE, 0 },
	};

	memcpy((uint8_t *)f->rig.indirect + 1, table, sizeof(table));
	rig_desc(&f->rig, 4, RIG_INDIRECT_GPA + 1, sizeof(table), F_INDIRECT, 0);
	rig_avail(&f->rig, 4);
	assert_int_equal(vq_pop(&f->vq, &f->c), 1);
	assert_int_equal(f->c.readable_bytes, 8);
	assert_int_equal(f->c.writable_bytes, 16);
}

static void used_buffers_are_seen_when_published(void **state)
{
	struct fix *f = *state;

	rig_desc(&f->rig, 2, RIG_DATA_GPA, 4, F_WRITE, 0);
	rig_desc(&f->rig, 4, RIG_DATA_GPA, 4, F_WRITE, 0);
	rig_avail(&f->rig, 2);
	rig_avail(&f->rig, 4);
	assert_int_equal(vq_pop(&f->vq, &f->c), 1);
	assert_int_equal(vq_pop(&f->vq, &f->c), 1);
	assert_false(vq_publish(&f->vq));
	vq_push(&f->vq, 4, 3);
	vq_push(&f->vq, 2, 1);
	assert_int_equal(f->rig.used->idx, 0);
	assert_true(vq_publish(&f->vq));
	assert_int_equal(f->rig.used->idx, 2);
	assert_int_equal(f->rig.used->ring[0].id, 4);
	assert_int_equal(f->rig.used->ring[0].len, 3);
	assert_int_equal(f->rig.used->ring[1].id, 2);
	assert_false(vq_publish(&f->vq));
}

static void a_chain_is_returned_once(void **state)
{
	struct fix *f = *state;

	rig_desc(&f->rig, 2, RIG_DATA_GPA, 4, F_WRITE, 0);
	rig_avail(&f->rig, 2);
	assert_int_equal(vq_pop(&f->vq, &f->c), 1);
	vq_push(&f->vq, 2, 0);
	vq_push(&f->vq, 2, 0);
	vq_push(&f->vq, 3, 0);
	vq_push(&f->vq, 65535, 0);
	assert_true(vq_publish(&f->vq));
	assert_int_equal(f->rig.used->idx, 1);
}

static void unpop_gives_the_chain_again(void **state)
{
	struct fix *f = *state;

	rig_desc(&f->rig, 2, RIG_DATA_GPA, 4, F_WRITE, 0);
	rig_avail(&f->rig, 2);
	assert_int_equal(vq_pop(&f->vq, &f->c), 1);
	vq_unpop(&f->vq, &f->c);
	assert_int_equal(vq_pop(&f->vq, &f->c), 1);
	assert_int_equal(f->c.head, 2);
}

static void indices_wrap(void **state)
{
	struct fix *f = *state;

	rig_desc(&f->rig, 1, RIG_DATA_GPA, 4, F_WRITE, 0);
	for (unsigned int i = 0; i < 70000; i++) {
		rig_avail(&f->rig, 1);
		assert_int_equal(vq_pop(&f->vq, &f->c), 1);
		vq_push(&f->vq, 1, i);
		assert_true(vq_publish(&f->vq));
		assert_int_equal(f->rig.used->ring[i % RIG_SIZE].len, i);
	}
	assert_int_equal(f->rig.used->idx, 70000 - 65536);
}

static void flags_suppress_interrupts_and_kicks(void **state)
{
	struct fix *f = *state;

	rig_desc(&f->rig, 1, RIG_DATA_GPA, 4, F_WRITE, 0);
	vq_disable_notify(&f->vq);
	assert_int_equal(f->rig.used->flags, VRING_USED_F_NO_NOTIFY);
	rig_avail(&f->rig, 1);
	assert_true(vq_enable_notify(&f->vq));
	assert_int_equal(f->rig.used->flags, 0);
	assert_int_equal(vq_pop(&f->vq, &f->c), 1);
	assert_false(vq_enable_notify(&f->vq));
	assert_false(vq_is_polled(&f->vq, 1));
	f->rig.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	assert_true(vq_is_polled(&f->vq, 1));
	vq_push(&f->vq, 1, 0);
	assert_false(vq_publish(&f->vq));
	assert_int_equal(f->rig.used->idx, 1);
}

static void event_indices_suppress_too(void **state)
{
	struct fix *f = *state;

	vq_reset(&f->vq);
	begin(f, true, true);
	rig_desc(&f->rig, 1, RIG_DATA_GPA, 4, F_WRITE, 0);
	rig_desc(&f->rig, 2, RIG_DATA_GPA, 4, F_WRITE, 0);
	*rig_used_event(&f->rig) = 1;			  /* from the second on */
	f->rig.avail->flags = VRING_AVAIL_F_NO_INTERRUPT; /* has no meaning then */
	rig_avail(&f->rig, 1);
	rig_avail(&f->rig, 2);
	assert_int_equal(vq_pop(&f->vq, &f->c), 1);
	assert_int_equal(vq_pop(&f->vq, &f->c), 1);
	assert_false(vq_enable_notify(&f->vq));
	assert_int_equal(*rig_avail_event(&f->rig), 2);
	assert_true(vq_is_polled(&f->vq, 1));
	assert_false(vq_is_polled(&f->vq, 2));
	vq_push(&f->vq, 1, 0);
	assert_false(vq_is_polled(&f->vq, 1));
	assert_false(vq_publish(&f->vq));
	vq_push(&f->vq, 2, 0);
	assert_false(vq_is_polled(&f->vq, 0));
	assert_true(vq_publish(&f->vq));
	assert_true(vq_is_polled(&f->vq, 100));
}

/* ---- starting --------------------------------------------------------------------------- */

static int try_start(struct fix *f, uint16_t size, gpa_t desc, gpa_t driver, gpa_t device)
{
	int err;

	vq_reset(&f->vq);
	f->vq.size = size;
	f->vq.desc_gpa = desc;
	f->vq.driver_gpa = driver;
	f->vq.device_gpa = device;
	err = vq_start(&f->vq, true, true);
	assert_int_equal(f->vq.ready, !err);
	return err;
}

static void bad_places_and_sizes_do_not_start(void **state)
{
	static const uint16_t sizes[] = { 0, 3, 255, 257, 512, 65535 };
	gpa_t end = RIG_MEM_BYTES;
	struct fix *f = *state;

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++)
		assert_int_equal(try_start(f, sizes[i], RIG_DESC_GPA, RIG_AVAIL_GPA, RIG_USED_GPA),
				 -EINVAL);
	assert_int_equal(try_start(f, 8, RIG_DESC_GPA + 8, RIG_AVAIL_GPA, RIG_USED_GPA), -EINVAL);
	assert_int_equal(try_start(f, 8, RIG_DESC_GPA, RIG_AVAIL_GPA + 1, RIG_USED_GPA), -EINVAL);
	assert_int_equal(try_start(f, 8, RIG_DESC_GPA, RIG_AVAIL_GPA, RIG_USED_GPA + 2), -EINVAL);
	/* One byte too far, the event field included. */
	assert_int_equal(try_start(f, 8, end - 16 * 8 + 16, RIG_AVAIL_GPA, RIG_USED_GPA), -EINVAL);
	assert_int_equal(try_start(f, 8, RIG_DESC_GPA, end - 20, RIG_USED_GPA), -EINVAL);
	assert_int_equal(try_start(f, 8, RIG_DESC_GPA, RIG_AVAIL_GPA, end - 68), -EINVAL);
	assert_int_equal(try_start(f, 8, UINT64_MAX - 15, RIG_AVAIL_GPA, RIG_USED_GPA), -EINVAL);
	assert_int_equal(try_start(f, 8, end - 16 * 8, end - 22, RIG_USED_GPA), 0);
	assert_int_equal(try_start(f, 1, RIG_DESC_GPA, RIG_AVAIL_GPA, RIG_HIGH_GPA), 0);
}

static void pieces_are_filled_and_emptied(void **state)
{
	char a[3] = "", b[2] = "", text[8] = "";
	struct iovec iov[] = { { a, 3 }, { b, 2 } }, *at = iov;
	unsigned int nr = 2;

	(void)state;
	assert_int_equal(vq_iov_push(iov, 2, 0, "abcd", 4), 4);
	assert_int_equal(vq_iov_push(iov, 2, 4, "efgh", 4), 1); /* no room remains */
	assert_int_equal(vq_iov_push(iov, 2, 5, "x", 1), 0);
	assert_int_equal(vq_iov_push(iov, 0, 0, "x", 1), 0);
	assert_true(vq_iov_pull(&at, &nr, text, 4));
	assert_string_equal(text, "abcd");
	assert_int_equal(nr, 1);
	assert_false(vq_iov_pull(&at, &nr, text, 2));
	assert_int_equal(b[1], 'e');
}

/* ---- the rules --------------------------------------------------------------------------- */

static void rule_avail_jump(void **state)
{
	struct fix *f = *state;

	f->rig.avail->idx = RIG_SIZE + 1;
	refused(f, "the available index jumped");
}

static void rule_avail_backwards(void **state)
{
	struct fix *f = *state;

	f->rig.avail->idx = 65535;
	refused(f, "the available index jumped");
}

static void rule_head_range(void **state)
{
	struct fix *f = *state;

	rig_avail(&f->rig, RIG_SIZE);
	refused(f, "a head beyond the queue");
}

static void rule_head_in_flight(void **state)
{
	struct fix *f = *state;

	rig_desc(&f->rig, 2, RIG_DATA_GPA, 4, 0, 0);
	rig_avail(&f->rig, 2);
	assert_int_equal(vq_pop(&f->vq, &f->c), 1);
	rig_avail(&f->rig, 2);
	refused(f, "a head that is in flight already");
}

static void rule_loop(void **state)
{
	struct fix *f = *state;

	rig_desc(&f->rig, 0, RIG_DATA_GPA, 4, F_NEXT, 1);
	rig_desc(&f->rig, 1, RIG_DATA_GPA, 4, F_NEXT, 0);
	rig_avail(&f->rig, 0);
	refused(f, "a chain that loops");
}

static void rule_loop_to_itself_without_bytes(void **state)
{
	struct fix *f = *state;

	rig_desc(&f->rig, 0, RIG_DATA_GPA, 0, F_NEXT, 0);
	rig_avail(&f->rig, 0);
	refused(f, "a chain that loops");
}

static void rule_indirect_loop(void **state)
{
	struct fix *f = *state;

	f->rig.indirect[0] = (struct vring_desc){ RIG_DATA_GPA, 0, F_NEXT, 1 };
	f->rig.indirect[1] = (struct vring_desc){ RIG_DATA_GPA, 0, F_NEXT, 0 };
	rig_desc(&f->rig, 0, RIG_INDIRECT_GPA, 2 * 16, F_INDIRECT, 0);
	rig_avail(&f->rig, 0);
	refused(f, "a chain that loops");
}

/* 2.7.5.3.1: no longer than the queue, however large the indirect table is. */
static void rule_indirect_length(void **state)
{
	struct fix *f = *state;
	struct vring_desc *table = gmem_at(&f->rig.mem, RIG_DATA_GPA, 300 * 16);

	for (uint16_t i = 0; i < 300; i++)
		table[i] = (struct vring_desc){ RIG_DATA_GPA, 0, F_NEXT, i + 1 };
	table[255].flags = 0;
	rig_desc(&f->rig, 0, RIG_DATA_GPA, 300 * 16, F_INDIRECT, 0);
	rig_avail(&f->rig, 0);
	assert_int_equal(vq_pop(&f->vq, &f->c), 1);
	assert_int_equal(f->c.nr_descs, 256);
	table[255].flags = F_NEXT;
	table[256].flags = 0;
	rig_desc(&f->rig, 1, RIG_DATA_GPA, 300 * 16, F_INDIRECT, 0);
	rig_avail(&f->rig, 1);
	refused(f, "a chain that loops");
}

static void rule_next_range(void **state)
{
	struct fix *f = *state;

	rig_desc(&f->rig, 0, RIG_DATA_GPA, 4, F_NEXT, RIG_SIZE);
	rig_avail(&f->rig, 0);
	refused(f, "a descriptor index beyond its table");
}

static void rule_indirect_next_range(void **state)
{
	struct fix *f = *state;

	f->rig.indirect[0] = (struct vring_desc){ RIG_DATA_GPA, 4, F_NEXT, 3 };
	rig_desc(&f->rig, 0, RIG_INDIRECT_GPA, 3 * 16, F_INDIRECT, 0);
	rig_avail(&f->rig, 0);
	refused(f, "a descriptor index beyond its table");
}

static void rule_indirect_unasked(void **state)
{
	struct fix *f = *state;

	vq_reset(&f->vq);
	begin(f, false, false);
	rig_desc(&f->rig, 0, RIG_INDIRECT_GPA, 16, F_INDIRECT, 0);
	rig_avail(&f->rig, 0);
	refused(f, "an indirect descriptor that was not negotiated");
}

static void rule_indirect_in_indirect(void **state)
{
	struct fix *f = *state;

	f->rig.indirect[0] = (struct vring_desc){ RIG_INDIRECT_GPA, 16, F_INDIRECT, 0 };
	rig_desc(&f->rig, 0, RIG_INDIRECT_GPA, 16, F_INDIRECT, 0);
	rig_avail(&f->rig, 0);
	refused(f, "an indirect table inside another");
}

static void rule_indirect_with_next(void **state)
{
	struct fix *f = *state;

	rig_desc(&f->rig, 0, RIG_INDIRECT_GPA, 16, F_INDIRECT | F_NEXT, 1);
	rig_avail(&f->rig, 0);
	refused(f, "an indirect descriptor with NEXT");
}

static void indirect_length(struct fix *f, uint32_t len)
{
	rig_desc(&f->rig, 0, RIG_INDIRECT_GPA, len, F_INDIRECT, 0);
	rig_avail(&f->rig, 0);
	refused(f, "an indirect table of a bad length");
}

static void rule_indirect_empty(void **state)
{
	indirect_length(*state, 0);
}

static void rule_indirect_partial(void **state)
{
	indirect_length(*state, 17);
}

static void rule_indirect_huge(void **state)
{
	indirect_length(*state, 32769 * 16);
}

static void rule_indirect_outside(void **state)
{
	struct fix *f = *state;

	rig_desc(&f->rig, 0, RIG_MEM_BYTES - 16, 32, F_INDIRECT, 0);
	rig_avail(&f->rig, 0);
	refused(f, "an indirect table outside guest memory");
}

static void rule_writable_first(void **state)
{
	struct fix *f = *state;

	rig_desc(&f->rig, 0, RIG_DATA_GPA, 4, F_NEXT | F_WRITE, 1);
	rig_desc(&f->rig, 1, RIG_DATA_GPA, 4, 0, 0);
	rig_avail(&f->rig, 0);
	refused(f, "a readable descriptor after a writable one");
}

static void outside(struct fix *f, gpa_t addr, uint32_t len)
{
	rig_desc(&f->rig, 0, addr, len, 0, 0);
	rig_avail(&f->rig, 0);
	refused(f, "a buffer outside guest memory");
}

static void rule_buffer_in_the_hole(void **state)
{
	outside(*state, 0xd0000000, 4);
}

static void rule_buffer_over_the_end(void **state)
{
	outside(*state, RIG_MEM_BYTES - 4, 5);
}

static void rule_buffer_wraps(void **state)
{
	outside(*state, UINT64_MAX - 3, 8);
}

static void rule_sum_of_lengths(void **state)
{
	struct fix *f = *state;

	/* Each buffer is in memory, but the sum of their lengths would overflow 32 bits. */
	rig_desc(&f->rig, 0, RIG_HIGH_GPA, 2 * GIB - 1, F_NEXT, 1);
	rig_desc(&f->rig, 1, RIG_HIGH_GPA, 2 * GIB, F_WRITE, 0);
	rig_avail(&f->rig, 0);
	assert_int_equal(vq_pop(&f->vq, &f->c), 1);
	assert_int_equal(f->c.readable_bytes + f->c.writable_bytes, UINT32_MAX);
	rig_desc(&f->rig, 2, RIG_HIGH_GPA, 2 * GIB, F_NEXT, 1);
	rig_avail(&f->rig, 2);
	refused(f, "a chain of 4 GiB or more");
}

static void rule_iovec_is_full(void **state)
{
	struct fix *f = *state;

	f->c.iov_cap = 2;
	for (uint16_t i = 0; i < 3; i++)
		rig_desc(&f->rig, i, RIG_DATA_GPA, 4, i < 2 ? F_NEXT : 0, (uint16_t)(i + 1));
	rig_avail(&f->rig, 0);
	refused(f, "a chain of more pieces than the device takes");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_chain_comes_as_two_iovecs),
		T(an_indirect_table_may_follow_a_chain),
		T(an_indirect_table_may_begin_at_an_odd_byte),
		T(used_buffers_are_seen_when_published),
		T(a_chain_is_returned_once),
		T(unpop_gives_the_chain_again),
		T(indices_wrap),
		T(flags_suppress_interrupts_and_kicks),
		T(event_indices_suppress_too),
		T(bad_places_and_sizes_do_not_start),
		T(pieces_are_filled_and_emptied),
		T(rule_avail_jump),
		T(rule_avail_backwards),
		T(rule_head_range),
		T(rule_head_in_flight),
		T(rule_loop),
		T(rule_loop_to_itself_without_bytes),
		T(rule_indirect_loop),
		T(rule_indirect_length),
		T(rule_next_range),
		T(rule_indirect_next_range),
		T(rule_indirect_unasked),
		T(rule_indirect_in_indirect),
		T(rule_indirect_with_next),
		T(rule_indirect_empty),
		T(rule_indirect_partial),
		T(rule_indirect_huge),
		T(rule_indirect_outside),
		T(rule_writable_first),
		T(rule_buffer_in_the_hole),
		T(rule_buffer_over_the_end),
		T(rule_buffer_wraps),
		T(rule_sum_of_lengths),
		T(rule_iovec_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
