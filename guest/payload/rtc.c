/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests the MC146818 clock: its time in seconds since 1970, and its three interrupts on IRQ 8. */
#include "payload.h"

#define REG_A 0x0a
#define REG_B 0x0b
#define REG_C 0x0c
#define REG_D 0x0d
#define CENTURY 0x32
#define B_PERIODIC 0x40
#define B_ALARM 0x20
#define B_UPDATE 0x10
#define B_24H 0x02
#define ANY 0xc0

#define GSI_RTC 8

static volatile uint32_t nr_irqs;
static volatile uint8_t flags;

static uint8_t cmos(uint8_t index)
{
	outb(0x70, index);
	return inb(0x71);
}

static void cmos_write(uint8_t index, uint8_t value)
{
	outb(0x70, index);
	outb(0x71, value);
}

static unsigned int bcd(uint8_t index)
{
	uint8_t value = cmos(index);

	return (value >> 4) * 10U + (value & 15);
}

static uint64_t days_since_1970(unsigned int year, unsigned int month, unsigned int day)
{
	/* Years that begin in March put the leap day last. */
	uint64_t y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

void test_rtc(void)
{
	uint64_t days, seconds;

	while (cmos(REG_A) & 0x80)
		;
	days = days_since_1970(bcd(CENTURY) * 100 + bcd(9), bcd(8), bcd(7));
	seconds = days * 86400 + bcd(4) * 3600 + bcd(2) * 60 + bcd(0);
	print("rtc %llu\n", (unsigned long long)seconds);
	check_eq("weekday", cmos(6), (days + 4) % 7 + 1);
	check_eq("register A", cmos(REG_A) & 0x7f, 0x26);
	check_eq("register B", cmos(REG_B), B_24H);
	check_eq("register D", cmos(REG_D), 0x80);
	check_eq("index reads all ones", inb(0x70), 0xff);
	cmos_write(0x40, 0x5a);
	check_eq("memory", cmos(0x40), 0x5a);
	/* Argument: MiB of RAM. */
	if (arg(0, 0) > 16 && arg(0, 0) <= 3072)
		check_eq("memory above 16 MiB", cmos(0x34) | (uint64_t)cmos(0x35) << 8,
			 (arg(0, 0) - 16) * 16);
}

static void on_rtc(void)
{
	flags |= cmos(REG_C);
	nr_irqs++;
}

static void check_kind(const char *what, uint8_t enable, uint8_t flag, uint32_t want)
{
	uint32_t got;

	nr_irqs = 0;
	flags = 0;
	cmos(REG_C);
	cmos_write(REG_B, B_24H | enable);
	wait_count(&nr_irqs, want, 5000);
	cmos_write(REG_B, B_24H);
	got = nr_irqs;
	print("%s: %u interrupts, flags %x\n", what, got, flags);
	check(what, got >= want && (flags & (0x80 | flag)) == (0x80 | flag));
}

void test_rtc_irq(void)
{
	irq_setup();
	irq_route(GSI_RTC, false, on_rtc);
	cmos_write(REG_A, 0x2b); /* 32 Hz */
	check_kind("periodic", B_PERIODIC, 0x40, 8);
	cmos_write(REG_A, 0x26);
	check_kind("update", B_UPDATE, 0x10, 2);
	for (uint8_t i = 1; i <= 5; i += 2)
		cmos_write(i, ANY);
	check_kind("alarm every second", B_ALARM, 0x20, 2);
}
