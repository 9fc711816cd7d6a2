/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests the test device on real buses, with hooks and lines that record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hw/testdev.h"

#define SCRATCH 0xe0
#define FLUSH 0xe4
#define IRQ 0x2000
#define FW_CFG 0x510
#define PM1 0x620
#define PM_TIMER 0x628
#define MMIO 0xff000000ULL

#define RTC_BIT 0x400
#define S3_NOW 0x2400
#define S5_NOW 0x3400

struct fixture {
	struct bus pio, mmio;
	struct testdev *dev;
	struct power power;
	unsigned int level[TESTDEV_NR_LINES], changes;
	uint64_t flushed;
	unsigned int flushes, sleeps, wakes, power_offs;
	bool event_while_falling_asleep;
};

static void set_line(void *ctx, unsigned int gsi, bool level)
{
	struct fixture *f = ctx;

	f->level[gsi] = level;
	f->changes++;
}

static void flush(void *ctx, uint64_t gpa)
{
	struct fixture *f = ctx;

	f->flushed = gpa;
	f->flushes++;
}

static void sleep_hook(void *ctx)
{
	struct fixture *f = ctx;

	f->sleeps++;
	if (f->event_while_falling_asleep)
		testdev_rtc_event(f->dev);
	assert_int_equal(f->wakes, 0);
}

static void wake_hook(void *ctx)
{
	struct fixture *f = ctx;

	f->wakes++;
}

static void power_hook(void *ctx, enum power_request what, unsigned int value, const char *by)
{
	struct fixture *f = ctx;

	(void)value;
	assert_int_equal(what, POWER_OFF);
	assert_string_equal(by, "PM1");
	f->power_offs++;
}

static void plug(struct bus *b, uint64_t base, uint64_t size_bytes, const struct bus_ops *ops,
		 struct testdev *dev)
{
	assert_int_equal(bus_insert(b, base, size_bytes, ops, dev, "test"), 0);
}

static int setup(void **state)
{
	static struct fixture f;
	struct testdev_config config = {
		.nr_cpus = 0x1234,
		.ram_bytes = 0x123456789000,
		.power = &f.power,
		.flush_page = flush,
		.sleep = sleep_hook,
		.wake = wake_hook,
		.ctx = &f,
	};

	f = (struct fixture){ .power = { power_hook, &f } };
	for (unsigned int i = 0; i < TESTDEV_NR_LINES; i++)
		config.line[i] = (struct irq_line){ .set = set_line, .ctx = &f, .gsi = i };
	assert_int_equal(bus_init(&f.pio, BUS_PIO), 0);
	assert_int_equal(bus_init(&f.mmio, BUS_MMIO), 0);
	f.dev = testdev_create(&config);
	assert_non_null(f.dev);
	plug(&f.pio, SCRATCH, TESTDEV_SCRATCH_PORTS, &testdev_scratch_ops, f.dev);
	plug(&f.pio, FLUSH, TESTDEV_FLUSH_PORTS, &testdev_flush_ops, f.dev);
	plug(&f.pio, IRQ, TESTDEV_NR_LINES, &testdev_irq_ops, f.dev);
	plug(&f.pio, FW_CFG, FW_CFG_PORTS, &fw_cfg_ops, f.dev);
	plug(&f.pio, PM1, PM1_PORTS, &pm1_ops, f.dev);
	plug(&f.pio, PM_TIMER, PM_TIMER_PORTS, &pm_timer_ops, f.dev);
	plug(&f.mmio, MMIO, TESTDEV_MMIO_BYTES, &testdev_mmio_ops, f.dev);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	testdev_destroy(f->dev);
	bus_fini(&f->pio);
	bus_fini(&f->mmio);
	return 0;
}

static void scratch_takes_any_width(void **state)
{
	struct bus *b = &((struct fixture *)*state)->pio;

	bus_write(b, SCRATCH, 4, 0x12345678);
	assert_int_equal(bus_read(b, SCRATCH, 4), 0x12345678);
	assert_int_equal(bus_read(b, SCRATCH, 2), 0x5678);
	assert_int_equal(bus_read(b, SCRATCH + 3, 1), 0x12);
	bus_write(b, SCRATCH + 1, 1, 0xab);
	bus_write(b, SCRATCH + 2, 2, 0xcdef);
	assert_int_equal(bus_read(b, SCRATCH, 4), 0xcdefab78);
}

static void flush_takes_a_whole_address(void **state)
{
	struct fixture *f = *state;

	bus_write(&f->pio, FLUSH, 4, 0xfedcb123);
	assert_int_equal(f->flushed, 0xfedcb123);
	bus_write(&f->pio, FLUSH + 2, 2, 7);
	assert_int_equal(f->flushes, 1);
}

static void irq_ports_set_levels(void **state)
{
	struct fixture *f = *state;

	bus_write(&f->pio, IRQ + 9, 1, 1);
	bus_write(&f->pio, IRQ + 23, 1, 0x80);
	assert_int_equal(f->level[9], 1);
	assert_int_equal(f->level[23], 1);
	bus_write(&f->pio, IRQ + 9, 1, 0);
	assert_int_equal(f->level[9], 0);
	assert_int_equal(f->changes, 3);
	bus_write(&f->pio, IRQ + 9, 1, 0);
	assert_int_equal(f->changes, 3);
	/* A wide access counts for each line that it covers, and for none beyond the last. */
	bus_write(&f->pio, IRQ + 22, 4, 0x01010001);
	assert_int_equal(f->level[22], 1);
	assert_int_equal(f->level[23], 0);
}

static void mmio_is_memory(void **state)
{
	struct bus *b = &((struct fixture *)*state)->mmio;

	bus_write(b, MMIO + 3, 8, 0x1122334455667788);
	assert_int_equal(bus_read(b, MMIO + 3, 8), 0x1122334455667788);
	assert_int_equal(bus_read(b, MMIO + 5, 2), 0x5566);
	bus_write(b, MMIO + TESTDEV_MMIO_BYTES - 1, 1, 0x77);
	assert_int_equal(bus_read(b, MMIO + TESTDEV_MMIO_BYTES - 4, 4), 0x77000000);
	assert_int_equal(bus_read(b, MMIO + TESTDEV_MMIO_BYTES - 1, 2), 0xffff);
}

static uint64_t item(struct bus *b, uint16_t key, unsigned int bytes)
{
	uint64_t value = 0;

	bus_write(b, FW_CFG, 2, key);
	for (unsigned int i = 0; i < bytes; i++)
		value |= bus_read(b, FW_CFG + 1, 1) << (8 * i);
	return value;
}

static void fw_cfg_has_two_items(void **state)
{
	struct bus *b = &((struct fixture *)*state)->pio;

	assert_int_equal(item(b, 5, 2), 0x1234);
	assert_int_equal(item(b, 3, 8), 0x123456789000);
	for (unsigned int i = 0; i < 100000; i++)
		assert_int_equal(bus_read(b, FW_CFG + 1, 1), 0);
	assert_int_equal(item(b, 5, 8), 0x1234);
	assert_int_equal(item(b, 0, 4), 0);
	assert_int_equal(item(b, 0x8005, 8), 0);
}

static void pm1_status_is_cleared_by_ones(void **state)
{
	struct fixture *f = *state;

	testdev_rtc_event(f->dev);
	assert_int_equal(bus_read(&f->pio, PM1, 2), RTC_BIT);
	bus_write(&f->pio, PM1, 2, 1);
	assert_int_equal(bus_read(&f->pio, PM1, 4), RTC_BIT);
	bus_write(&f->pio, PM1, 2, 0xffff);
	assert_int_equal(bus_read(&f->pio, PM1, 2), 0);
	assert_int_equal(f->wakes, 0);
}

static void pm1_control_reads_back(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bus_read(&f->pio, PM1 + 4, 2), 1); /* SCI_EN: the only mode */
	bus_write(&f->pio, PM1 + 4, 2, 0x1c00);
	assert_int_equal(bus_read(&f->pio, PM1 + 4, 2), 0x1c01);
	assert_int_equal(bus_read(&f->pio, PM1 + 5, 1), 0x1c);
	bus_write(&f->pio, PM1 + 5, 1, S3_NOW >> 8);
	assert_int_equal(f->sleeps, 0);
	assert_int_equal(bus_read(&f->pio, PM1 + 6, 2), 0);
}

static void s3_ends_with_an_enabled_event(void **state)
{
	struct fixture *f = *state;

	bus_write(&f->pio, PM1 + 4, 2, S3_NOW);
	bus_write(&f->pio, PM1 + 4, 2, S3_NOW); /* another CPU's */
	assert_int_equal(f->sleeps, 1);
	testdev_rtc_event(f->dev);
	assert_int_equal(f->wakes, 0);
	bus_write(&f->pio, PM1 + 2, 2, RTC_BIT);
	testdev_rtc_event(f->dev);
	testdev_rtc_event(f->dev);
	assert_int_equal(f->wakes, 1);
	assert_int_equal(bus_read(&f->pio, PM1, 2), RTC_BIT | 0x8000);
	assert_int_equal(bus_read(&f->pio, PM1 + 4, 2), 0x0401);
}

static void no_event_is_missed_on_the_way_to_sleep(void **state)
{
	struct fixture *f = *state;

	bus_write(&f->pio, PM1 + 2, 2, RTC_BIT);
	f->event_while_falling_asleep = true;
	bus_write(&f->pio, PM1 + 4, 2, S3_NOW);
	assert_int_equal(f->sleeps, 1);
	assert_int_equal(f->wakes, 1);
}

static void s5_powers_off(void **state)
{
	struct fixture *f = *state;

	bus_write(&f->pio, PM1 + 4, 2, S5_NOW & ~0x2000);
	assert_int_equal(f->power_offs, 0);
	bus_write(&f->pio, PM1 + 4, 2, S5_NOW);
	assert_int_equal(f->power_offs, 1);
	assert_int_equal(f->sleeps, 0);
}

static void pm_timer_counts(void **state)
{
	struct bus *b = &((struct fixture *)*state)->pio;
	uint64_t first = bus_read(b, PM_TIMER, 4), later = first;

	assert_int_equal(pm_timer_ticks(0), 0);
	assert_int_equal(pm_timer_ticks(1000000000), 3579545);
	assert_int_equal(pm_timer_ticks(5000000000), 17897725 & 0xffffff);
	assert_int_equal(pm_timer_ticks(UINT64_MAX) >> 24, 0);
	while (later == first)
		later = bus_read(b, PM_TIMER, 4);
	assert_true(((later - first) & 0xffffff) < 0x800000);
	bus_write(b, PM_TIMER, 4, 0);
	assert_int_equal(bus_read(b, PM_TIMER, 1) >> 8, 0);
	assert_int_equal(bus_read(b, PM_TIMER + 3, 1), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(scratch_takes_any_width),
		TEST(flush_takes_a_whole_address),
		TEST(irq_ports_set_levels),
		TEST(mmio_is_memory),
		TEST(fw_cfg_has_two_items),
		TEST(pm1_status_is_cleared_by_ones),
		TEST(pm1_control_reads_back),
		TEST(s3_ends_with_an_enabled_event),
		TEST(no_event_is_missed_on_the_way_to_sleep),
		TEST(s5_powers_off),
		TEST(pm_timer_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
