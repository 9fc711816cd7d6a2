/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the bus: refused registrations, dispatch, splitting of wide accesses, accesses without a
 * device.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/bus.h"

#include <errno.h>
#include <string.h>

/* Records the last access; each byte of a read is the offset plus a base. */
struct recorder {
	uint64_t offset, value;
	unsigned int size, nr;
	uint8_t answer;
};

static uint64_t rec_read(void *dev, uint64_t offset, unsigned int size)
{
	struct recorder *r = dev;
	uint64_t value = 0;

	r->offset = offset;
	r->size = size;
	r->nr++;
	for (unsigned int i = 0; i < size; i++)
		value |= (uint64_t)(r->answer + offset + i) << (8 * i);
	return value;
}

static void rec_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct recorder *r = dev;

	r->offset = offset;
	r->size = size;
	r->value = value;
	r->nr++;
}

static const struct bus_ops ops8 = { rec_read, rec_write, 1 };
static const struct bus_ops ops32 = { rec_read, rec_write, 4 };

static void insert_refuses_overlap_and_nonsense(void **state)
{
	struct recorder r = { 0 };
	struct bus b;

	(void)state;
	assert_int_equal(bus_init(&b, BUS_PIO), 0);
	assert_int_equal(bus_insert(&b, 0x3f8, 8, &ops8, &r, "a"), 0);
	assert_int_equal(bus_insert(&b, 0x3ff, 1, &ops8, &r, "b"), -EEXIST);
	assert_int_equal(bus_insert(&b, 0x3f0, 9, &ops8, &r, "b"), -EEXIST);
	assert_int_equal(bus_insert(&b, 0x300, 0x200, &ops8, &r, "b"), -EEXIST);
	assert_int_equal(bus_insert(&b, 0x400, 0, &ops8, &r, "b"), -EINVAL);
	assert_int_equal(bus_insert(&b, 0xffff, 2, &ops8, &r, "b"), -EINVAL);
	assert_int_equal(bus_insert(&b, UINT64_MAX, 2, &ops8, &r, "b"), -EINVAL);
	assert_int_equal(bus_insert(&b, 0x400, 1, &ops8, &r, "b"), 0);
	assert_int_equal(bus_insert(&b, 0x3f7, 1, &ops8, &r, "b"), 0);
	assert_int_equal(bus_insert(&b, 0xffff, 1, &ops8, &r, "b"), 0);
	bus_fini(&b);
}

static void table_full_is_an_error(void **state)
{
	struct recorder r = { 0 };
	struct bus b;

	(void)state;
	assert_int_equal(bus_init(&b, BUS_PIO), 0);
	for (unsigned int i = 0; i < BUS_MAX_RANGES; i++)
		assert_int_equal(bus_insert(&b, i, 1, &ops8, &r, "x"), 0);
	assert_int_equal(bus_insert(&b, BUS_MAX_RANGES, 1, &ops8, &r, "x"), -ENOSPC);
	assert_int_equal(bus_read(&b, BUS_MAX_RANGES - 1, 1), 0);
	bus_fini(&b);
}

static void ports_dispatch_by_offset(void **state)
{
	struct recorder r = { .answer = 0x10 };
	struct bus b;

	(void)state;
	assert_int_equal(bus_init(&b, BUS_PIO), 0);
	assert_int_equal(bus_insert(&b, 0x3f8, 8, &ops8, &r, "a"), 0);
	assert_int_equal(bus_read(&b, 0x3fd, 1), 0x15);
	assert_int_equal(r.offset, 5);
	bus_write(&b, 0x3f8, 1, 0x41);
	assert_int_equal(r.value, 0x41);
	assert_int_equal(r.size, 1);
	bus_fini(&b);
}

static void wide_port_access_is_split_over_devices(void **state)
{
	struct recorder a = { .answer = 0x10 }, c = { .answer = 0x50 };
	struct bus b;

	(void)state;
	assert_int_equal(bus_init(&b, BUS_PIO), 0);
	assert_int_equal(bus_insert(&b, 0x70, 2, &ops8, &a, "a"), 0);
	assert_int_equal(bus_insert(&b, 0x73, 1, &ops8, &c, "c"), 0);
	/* 0x72 has no device */
	assert_int_equal(bus_read(&b, 0x70, 4), 0x50ff1110);
	assert_int_equal(b.nr_unclaimed, 1);
	bus_write(&b, 0x70, 4, 0xdd00bbaa);
	assert_int_equal(a.value, 0xbb);
	assert_int_equal(c.value, 0xdd);
	/* a wide device's range is not overrun */
	assert_int_equal(bus_insert(&b, 0xf4, 4, &ops32, &a, "w"), 0);
	assert_int_equal(bus_read(&b, 0xf4, 4), 0x13121110);
	assert_int_equal(a.size, 4);
	assert_int_equal(bus_read(&b, 0xf6, 4), 0xffff1312);
	bus_fini(&b);
}

static void nobody_reads_as_ones(void **state)
{
	struct bus b;

	(void)state;
	assert_int_equal(bus_init(&b, BUS_PIO), 0);
	assert_int_equal(bus_read(&b, 0x1234, 1), 0xff);
	assert_int_equal(bus_read(&b, 0x1234, 2), 0xffff);
	assert_int_equal(bus_read(&b, 0x1234, 4), 0xffffffff);
	assert_int_equal(bus_read(&b, 0xffff, 4), 0xffffffff);
	assert_int_equal(bus_read(&b, 0x10000000, 1), 0xff);
	bus_write(&b, 0x1234, 4, 1);
	assert_true(b.nr_unclaimed >= 4);
	bus_fini(&b);
	assert_int_equal(bus_init(&b, BUS_MMIO), 0);
	assert_true(bus_read(&b, 0xd0000000, 8) == UINT64_MAX);
	bus_fini(&b);
}

static void mmio_finds_every_range(void **state)
{
	struct recorder r[40] = { 0 };
	struct bus b;

	(void)state;
	assert_int_equal(bus_init(&b, BUS_MMIO), 0);
	/* inserted out of order, every other 4 KiB */
	for (unsigned int i = 0; i < 40; i++) {
		unsigned int at = (i * 7) % 40;

		assert_int_equal(bus_insert(&b, 0xd0000000 + at * 0x2000ULL, 0x1000, &ops32, &r[at],
					    "v"),
				 0);
	}
	for (unsigned int i = 0; i < 40; i++) {
		bus_write(&b, 0xd0000000 + i * 0x2000ULL + 0xffc, 4, i);
		assert_int_equal(r[i].offset, 0xffc);
		assert_int_equal(r[i].value, i);
		bus_write(&b, 0xd0000000 + i * 0x2000ULL + 0x1000, 4, i);
		assert_int_equal(r[i].nr, 1);
	}
	assert_int_equal(b.nr_unclaimed, 40);
	/* beside the first and the last of them */
	assert_int_equal(bus_read(&b, 0xd0000000 - 4, 4), 0xffffffff);
	assert_int_equal(bus_read(&b, 0xd0000000 + 39 * 0x2000ULL + 0x1000, 4), 0xffffffff);
	assert_int_equal(bus_read(&b, 0, 4), 0xffffffff);
	assert_true(bus_read(&b, UINT64_MAX - 7, 8) == UINT64_MAX);
	assert_int_equal(b.nr_unclaimed, 44);
	bus_fini(&b);
}

static void mmio_access_that_does_not_fit_is_nobodys(void **state)
{
	struct recorder r = { 0 };
	struct bus b;

	(void)state;
	assert_int_equal(bus_init(&b, BUS_MMIO), 0);
	assert_int_equal(bus_insert(&b, 0x1000, 0x1000, &ops32, &r, "v"), 0);
	assert_true(bus_read(&b, 0x1000, 8) == UINT64_MAX);    /* wider than the device */
	assert_int_equal(bus_read(&b, 0x1ffe, 4), 0xffffffff); /* over its end */
	bus_write(&b, 0x1ffe, 4, 0);
	bus_write(&b, UINT64_MAX, 4, 0);
	assert_int_equal(r.nr, 0);
	bus_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(insert_refuses_overlap_and_nonsense),
		cmocka_unit_test(table_full_is_an_error),
		cmocka_unit_test(ports_dispatch_by_offset),
		cmocka_unit_test(wide_port_access_is_split_over_devices),
		cmocka_unit_test(nobody_reads_as_ones),
		cmocka_unit_test(mmio_finds_every_range),
		cmocka_unit_test(mmio_access_that_does_not_fit_is_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
