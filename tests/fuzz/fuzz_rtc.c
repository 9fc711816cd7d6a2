/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the real-time clock with a hostile guest and a host clock that jumps, also backwards.
 *
 * The input is a list of triples: an operation and two bytes for it. There is no timer: the input
 * says when rtc_poll() is called.
 */
#include "hw/rtc.h"

#include <stdlib.h>

#define REG_A 0x0a
#define REG_B 0x0b
#define REG_C 0x0c
#define ENABLES 0x70

struct machine {
	struct rtc *r;
	int64_t now_ns;
	bool level;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static int64_t clock_ns(void *ctx)
{
	return ((struct machine *)ctx)->now_ns;
}

static void set_line(void *ctx, unsigned int gsi, bool level)
{
	struct machine *m = ctx;

	check(gsi == 8 && m->level != level);
	m->level = level;
}

static uint8_t get(struct machine *m, uint8_t index)
{
	uint64_t value;

	rtc_bus_ops.write(m->r, 0, 1, index);
	value = rtc_bus_ops.read(m->r, 1, 1);
	check(value <= 0xff);
	return (uint8_t)value;
}

static void put(struct machine *m, uint8_t index, uint8_t value)
{
	rtc_bus_ops.write(m->r, 0, 1, index);
	rtc_bus_ops.write(m->r, 1, 1, value);
}

static void pass(struct machine *m, int64_t ns)
{
	if (__builtin_add_overflow(m->now_ns, ns, &m->now_ns))
		m->now_ns = ns < 0 ? INT64_MIN : INT64_MAX;
}

/*
 * Checks rtc_poll()'s promise: the line does not rise before the returned delay, and waiting makes
 * progress.
 */
static void poll_and_wait(struct machine *m)
{
	uint64_t delay_ns = rtc_poll(m->r);

	check(delay_ns > 0);
	if (delay_ns == UINT64_MAX)
		return;
	check(delay_ns <= 60000000000 && !m->level);
	if (m->now_ns < 0 || m->now_ns > INT64_MAX / 2)
		return; /* further than the clock follows */
	pass(m, (int64_t)delay_ns - 1);
	rtc_poll(m->r);
	check(!m->level);
	pass(m, 1);
	rtc_poll(m->r);
	check(m->level || delay_ns == 60000000000);
}

static void read_flags(struct machine *m)
{
	uint8_t flags, enabled = get(m, REG_B);
	bool level;

	rtc_poll(m->r);
	level = m->level;
	flags = get(m, REG_C);
	check(!(flags & 0x0f));
	check(!!(flags & 0x80) == level);
	check(!!(flags & 0x80) == !!(flags & enabled & ENABLES));
	check(!m->level);
	check(!(get(m, REG_C) & 0x80));
}

/* Once it runs and its format is set, the clock shows a valid time. */
static void check_time(struct machine *m)
{
	put(m, REG_A, 0x26);
	put(m, REG_B, 0x06);
	m->now_ns = 1700000000000000000;
	rtc_poll(m->r);
	m->now_ns += 5000000000;
	get(m, REG_A);
	check(get(m, 0) < 60 && get(m, 2) < 60 && get(m, 4) < 24);
	check(get(m, 7) >= 1 && get(m, 7) <= 31 && get(m, 8) >= 1 && get(m, 8) <= 12 &&
	      get(m, 9) < 100);
	check(get(m, RTC_CENTURY_REGISTER) < 100);
}

static void step(struct machine *m, uint8_t op, uint8_t a, uint8_t b)
{
	switch (op & 7) {
	case 0:
		rtc_bus_ops.write(m->r, 0, 1, a);
		break;
	case 1:
		put(m, a, b);
		break;
	case 2: /* mostly the clock's own registers */
		put(m, a % 14, b);
		break;
	case 3:
		get(m, a);
		break;
	case 4:
		pass(m, (int64_t)(a << 8 | b) << (op >> 4));
		break;
	case 5:
		pass(m, (int64_t)((uint64_t)(int8_t)a << ((b & 63) | 1)));
		break;
	case 6:
		poll_and_wait(m);
		break;
	default:
		read_flags(m);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine m = { .now_ns = 1700000000000000000 };
	struct irq_line line = { .set = set_line, .ctx = &m, .gsi = 8 };
	struct rtc_config config = { .base = RTC_UTC, .ram_below_4g = 512 * MIB };

	m.r = rtc_create(&config, &line, NULL, clock_ns, &m);
	check(m.r);
	for (size_t i = 0; i + 2 < size; i += 3)
		step(&m, data[i], data[i + 1], data[i + 2]);
	check_time(&m);
	rtc_destroy(m.r);
	return 0;
}
