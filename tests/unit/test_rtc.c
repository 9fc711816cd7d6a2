/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the real-time clock with a fake host clock; gmtime_r() checks the dates. Only the last test
 * uses real time and a real timer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hw/rtc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NS 1000000000LL
#define START_S 1709164799LL /* 2024-02-28 23:59:59, a Wednesday, a second before a leap day */

#define REG_A 0x0a
#define REG_B 0x0b
#define REG_C 0x0c
#define REG_D 0x0d
#define SET 0x80
#define PIE 0x40
#define AIE 0x20
#define UIE 0x10
#define BINARY 0x04
#define H24 0x02
#define IRQF 0x80
#define UIP 0x80
#define ANY 0xff

#define NEVER UINT64_MAX

struct fixture {
	struct rtc *r;
	struct rtc_config config;
	struct loop *stop_loop;
	int64_t now_ns;
	bool level;
	unsigned int edges;
};

static int64_t clock_ns(void *ctx)
{
	return ((struct fixture *)ctx)->now_ns;
}

static void set_line(void *ctx, unsigned int gsi, bool level)
{
	struct fixture *f = ctx;

	assert_int_equal(gsi, 8);
	f->level = level;
	f->edges += level;
	if (f->stop_loop)
		loop_stop(f->stop_loop);
}

static void create(struct fixture *f)
{
	struct irq_line line = { .set = set_line, .ctx = f, .gsi = 8 };

	rtc_destroy(f->r);
	f->r = rtc_create(&f->config, &line, NULL, clock_ns, f);
	assert_non_null(f->r);
}

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .now_ns = START_S * NS };
	create(&f);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rtc_destroy(f->r);
	f->r = NULL;
	return 0;
}

static uint8_t get(struct fixture *f, uint8_t index)
{
	rtc_bus_ops.write(f->r, 0, 1, index);
	return (uint8_t)rtc_bus_ops.read(f->r, 1, 1);
}

static void put(struct fixture *f, uint8_t index, uint8_t value)
{
	rtc_bus_ops.write(f->r, 0, 1, index);
	rtc_bus_ops.write(f->r, 1, 1, value);
}

static void pass(struct fixture *f, int64_t ns)
{
	f->now_ns += ns;
}

static unsigned int bcd(uint8_t raw)
{
	return (raw >> 4) * 10U + (raw & 15);
}

static void assert_time_is(struct fixture *f, int64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	gmtime_r(&t, &tm);
	get(f, REG_A);
	assert_int_equal(bcd(get(f, 0)), tm.tm_sec);
	assert_int_equal(bcd(get(f, 2)), tm.tm_min);
	assert_int_equal(bcd(get(f, 4)), tm.tm_hour);
	assert_int_equal(get(f, 6), tm.tm_wday + 1);
	assert_int_equal(bcd(get(f, 7)), tm.tm_mday);
	assert_int_equal(bcd(get(f, 8)), tm.tm_mon + 1);
	assert_int_equal(bcd(get(f, 9)), tm.tm_year % 100);
	assert_int_equal(bcd(get(f, RTC_CENTURY_REGISTER)), (tm.tm_year + 1900) / 100);
}

static void put_bytes(struct fixture *f, const uint8_t (*bytes)[2], size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		put(f, bytes[i][0], bytes[i][1]);
}

static void set_alarm(struct fixture *f, uint8_t hour, uint8_t minute, uint8_t second)
{
	put(f, 5, hour);
	put(f, 3, minute);
	put(f, 1, second);
}

/*
 * Enables @source, waits for rtc_poll()'s delays until the line rises, and returns the time that
 * took.
 */
static int64_t ns_to_interrupt(struct fixture *f, uint8_t source)
{
	int64_t start = f->now_ns;

	get(f, REG_C);
	put(f, REG_B, H24 | source);
	for (;;) {
		uint64_t delay_ns = rtc_poll(f->r);

		if (f->level)
			return f->now_ns - start;
		assert_int_not_equal(delay_ns, NEVER);
		assert_int_not_equal(delay_ns, 0);
		/* Not a moment earlier: */
		pass(f, (int64_t)delay_ns - 1);
		rtc_poll(f->r);
		assert_false(f->level);
		pass(f, 1);
	}
}

static void registers_at_power_on(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, REG_A), 0x26);
	assert_int_equal(get(f, REG_B), 0x02);
	assert_int_equal(get(f, REG_C), 0x00);
	assert_int_equal(get(f, REG_D), 0x80);
	assert_int_equal(get(f, 0x0f), 0x00);
	assert_time_is(f, START_S);
}

static void index_drops_the_nmi_bit_and_does_not_read(void **state)
{
	struct fixture *f = *state;

	put(f, 0x80 | 0x40, 0x5a);
	assert_int_equal(get(f, 0x40), 0x5a);
	assert_int_equal(rtc_bus_ops.read(f->r, 0, 1), 0xff);
}

static void memory_holds_what_is_written(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0x0e; i < 0x80; i++) {
		if (i != RTC_CENTURY_REGISTER)
			put(f, (uint8_t)i, (uint8_t)(i ^ 0xff));
	}
	for (unsigned int i = 0x0e; i < 0x80; i++) {
		if (i != RTC_CENTURY_REGISTER)
			assert_int_equal(get(f, (uint8_t)i), i ^ 0xff);
	}
	assert_time_is(f, START_S);
}

static void c_and_d_are_read_only(void **state)
{
	struct fixture *f = *state;

	put(f, REG_C, 0xff);
	put(f, REG_D, 0x00);
	assert_int_equal(get(f, REG_C), 0x00);
	assert_int_equal(get(f, REG_D), 0x80);
	put(f, REG_A, 0xff & ~0x60);
	assert_int_equal(get(f, REG_A) & UIP, 0);
}

static void assert_word(struct fixture *f, uint8_t low, unsigned int value)
{
	assert_int_equal(get(f, low) | get(f, low + 1) << 8, value);
}

static void memory_sizes(void **state)
{
	struct fixture *f = *state;
	unsigned int sum = 0;

	f->config.ram_below_4g = 3 * GIB;
	f->config.ram_above_4g = 5 * GIB;
	create(f);
	assert_word(f, 0x15, 640);
	assert_word(f, 0x17, 0xffff);
	assert_word(f, 0x30, 0xffff);
	assert_word(f, 0x34, (3072 - 16) * 16);
	assert_word(f, 0x5b, 5 * 1024 * 16 & 0xffff);
	assert_int_equal(get(f, 0x5d), 5 * 1024 * 16 >> 16);
	for (uint8_t i = 0x10; i <= 0x2d; i++)
		sum += get(f, i);
	assert_int_equal(get(f, 0x2e) << 8 | get(f, 0x2f), sum);
}

static void memory_sizes_of_small_and_huge_machines(void **state)
{
	struct fixture *f = *state;

	f->config.ram_below_4g = 12 * MIB;
	create(f);
	assert_word(f, 0x17, 11 * 1024);
	assert_word(f, 0x34, 0);
	assert_word(f, 0x5b, 0);
	f->config.ram_below_4g = 256 * KIB;
	f->config.ram_above_4g = UINT64_MAX;
	create(f);
	assert_word(f, 0x15, 256);
	assert_word(f, 0x17, 0);
	assert_word(f, 0x5b, 0xffff);
	assert_int_equal(get(f, 0x5d), 0xff);
}

static void time_follows_the_host(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 2000; i++) {
		pass(f, (int64_t)(i * 977 % 200000) * NS + 123456789);
		assert_time_is(f, f->now_ns / NS);
	}
}

/* Sets each day of 400 years on a fresh clock, so that continued counting cannot hide an error. */
static void every_date_is_right(void **state)
{
	struct fixture *f = *state;

	f->config.base = RTC_EPOCH;
	for (int64_t day = 0; day < 146097 + 366; day += 1 + day % 3) {
		f->config.epoch_s = day * 86400 + day % 86400;
		create(f);
		assert_time_is(f, f->config.epoch_s);
	}
	f->config.epoch_s = RTC_EPOCH_MAX_S;
	create(f);
	assert_time_is(f, RTC_EPOCH_MAX_S);
	pass(f, NS);
	get(f, REG_A);
	assert_int_equal(get(f, 9) | get(f, RTC_CENTURY_REGISTER), 0);
	assert_int_equal(get(f, 8), 0x01);
	assert_int_equal(get(f, 7), 0x01);
}

static void time_goes_back_with_the_host(void **state)
{
	struct fixture *f = *state;

	pass(f, -100000 * NS);
	assert_time_is(f, START_S - 100000);
	assert_int_equal(get(f, REG_C), 0);
}

static void local_time_has_the_offset(void **state)
{
	struct fixture *f = *state;

	setenv("TZ", "XYZ-5:30", 1);
	tzset();
	f->config.base = RTC_LOCALTIME;
	create(f);
	assert_time_is(f, START_S + 5 * 3600 + 1800);
	unsetenv("TZ");
	tzset();
}

static void a_given_time_starts_with_a_whole_second(void **state)
{
	struct fixture *f = *state;

	f->now_ns = 1234567890123456789;
	f->config.base = RTC_EPOCH;
	f->config.epoch_s = 1000;
	create(f);
	assert_time_is(f, 1000);
	pass(f, NS - 1);
	assert_time_is(f, 1000);
	pass(f, 1);
	assert_time_is(f, 1001);
}

static void update_in_progress_before_each_second(void **state)
{
	struct fixture *f = *state;

	pass(f, NS - 244001);
	assert_int_equal(get(f, REG_A), 0x26);
	pass(f, 1);
	assert_int_equal(get(f, REG_A), 0x26 | UIP);
	pass(f, 243999);
	assert_int_equal(get(f, REG_A), 0x26 | UIP);
	assert_time_is(f, START_S);
	pass(f, 1);
	assert_int_equal(get(f, REG_A), 0x26);
	assert_time_is(f, START_S + 1);
}

static void no_update_in_progress_while_time_stands(void **state)
{
	struct fixture *f = *state;

	pass(f, NS - 1000);
	put(f, REG_B, H24 | SET);
	assert_int_equal(get(f, REG_A) & UIP, 0);
	put(f, REG_B, H24);
	assert_int_equal(get(f, REG_A) & UIP, UIP);
	put(f, REG_A, 0x76);
	assert_int_equal(get(f, REG_A), 0x76);
}

/*
 * All fields of a date change while the guest reads it slowly: it gets the old one, then the new
 * one.
 */
static void a_date_is_read_whole(void **state)
{
	static const uint8_t old[][2] = {
		{ 0, 0x59 }, { 2, 0x59 }, { 4, 0x23 }, { 6, 0x04 }, { 7, 0x28 }
	};
	struct fixture *f = *state;

	pass(f, NS - 300000);
	assert_int_equal(get(f, REG_A) & UIP, 0);
	for (size_t i = 0; i < ARRAY_SIZE(old); i++) {
		pass(f, 200000);
		assert_int_equal(get(f, old[i][0]), old[i][1]);
	}
	get(f, REG_A);
	assert_int_equal(get(f, 0), 0x00);
	assert_int_equal(get(f, 7), 0x29);
}

static void polling_seconds_sees_them_change(void **state)
{
	struct fixture *f = *state;
	unsigned int changes = 0;
	uint8_t last = get(f, 0);

	for (unsigned int i = 0; i < 3000; i++) {
		uint8_t seconds;

		pass(f, 1000000);
		seconds = get(f, 0);
		changes += seconds != last;
		last = seconds;
	}
	assert_int_equal(changes, 3);
}

static void set_freezes_the_time(void **state)
{
	struct fixture *f = *state;

	put(f, REG_B, H24 | SET);
	pass(f, 10 * NS);
	assert_time_is(f, START_S);
	put(f, REG_B, H24);
	assert_time_is(f, START_S);
	pass(f, NS);
	assert_time_is(f, START_S + 1);
	assert_int_equal(get(f, REG_C) & UIE, UIE);
}

static void guest_sets_the_clock(void **state)
{
	static const uint8_t bytes[][2] = { { 0, 0x30 }, { 2, 0x45 },
					    { 4, 0x13 }, { 6, 0x06 },
					    { 7, 0x31 }, { 8, 0x12 },
					    { 9, 0x99 }, { RTC_CENTURY_REGISTER, 0x20 } };
	struct fixture *f = *state;

	put(f, REG_B, H24 | SET);
	put_bytes(f, bytes, ARRAY_SIZE(bytes));
	put(f, REG_B, H24);
	get(f, REG_A);
	assert_int_equal(get(f, 9), 0x99);
	/* 2099-12-31 13:45:30, and ten and a quarter hours later it is 2100. */
	pass(f, (10 * 3600 + 900) * NS);
	get(f, REG_A);
	assert_int_equal(get(f, 0), 0x30);
	assert_int_equal(get(f, 2), 0x00);
	assert_int_equal(get(f, 4), 0x00);
	assert_int_equal(get(f, 6), 0x07);
	assert_int_equal(get(f, 7), 0x01);
	assert_int_equal(get(f, 8), 0x01);
	assert_int_equal(get(f, 9), 0x00);
	assert_int_equal(get(f, RTC_CENTURY_REGISTER), 0x21);
}

/*
 * Without SET, a month that makes the date invalid for a moment must not change the day that is
 * written next.
 */
static void registers_written_one_by_one_stay(void **state)
{
	struct fixture *f = *state;

	put(f, 7, 0x31);
	put(f, 8, 0x04);
	assert_int_equal(get(f, 7), 0x31);
	put(f, 7, 0x30);
	pass(f, NS);
	get(f, REG_A);
	assert_int_equal(get(f, 7), 0x01); /* one second before midnight it was */
	assert_int_equal(get(f, 8), 0x05);
}

/* As Linux does, half a second before the time to set. */
static void divider_reset_starts_half_a_second_in(void **state)
{
	struct fixture *f = *state;

	pass(f, 777000000);
	put(f, REG_B, H24 | SET);
	put(f, REG_A, 0x26 | 0x70);
	put(f, 0, 0x15);
	pass(f, 3 * NS);
	put(f, REG_B, H24);
	pass(f, 3 * NS);
	assert_int_equal(get(f, 0), 0x15);
	put(f, REG_A, 0x26);
	pass(f, NS / 2 - 1);
	get(f, REG_A);
	assert_int_equal(get(f, 0), 0x15);
	pass(f, 1);
	get(f, REG_A);
	assert_int_equal(get(f, 0), 0x16);
	pass(f, NS - 1);
	get(f, REG_A);
	assert_int_equal(get(f, 0), 0x16);
}

static void binary_mode(void **state)
{
	struct fixture *f = *state;

	put(f, REG_B, H24 | BINARY);
	get(f, REG_A);
	assert_int_equal(get(f, 0), 59);
	assert_int_equal(get(f, 2), 59);
	assert_int_equal(get(f, 4), 23);
	assert_int_equal(get(f, 7), 28);
	assert_int_equal(get(f, 9), 24);
	assert_int_equal(get(f, RTC_CENTURY_REGISTER), 20);
	pass(f, NS);
	get(f, REG_A);
	assert_int_equal(get(f, 7), 29);
	put(f, REG_B, H24);
	assert_time_is(f, START_S + 1);
}

static void format_changed_with_set_keeps_the_bytes(void **state)
{
	struct fixture *f = *state;

	put(f, REG_B, H24 | SET);
	put(f, 0, 45); /* binary already */
	put(f, REG_B, H24 | BINARY | SET);
	assert_int_equal(get(f, 0), 45);
	put(f, 2, 0x15);
	put(f, REG_B, H24);
	assert_int_equal(get(f, 2), 0x15);
}

/* Every hour, written in the 12-hour format under SET, then counted to the next hour. */
static void twelve_hour_mode(void **state)
{
	static const uint8_t hours[] = { 0x12, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
					 0x08, 0x09, 0x10, 0x11, 0x92, 0x81, 0x82, 0x83,
					 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x90, 0x91 };
	struct fixture *f = *state;

	for (size_t i = 0; i < 24; i++) {
		put(f, REG_B, SET);
		put(f, 4, hours[i]);
		put(f, 2, 0x59);
		put(f, 0, 0x59);
		put(f, REG_B, 0);
		assert_int_equal(get(f, 4), hours[i]);
		pass(f, NS);
		get(f, REG_A);
		assert_int_equal(get(f, 4), hours[(i + 1) % 24]);
		put(f, REG_B, H24);
		assert_int_equal(bcd(get(f, 4)), (i + 1) % 24);
	}
}

static void garbage_in_the_time_does_no_harm(void **state)
{
	struct fixture *f = *state;

	for (unsigned int mode = 0; mode < 8; mode++) {
		for (unsigned int v = 0; v < 256; v++) {
			put(f, REG_B, (uint8_t)(SET | mode));
			for (uint8_t i = 0; i < 10; i++)
				put(f, i, (uint8_t)v);
			put(f, RTC_CENTURY_REGISTER, (uint8_t)v);
			put(f, REG_B, (uint8_t)mode);
			pass(f, NS);
			put(f, REG_B, H24);
			get(f, REG_A);
			assert_in_range(bcd(get(f, 0)), 0, 59);
			assert_in_range(bcd(get(f, 4)), 0, 23);
			assert_in_range(bcd(get(f, 8)), 1, 12);
			assert_in_range(bcd(get(f, 7)), 1, 31);
		}
	}
}

static void c_is_cleared_by_reading(void **state)
{
	struct fixture *f = *state;

	set_alarm(f, 0x12, 0x00, 0x00);
	pass(f, NS);
	assert_int_equal(get(f, REG_C), PIE | UIE);
	assert_int_equal(get(f, REG_C), 0);
	assert_int_equal(f->edges, 0);
}

static void line_stays_up_until_c_is_read(void **state)
{
	struct fixture *f = *state;

	set_alarm(f, 0x12, 0x00, 0x00);
	assert_int_equal(ns_to_interrupt(f, UIE), NS);
	pass(f, 5 * NS);
	assert_int_equal(rtc_poll(f->r), NEVER); /* nothing more can happen to the line */
	assert_true(f->level);
	assert_int_equal(get(f, REG_C), IRQF | PIE | UIE);
	assert_false(f->level);
	assert_int_equal(rtc_poll(f->r), NS);
	assert_int_equal(f->edges, 1);
}

static void no_source_needs_no_timer(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rtc_poll(f->r), NEVER);
	put(f, REG_B, H24 | 0x08); /* square wave: no pin */
	assert_int_equal(rtc_poll(f->r), NEVER);
	put(f, REG_B, H24 | UIE);
	assert_int_equal(rtc_poll(f->r), NS);
	put(f, REG_B, H24);
	assert_int_equal(rtc_poll(f->r), NEVER);
}

static void enabling_a_waiting_flag_interrupts(void **state)
{
	struct fixture *f = *state;

	pass(f, NS);
	put(f, REG_B, H24 | UIE);
	assert_true(f->level);
	put(f, REG_B, H24);
	assert_false(f->level);
	assert_int_equal(get(f, REG_C) & (IRQF | UIE), UIE);
}

static void set_clears_update_interrupt_enable(void **state)
{
	struct fixture *f = *state;

	put(f, REG_B, H24 | UIE | AIE);
	put(f, REG_B, H24 | UIE | AIE | SET);
	assert_int_equal(get(f, REG_B), H24 | AIE | SET);
	assert_int_equal(rtc_poll(f->r), NEVER);
}

static void every_periodic_rate(void **state)
{
	struct fixture *f = *state;

	for (unsigned int rate = 1; rate <= 15; rate++) {
		int64_t hz = rate <= 2 ? 512 >> rate : 65536 >> rate;
		int64_t start;

		put(f, REG_A, (uint8_t)(0x20 | rate));
		f->now_ns = (START_S + (int64_t)rate) * NS;
		start = f->now_ns;
		for (int64_t n = 1; n <= 2 * hz; n++) {
			ns_to_interrupt(f, PIE);
			/* No drift: interrupt n comes after n periods, rounded up to whole ns. */
			assert_int_equal(f->now_ns - start, (n * NS + hz - 1) / hz);
		}
		put(f, REG_B, H24);
	}
	put(f, REG_A, 0x20);
	get(f, REG_C);
	put(f, REG_B, H24 | PIE);
	assert_int_equal(rtc_poll(f->r), NEVER);
}

static void alarm_at_a_time_of_day(void **state)
{
	struct fixture *f = *state;

	set_alarm(f, 0x07, 0x30, 0x15);
	assert_int_equal(ns_to_interrupt(f, AIE), (7 * 3600 + 30 * 60 + 15 + 1) * NS);
	assert_int_equal(get(f, REG_C) & (IRQF | AIE), IRQF | AIE);
	assert_int_equal(ns_to_interrupt(f, AIE), 86400 * NS);
}

static void alarm_with_wildcards(void **state)
{
	struct fixture *f = *state;

	set_alarm(f, ANY, ANY, ANY);
	assert_int_equal(ns_to_interrupt(f, AIE), NS); /* 00:00:00 */
	set_alarm(f, ANY, ANY, 0x10);
	assert_int_equal(ns_to_interrupt(f, AIE), 10 * NS);
	assert_int_equal(ns_to_interrupt(f, AIE), 60 * NS);
	set_alarm(f, ANY, 0x05, 0x00);
	assert_int_equal(ns_to_interrupt(f, AIE), (60 * 5 - 70) * NS);
	assert_int_equal(ns_to_interrupt(f, AIE), 3600 * NS);
	set_alarm(f, 0x03, 0xc0, 0x00);
	assert_int_equal(ns_to_interrupt(f, AIE), (2 * 3600 - 300) * NS);
	assert_int_equal(ns_to_interrupt(f, AIE), 60 * NS);
}

static void impossible_alarm_never_comes(void **state)
{
	static const uint8_t alarms[][3] = {
		{ 0x24, 0, 0 }, { 0, 0x60, 0 }, { 0, 0, 0x60 }, { ANY, ANY, 0x0a }
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(alarms); i++) {
		set_alarm(f, alarms[i][0], alarms[i][1], alarms[i][2]);
		get(f, REG_C);
		put(f, REG_B, H24 | AIE);
		assert_int_equal(rtc_poll(f->r), NEVER);
		pass(f, 100000 * NS);
		assert_int_equal(get(f, REG_C) & AIE, 0);
	}
}

static void alarm_in_12_hours(void **state)
{
	struct fixture *f = *state;

	put(f, REG_B, 0); /* 11:59:59 pm */
	set_alarm(f, 0x92, 0x00, 0x00);
	put(f, REG_B, AIE);
	pass(f, 12 * 3600 * NS);
	rtc_poll(f->r);
	assert_false(f->level);
	pass(f, NS);
	rtc_poll(f->r);
	assert_true(f->level);
}

/*
 * The guest did not read the clock for a day: an alarm within it is still found, and one outside is
 * not.
 */
static void alarm_is_found_later(void **state)
{
	struct fixture *f = *state;

	set_alarm(f, 0x05, 0x00, 0x00);
	pass(f, 5 * 3600 * NS);
	assert_int_equal(get(f, REG_C) & AIE, 0);
	pass(f, 7200 * NS);
	assert_int_equal(get(f, REG_C) & AIE, AIE);
	pass(f, 7200 * NS);
	assert_int_equal(get(f, REG_C) & AIE, 0);
}

static void a_far_alarm_is_looked_at_each_minute(void **state)
{
	struct fixture *f = *state;

	set_alarm(f, 0x12, 0x00, 0x00);
	put(f, REG_B, H24 | AIE);
	assert_int_equal(rtc_poll(f->r), 60 * NS);
	pass(f, 13 * 3600 * NS); /* the host's clock was set */
	rtc_poll(f->r);
	assert_true(f->level);
}

static void wild_host_clocks_do_no_harm(void **state)
{
	static const int64_t clocks[] = { INT64_MIN, -1, 0, INT64_MAX, 1, INT64_MAX - 1 };
	struct fixture *f = *state;

	set_alarm(f, ANY, ANY, ANY);
	put(f, REG_B, H24 | AIE | PIE | UIE);
	for (size_t i = 0; i < ARRAY_SIZE(clocks); i++) {
		f->now_ns = clocks[i];
		rtc_poll(f->r);
		get(f, REG_C);
		rtc_poll(f->r);
		put(f, REG_A, 0x76);
		put(f, REG_A, 0x26);
	}
	create(f);
	assert_in_range(bcd(get(f, 8)), 1, 12);
}

static void specs_that_are_taken(void **state)
{
	struct rtc_config config = { .base = RTC_EPOCH, .epoch_s = 7 };

	(void)state;
	assert_int_equal(rtc_parse("utc", &config), 0);
	assert_int_equal(config.base, RTC_UTC);
	assert_int_equal(config.epoch_s, 7);
	assert_int_equal(rtc_parse("local", &config), 0);
	assert_int_equal(config.base, RTC_LOCALTIME);
	assert_int_equal(rtc_parse("@0", &config), 0);
	assert_int_equal(config.base, RTC_EPOCH);
	assert_int_equal(config.epoch_s, 0);
	assert_int_equal(rtc_parse("@253402300799", &config), 0);
	assert_true(config.epoch_s == RTC_EPOCH_MAX_S);
}

static void specs_that_are_refused(void **state)
{
	static const char *const specs[] = {
		"",	 "UTC",		  "utc ", "localtime", "@",
		"@-1",	 "@+1",		  "@ 1",  "@1 ",       "@0x10",
		"@1.5",	 "@253402300800", "1000", "@@1",       "@99999999999999999999999999999999",
		"@1,utc"
	};
	struct rtc_config config = { .base = RTC_LOCALTIME, .epoch_s = 7 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		assert_int_equal(rtc_parse(specs[i], &config), -EINVAL);
		assert_int_equal(config.base, RTC_LOCALTIME);
		assert_int_equal(config.epoch_s, 7);
	}
}

/* The real clock and a real timer: a periodic interrupt within a second, and no timer remains. */
static void timer_raises_the_line(void **state)
{
	struct fixture *f = *state;
	struct irq_line line = { .set = set_line, .ctx = f, .gsi = 8 };
	struct loop loop;

	assert_int_equal(loop_init(&loop), 0);
	rtc_destroy(f->r);
	f->r = rtc_create(&f->config, &line, &loop, NULL, NULL);
	assert_non_null(f->r);
	f->stop_loop = &loop; /* first: on a slow host the flag may be up already */
	put(f, REG_B, H24 | PIE);
	assert_int_equal(loop_run(&loop), 0);
	assert_true(f->level);
	f->stop_loop = NULL;
	assert_int_equal(get(f, REG_C) & (IRQF | PIE), IRQF | PIE);
	put(f, REG_B, H24);
	rtc_destroy(f->r);
	f->r = NULL;
	loop_fini(&loop);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(registers_at_power_on),
		TEST(index_drops_the_nmi_bit_and_does_not_read),
		TEST(memory_holds_what_is_written),
		TEST(c_and_d_are_read_only),
		TEST(memory_sizes),
		TEST(memory_sizes_of_small_and_huge_machines),
		TEST(time_follows_the_host),
		TEST(every_date_is_right),
		TEST(time_goes_back_with_the_host),
		TEST(local_time_has_the_offset),
		TEST(a_given_time_starts_with_a_whole_second),
		TEST(update_in_progress_before_each_second),
		TEST(no_update_in_progress_while_time_stands),
		TEST(a_date_is_read_whole),
		TEST(polling_seconds_sees_them_change),
		TEST(set_freezes_the_time),
		TEST(guest_sets_the_clock),
		TEST(registers_written_one_by_one_stay),
		TEST(divider_reset_starts_half_a_second_in),
		TEST(binary_mode),
		TEST(format_changed_with_set_keeps_the_bytes),
		TEST(twelve_hour_mode),
		TEST(garbage_in_the_time_does_no_harm),
		TEST(c_is_cleared_by_reading),
		TEST(line_stays_up_until_c_is_read),
		TEST(no_source_needs_no_timer),
		TEST(enabling_a_waiting_flag_interrupts),
		TEST(set_clears_update_interrupt_enable),
		TEST(every_periodic_rate),
		TEST(alarm_at_a_time_of_day),
		TEST(alarm_with_wildcards),
		TEST(impossible_alarm_never_comes),
		TEST(alarm_in_12_hours),
		TEST(alarm_is_found_later),
		TEST(a_far_alarm_is_looked_at_each_minute),
		TEST(wild_host_clocks_do_no_harm),
		TEST(timer_raises_the_line),
		cmocka_unit_test(specs_that_are_taken),
		cmocka_unit_test(specs_that_are_refused),
	};

	return cmocka_run_group_tests_name("rtc", tests, NULL, NULL);
}
