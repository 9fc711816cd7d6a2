/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the test device with a hostile guest, through real buses: each access has a place, a
 * width, a direction and four bytes of value.
 *
 * A read fits its width, and sleeping and waking alternate, whatever the guest writes and whenever
 * the clock's event arrives.
 */
#include "hw/testdev.h"

#include <stdlib.h>
#include <string.h>

#define OP_BYTES 7
#define RTC_EVENT 0xff

struct machine {
	struct bus pio, mmio;
	struct testdev *dev;
	bool asleep;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void flush(void *ctx, uint64_t gpa)
{
	(void)ctx;
	check(gpa <= UINT32_MAX);
}

static void fall_asleep(void *ctx)
{
	struct machine *m = ctx;

	check(!m->asleep);
	m->asleep = true;
}

static void wake(void *ctx)
{
	struct machine *m = ctx;

	check(m->asleep);
	m->asleep = false;
}

static void power_off(void *ctx, enum power_request what, unsigned int value, const char *by)
{
	(void)ctx;
	(void)value;
	check(what == POWER_OFF && by);
}

static void line(void *ctx, unsigned int gsi, bool level)
{
	(void)ctx;
	(void)level;
	check(gsi < TESTDEV_NR_LINES);
}

static void plug(struct machine *m, uint64_t base, uint64_t size_bytes, const struct bus_ops *ops)
{
	struct bus *b = base > UINT16_MAX ? &m->mmio : &m->pio;

	check(!bus_insert(b, base, size_bytes, ops, m->dev, "test device"));
}

static void step(struct machine *m, const uint8_t *op)
{
	static const uint32_t near[] = { 0xe0,	0xe4,  0x2000,	   0x2014,    0x510,
					 0x620, 0x628, 0xff000000, 0xff00fff8 };
	uint64_t addr = near[op[0] % 9] + (op[0] >> 4);
	struct bus *b = addr > UINT16_MAX ? &m->mmio : &m->pio;
	unsigned int width = 1U << (op[1] % (b == &m->mmio ? 4 : 3));
	uint64_t ones = UINT64_MAX >> (64 - 8 * width);
	uint32_t value;

	memcpy(&value, op + 3, sizeof(value));
	if (op[2] == RTC_EVENT)
		testdev_rtc_event(m->dev);
	else if (op[2] & 1)
		check(bus_read(b, addr, width) <= ones);
	else
		bus_write(b, addr, width, (value | (uint64_t)value << 32) & ones);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine m = { 0 };
	const struct power power = { power_off, NULL };
	struct testdev_config config = { .nr_cpus = 3,
					 .ram_bytes = 1ULL << 40,
					 .power = &power,
					 .flush_page = flush,
					 .sleep = fall_asleep,
					 .wake = wake,
					 .ctx = &m };

	for (unsigned int i = 0; i < TESTDEV_NR_LINES; i++)
		config.line[i] = (struct irq_line){ .set = line, .gsi = i };
	check(!bus_init(&m.pio, BUS_PIO) && !bus_init(&m.mmio, BUS_MMIO));
	m.dev = testdev_create(&config);
	check(m.dev);
	plug(&m, 0xe0, TESTDEV_SCRATCH_PORTS, &testdev_scratch_ops);
	plug(&m, 0xe4, TESTDEV_FLUSH_PORTS, &testdev_flush_ops);
	plug(&m, 0x2000, TESTDEV_NR_LINES, &testdev_irq_ops);
	plug(&m, 0x510, FW_CFG_PORTS, &fw_cfg_ops);
	plug(&m, 0x620, PM1_PORTS, &pm1_ops);
	plug(&m, 0x628, PM_TIMER_PORTS, &pm_timer_ops);
	plug(&m, 0xff000000, TESTDEV_MMIO_BYTES, &testdev_mmio_ops);
	for (size_t i = 0; i + OP_BYTES <= size; i += OP_BYTES)
		step(&m, data + i);
	testdev_destroy(m.dev);
	bus_fini(&m.pio);
	bus_fini(&m.mmio);
	return 0;
}
