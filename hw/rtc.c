/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Emulates the Motorola MC146818A real-time clock of PCs (data sheet, "Registers" and "Update
 * cycle"), with the century byte at 0x32 and the memory-size bytes that a BIOS leaves in CMOS.
 *
 * Nothing ticks. The registers hold the time of second `last_second` as raw bytes in the guest's
 * own format. On each access catch_up() advances them by the seconds that the host's CLOCK_REALTIME
 * has advanced. Therefore:
 *  - An invalid date stays as written until the next update, as in the chip.
 *  - When the guest sets the clock, that is an offset to the host's time, without more code.
 *  - SET, or a divider held in reset, just stops the catching up.
 *  - `phase_ns` is where within the host's second a second of this clock begins. It changes when
 *    the guest releases the divider from reset: the first update comes half a second later (Linux
 *    sets its clock in time for that).
 *
 * Flags are found in the same way: from the boundaries crossed since the last access. A timer is
 * needed only while an interrupt is enabled whose flag is not set yet; otherwise this device costs
 * nothing.
 *
 * Reads of time registers come from a view, which is taken at a read of register A or C, or when it
 * is older than VIEW_NS: so a guest that has seen UIP clear gets one consistent time, even if its
 * exits are slow.
 *
 * vCPU threads access the device through the bus, the loop's thread through rtc_poll(); one mutex
 * covers it. Not modelled: daylight saving (DSE), the square wave pin, the NMI mask in bit 7 of the
 * index, time bases other than 32768 Hz. The index port reads all ones, as on most chipsets.
 */
#include "hw/rtc.h"

#include "kvm/log.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CMOS_BYTES 128

enum {
	REG_ALARM_SECONDS = 1,
	REG_ALARM_MINUTES = 3,
	REG_ALARM_HOURS = 5,
	REG_A = 10,
	REG_B,
	REG_C,
	REG_D
};

#define A_UIP 0x80
#define A_DIVIDER_32KHZ 0x20
#define A_DIVIDER_RESET 0x60 /* and 0x70 */
#define A_RATE 0x0f

#define B_SET 0x80
#define B_PIE 0x40
#define B_AIE 0x20
#define B_UIE 0x10
#define B_BINARY 0x04
#define B_24H 0x02

#define C_IRQF 0x80
#define C_PF 0x40 /* flags and enables have the same places in C and B */
#define C_AF 0x20
#define C_UF 0x10
#define C_FLAGS (C_PF | C_AF | C_UF)

#define D_VRT 0x80

#define HOUR_PM 0x80
#define ALARM_ANY 0xc0 /* both bits set: matches everything */

#define NS_PER_S 1000000000LL
#define TICKS_PER_S 32768
#define TICKS_SHIFT 15
#define S_PER_DAY 86400
#define DAYS_PER_CYCLE 3652425 /* 10000 years, after which four-digit years repeat */
#define UIP_NS 244000	       /* how long before an update UIP goes up */
#define VIEW_NS 2000000
#define NEVER UINT64_MAX
/* so that the time of an alarm does not overflow */
#define HOST_TIME_MAX_NS (INT64_MAX - 2 * S_PER_DAY * NS_PER_S)
/* The delay runs on another clock than the host's time, which may be set forward before it ends. */
#define DELAY_MAX_NS (60 * (uint64_t)NS_PER_S)

enum time_register { SECONDS, MINUTES, HOURS, WEEKDAY, DAY, MONTH, YEAR, CENTURY, NR_TIME };

struct rtc {
	pthread_mutex_t lock; /* protects all that follows it */
	struct irq_line irq;
	struct loop_timer timer;
	bool has_loop, timer_armed;
	int64_t (*clock)(void *ctx);
	void *clock_ctx;

	uint8_t index;
	uint8_t cmos[CMOS_BYTES]; /* all except the time */
	uint8_t time[NR_TIME];	  /* as of last_second, in the format of register B */
	uint8_t view[NR_TIME];	  /* what the guest reads */
	int64_t view_ns;	  /* host time of the view; INT64_MIN: none */

	int64_t phase_ns;    /* 0..NS_PER_S - 1 */
	int64_t last_second; /* of the host's clock less phase_ns */
	int64_t last_tick;   /* the same in 1/32768 s: flags are known up to here */
};

struct moment {
	int64_t day; /* since 0000-03-01 */
	int64_t second;
};

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int64_t floor_mod(int64_t a, int64_t b)
{
	return a - floor_div(a, b) * b;
}

/*
 * Days from 0000-03-01 to the first of March of @year: a year that begins in March ends with its
 * leap day.
 */
static int64_t days_before_march(int64_t year)
{
	return 365 * year + floor_div(year, 4) - floor_div(year, 100) + floor_div(year, 400);
}

/* Days from the first of March to the first of the month that is @months after it. */
static int64_t days_before_month(int64_t months)
{
	return (153 * months + 2) / 5;
}

static int64_t day_of_date(int64_t year, int64_t month, int64_t day)
{
	int64_t months = year * 12 + month - 3;

	return days_before_march(floor_div(months, 12)) + days_before_month(floor_mod(months, 12)) +
	       day - 1;
}

/* The inverse of day_of_date(), for 0 <= @day < DAYS_PER_CYCLE. */
static void date_of_day(int64_t day, int64_t *year, int64_t *month, int64_t *mday)
{
	int64_t march_year = day / 365; /* at most a few too many */
	int64_t months = 11;

	while (days_before_march(march_year) > day)
		march_year--;
	day -= days_before_march(march_year);
	while (days_before_month(months) > day)
		months--;
	*year = march_year + (months >= 10);
	*month = (months + 2) % 12 + 1;
	*mday = day - days_before_month(months) + 1;
}

static unsigned int decode(const struct rtc *r, uint8_t raw)
{
	return r->cmos[REG_B] & B_BINARY ? raw : (raw >> 4) * 10U + (raw & 0xf);
}

static uint8_t encode(const struct rtc *r, unsigned int value)
{
	return (uint8_t)(r->cmos[REG_B] & B_BINARY ? value : value / 10 * 16 + value % 10);
}

static unsigned int decode_hour(const struct rtc *r, uint8_t raw)
{
	if (r->cmos[REG_B] & B_24H)
		return decode(r, raw);
	return decode(r, raw & (uint8_t)~HOUR_PM) % 12 + (raw & HOUR_PM ? 12 : 0);
}

static uint8_t encode_hour(const struct rtc *r, unsigned int hour)
{
	if (r->cmos[REG_B] & B_24H)
		return encode(r, hour);
	return encode(r, (hour + 11) % 12 + 1) | (hour >= 12 ? HOUR_PM : 0);
}

/* Returns the time in the registers. Any bytes that the guest has written mean some moment. */
static struct moment get_moment(const struct rtc *r)
{
	int64_t year = decode(r, r->time[CENTURY]) * 100 + decode(r, r->time[YEAR]);
	int64_t second = decode_hour(r, r->time[HOURS]) * 3600 + decode(r, r->time[MINUTES]) * 60 +
			 decode(r, r->time[SECONDS]);
	int64_t day = day_of_date(year, decode(r, r->time[MONTH]), decode(r, r->time[DAY]));

	return (struct moment){ day + floor_div(second, S_PER_DAY), floor_mod(second, S_PER_DAY) };
}

static void put_moment(struct rtc *r, struct moment m)
{
	int64_t year, month, day;

	date_of_day(floor_mod(m.day, DAYS_PER_CYCLE), &year, &month, &day);
	year %= 10000; /* the cycle ends with February */
	r->time[SECONDS] = encode(r, (unsigned int)(m.second % 60));
	r->time[MINUTES] = encode(r, (unsigned int)(m.second / 60 % 60));
	r->time[HOURS] = encode_hour(r, (unsigned int)(m.second / 3600));
	r->time[DAY] = encode(r, (unsigned int)day);
	r->time[MONTH] = encode(r, (unsigned int)month);
	r->time[YEAR] = encode(r, (unsigned int)(year % 100));
	r->time[CENTURY] = encode(r, (unsigned int)(year / 100));
}

/*
 * Moves the time by @seconds; also back, because the host's clock may be set back. The weekday
 * counts on from its old value.
 */
static void move_time(struct rtc *r, int64_t seconds)
{
	struct moment m = get_moment(r);
	int64_t total = m.second + seconds;
	int64_t days = floor_div(total, S_PER_DAY);

	m.day += days;
	m.second = floor_mod(total, S_PER_DAY);
	put_moment(r, m);
	if (days)
		r->time[WEEKDAY] = (uint8_t)(floor_mod(r->time[WEEKDAY] - 1 + days, 7) + 1);
}

static bool divider_held(const struct rtc *r)
{
	return (r->cmos[REG_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET;
}

static bool time_stands(const struct rtc *r)
{
	return (r->cmos[REG_B] & B_SET) || divider_held(r);
}

/* log2 of the period in ticks, or -1 for none. Rates 1 and 2 have the periods of 8 and 9. */
static int period_shift(const struct rtc *r)
{
	int rate = r->cmos[REG_A] & A_RATE;

	if (!rate || divider_held(r))
		return -1;
	return rate <= 2 ? rate + 6 : rate - 1;
}

/*
 * Whether an alarm byte matches the time byte @value: it is the same, or means any. Bytes that are
 * no time never match.
 */
static bool alarm_matches(uint8_t raw, uint8_t value)
{
	return raw == value || (raw & ALARM_ANY) == ALARM_ANY;
}

static bool alarm_second_exists(const struct rtc *r)
{
	for (unsigned int second = 0; second < 60; second++) {
		if (alarm_matches(r->cmos[REG_ALARM_SECONDS], encode(r, second)))
			return true;
	}
	return false;
}

/*
 * Seconds from @second of a day, exclusive, to the next match of the alarm, 1..S_PER_DAY, or -1 for
 * never.
 */
static int64_t seconds_to_alarm(const struct rtc *r, int64_t second)
{
	int64_t start = second + 1, end = start + S_PER_DAY;

	/* Otherwise a guest could make every access look at each second of a day. */
	if (!alarm_second_exists(r))
		return -1;
	for (int64_t t = start; t < end;) {
		if (!alarm_matches(r->cmos[REG_ALARM_HOURS],
				   encode_hour(r, (unsigned int)(t / 3600 % 24))))
			t += 3600 - t % 3600;
		else if (!alarm_matches(r->cmos[REG_ALARM_MINUTES],
					encode(r, (unsigned int)(t / 60 % 60))))
			t += 60 - t % 60;
		else if (!alarm_matches(r->cmos[REG_ALARM_SECONDS],
					encode(r, (unsigned int)(t % 60))))
			t++;
		else
			return t - second;
	}
	return -1;
}

static int64_t now(const struct rtc *r)
{
	int64_t ns = r->clock(r->clock_ctx);

	if (ns < 0)
		return 0;
	return ns < HOST_TIME_MAX_NS ? ns : HOST_TIME_MAX_NS;
}

static int64_t tick_of(int64_t ns)
{
	int64_t second = floor_div(ns, NS_PER_S);

	return second * TICKS_PER_S + (ns - second * NS_PER_S) * TICKS_PER_S / NS_PER_S;
}

/* The first ns that belongs to @tick. */
static int64_t start_of_tick(int64_t tick)
{
	int64_t second = floor_div(tick, TICKS_PER_S);

	return second * NS_PER_S +
	       ((tick - second * TICKS_PER_S) * NS_PER_S + TICKS_PER_S - 1) / TICKS_PER_S;
}

static void raise_flags(struct rtc *r, uint8_t flags)
{
	r->cmos[REG_C] |= flags;
	if (r->cmos[REG_C] & r->cmos[REG_B] & C_FLAGS)
		r->cmos[REG_C] |= C_IRQF;
	else
		r->cmos[REG_C] &= (uint8_t)~C_IRQF;
	irq_set(&r->irq, r->cmos[REG_C] & C_IRQF);
}

/* Brings time, flags and line up to host time @ns. */
static void catch_up(struct rtc *r, int64_t ns)
{
	int64_t tick = tick_of(ns - r->phase_ns);
	int64_t second = tick >> TICKS_SHIFT;
	int64_t passed = second - r->last_second;
	int shift = period_shift(r);
	uint8_t flags = 0;

	if (shift >= 0 && tick >> shift > r->last_tick >> shift)
		flags |= C_PF;
	r->last_tick = tick;
	r->last_second = second;
	if (passed && !time_stands(r)) {
		int64_t alarm = seconds_to_alarm(r, get_moment(r).second);

		if (passed > 0)
			flags |= C_UF;
		if (alarm >= 0 && alarm <= passed)
			flags |= C_AF;
		move_time(r, passed);
	}
	raise_flags(r, flags);
}

/*
 * The delay from host time @ns, at which all is known, until the flag of an enabled interrupt is
 * set.
 */
static uint64_t delay_to_interrupt(const struct rtc *r, int64_t ns)
{
	uint8_t wanted = r->cmos[REG_B] & C_FLAGS;
	int64_t at = INT64_MAX;
	int shift = period_shift(r);

	if (!wanted || (r->cmos[REG_C] & C_IRQF))
		return NEVER;
	if ((wanted & B_PIE) && shift >= 0)
		at = start_of_tick(((r->last_tick >> shift) + 1) * (1LL << shift));
	if ((wanted & (B_UIE | B_AIE)) && !time_stands(r)) {
		int64_t seconds = wanted & B_UIE ? 1 : seconds_to_alarm(r, get_moment(r).second);
		int64_t second_ns = (r->last_second + seconds) * NS_PER_S;

		if (seconds > 0 && second_ns < at)
			at = second_ns;
	}
	if (at == INT64_MAX)
		return NEVER;
	return min_u64((uint64_t)(at - (ns - r->phase_ns)), DELAY_MAX_NS);
}

static uint64_t arm_timer(struct rtc *r, int64_t ns)
{
	uint64_t delay_ns = delay_to_interrupt(r, ns);
	int err;

	if (!r->has_loop)
		return delay_ns;
	if (delay_ns != NEVER) {
		err = loop_timer_arm(&r->timer, delay_ns);
		if (err)
			pr_guest("real-time clock: no timer, so its interrupts come late: %s",
				 strerror(-err));
		r->timer_armed = !err;
	} else if (r->timer_armed) {
		loop_timer_disarm(&r->timer);
		r->timer_armed = false;
	}
	return delay_ns;
}

static uint64_t poll_locked(struct rtc *r)
{
	int64_t ns = now(r);

	catch_up(r, ns);
	return arm_timer(r, ns);
}

uint64_t rtc_poll(struct rtc *r)
{
	uint64_t delay_ns;

	pthread_mutex_lock(&r->lock);
	delay_ns = poll_locked(r);
	pthread_mutex_unlock(&r->lock);
	return delay_ns;
}

static void on_timer(void *ctx)
{
	struct rtc *r = ctx;

	pthread_mutex_lock(&r->lock);
	/* If another thread has armed it since, it fires once more, for nothing. */
	r->timer_armed = false;
	poll_locked(r);
	pthread_mutex_unlock(&r->lock);
}

static int time_register(unsigned int index)
{
	static const uint8_t at[NR_TIME] = { 0, 2, 4, 6, 7, 8, 9, RTC_CENTURY_REGISTER };

	for (int i = 0; i < NR_TIME; i++) {
		if (at[i] == index)
			return i;
	}
	return -1;
}

static void take_view(struct rtc *r, int64_t ns)
{
	memcpy(r->view, r->time, sizeof(r->view));
	r->view_ns = ns;
}

static uint8_t read_time(struct rtc *r, int which)
{
	int64_t ns = now(r);

	if (r->view_ns == INT64_MIN || ns < r->view_ns || ns - r->view_ns > VIEW_NS) {
		catch_up(r, ns);
		take_view(r, ns);
	}
	return r->view[which];
}

static uint8_t read_a(struct rtc *r)
{
	int64_t ns = now(r);
	bool updating;

	catch_up(r, ns);
	take_view(r, ns);
	updating = !time_stands(r) && floor_mod(ns - r->phase_ns, NS_PER_S) >= NS_PER_S - UIP_NS;
	return r->cmos[REG_A] | (updating ? A_UIP : 0);
}

static uint8_t read_c(struct rtc *r)
{
	int64_t ns = now(r);
	uint8_t flags;

	catch_up(r, ns);
	take_view(r, ns);
	flags = r->cmos[REG_C];
	r->cmos[REG_C] = 0;
	raise_flags(r, 0);
	arm_timer(r, ns);
	return flags;
}

static uint8_t read_register(struct rtc *r, uint8_t index)
{
	int which = time_register(index);

	if (which >= 0)
		return read_time(r, which);
	if (index == REG_A)
		return read_a(r);
	if (index == REG_C)
		return read_c(r);
	return r->cmos[index];
}

static void write_a(struct rtc *r, uint8_t value, int64_t ns)
{
	bool held = divider_held(r);

	r->cmos[REG_A] = value & (uint8_t)~A_UIP;
	if (held && !divider_held(r)) {
		r->phase_ns = floor_mod(ns - NS_PER_S / 2, NS_PER_S);
		r->last_tick = tick_of(ns - r->phase_ns);
		r->last_second = r->last_tick >> TICKS_SHIFT;
	}
}

static void write_b(struct rtc *r, uint8_t value)
{
	uint8_t before = r->cmos[REG_B];
	struct moment m = get_moment(r);

	if (~before & value & B_SET)
		value &= (uint8_t)~B_UIE;
	r->cmos[REG_B] = value;
	/*
	 * The chip leaves the bytes as they are, and the guest must write them anew. But a guest
	 * that only switches the format of a running clock means the same time; one that has set
	 * SET may have written it already.
	 */
	if (!(before & B_SET) && ((before ^ value) & (B_BINARY | B_24H)))
		put_moment(r, m);
	raise_flags(r, 0);
}

static void write_register(struct rtc *r, uint8_t index, uint8_t value)
{
	int which = time_register(index);
	int64_t ns;

	/* C and D are read-only; writing memory does not affect the clock. */
	if (which < 0 && index > REG_B) {
		if (index > REG_D)
			r->cmos[index % CMOS_BYTES] = value;
		return;
	}
	ns = now(r);
	catch_up(r, ns);
	if (which >= 0)
		r->time[which] = value;
	else if (index == REG_A)
		write_a(r, value, ns);
	else if (index == REG_B)
		write_b(r, value);
	else
		r->cmos[index] = value;
	r->view_ns = INT64_MIN;
	arm_timer(r, ns);
}

static uint64_t rtc_read(void *dev, uint64_t offset, unsigned int size)
{
	struct rtc *r = dev;
	uint8_t value;

	(void)size;
	if (offset == 0)
		return 0xff;
	pthread_mutex_lock(&r->lock);
	value = read_register(r, r->index);
	pthread_mutex_unlock(&r->lock);
	return value;
}

static void rtc_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct rtc *r = dev;

	(void)size;
	pthread_mutex_lock(&r->lock);
	if (offset == 0)
		r->index = value & (CMOS_BYTES - 1);
	else
		write_register(r, r->index, (uint8_t)value);
	pthread_mutex_unlock(&r->lock);
}

const struct bus_ops rtc_bus_ops = { .read = rtc_read, .write = rtc_write, .width = 1 };

static void put_le(struct rtc *r, unsigned int index, unsigned int bytes, uint64_t value)
{
	value = min_u64(value, (1ULL << (8 * bytes)) - 1);
	for (unsigned int i = 0; i < bytes; i++)
		r->cmos[index + i] = (uint8_t)(value >> (8 * i));
}

/*
 * Writes the sizes as PC firmware does: KiB below 640, KiB above 1 MiB, 64 KiB units above 16 MiB
 * and above 4 GiB.
 */
static void put_memory_sizes(struct rtc *r, const struct rtc_config *config)
{
	uint64_t below = config->ram_below_4g;
	uint64_t extended_kib = below > MIB ? (below - MIB) / KIB : 0;
	unsigned int sum = 0;

	put_le(r, 0x15, 2, min_u64(below, 640 * KIB) / KIB);
	put_le(r, 0x17, 2, extended_kib);
	put_le(r, 0x30, 2, extended_kib);
	put_le(r, 0x34, 2, below > 16 * MIB ? (below - 16 * MIB) / (64 * KIB) : 0);
	put_le(r, 0x5b, 3, config->ram_above_4g / (64 * KIB));
	/* The checksum over 0x10..0x2d, high byte first. */
	for (unsigned int i = 0x10; i <= 0x2d; i++)
		sum += r->cmos[i];
	r->cmos[0x2e] = (uint8_t)(sum >> 8);
	r->cmos[0x2f] = (uint8_t)sum;
}

static int64_t start_time_s(const struct rtc_config *config, int64_t host_s)
{
	time_t t = (time_t)host_s;
	struct tm local;

	switch (config->base) {
	case RTC_EPOCH:
		return config->epoch_s;
	case RTC_LOCALTIME:
		return localtime_r(&t, &local) ? host_s + local.tm_gmtoff : host_s;
	case RTC_UTC:
	default:
		return host_s;
	}
}

static void start_clock(struct rtc *r, const struct rtc_config *config)
{
	int64_t ns = now(r), seconds = start_time_s(config, ns / NS_PER_S);
	int64_t day = floor_div(seconds, S_PER_DAY);

	/*
	 * A given time begins with a whole second; otherwise seconds begin together with the
	 * host's.
	 */
	if (config->base == RTC_EPOCH)
		r->phase_ns = ns % NS_PER_S;
	r->last_tick = tick_of(ns - r->phase_ns);
	r->last_second = r->last_tick >> TICKS_SHIFT;
	r->view_ns = INT64_MIN;
	put_moment(r,
		   (struct moment){ day + day_of_date(1970, 1, 1), floor_mod(seconds, S_PER_DAY) });
	/* 1970 began on a Thursday, and Sunday is 1. */
	r->time[WEEKDAY] = (uint8_t)(floor_mod(day + 4, 7) + 1);
}

static int64_t host_clock(void *ctx)
{
	struct timespec ts;

	(void)ctx;
	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

struct rtc *rtc_create(const struct rtc_config *config, const struct irq_line *irq,
		       struct loop *loop, int64_t (*now_realtime_ns)(void *ctx), void *clock_ctx)
{
	struct rtc *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	pthread_mutex_init(&r->lock, NULL);
	r->irq = *irq;
	r->has_loop = loop;
	loop_timer_init(loop, &r->timer, on_timer, r);
	r->clock = now_realtime_ns ? now_realtime_ns : host_clock;
	r->clock_ctx = clock_ctx;
	r->cmos[REG_A] = A_DIVIDER_32KHZ | 6; /* 1024 Hz */
	r->cmos[REG_B] = B_24H;
	r->cmos[REG_D] = D_VRT;
	put_memory_sizes(r, config);
	start_clock(r, config);
	return r;
}

void rtc_destroy(struct rtc *r)
{
	if (!r)
		return;
	if (r->has_loop)
		loop_timer_fini(&r->timer);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static int parse_epoch(const char *digits, int64_t *seconds)
{
	int64_t value = 0;

	if (!*digits)
		return -EINVAL;
	for (; *digits; digits++) {
		if (*digits < '0' || *digits > '9')
			return -EINVAL;
		value = value * 10 + (*digits - '0');
		if (value > RTC_EPOCH_MAX_S)
			return -EINVAL;
	}
	*seconds = value;
	return 0;
}

int rtc_parse(const char *spec, struct rtc_config *config)
{
	int64_t epoch_s;

	if (!strcmp(spec, "utc")) {
		config->base = RTC_UTC;
	} else if (!strcmp(spec, "local")) {
		config->base = RTC_LOCALTIME;
	} else if (*spec == '@' && !parse_epoch(spec + 1, &epoch_s)) {
		config->base = RTC_EPOCH;
		config->epoch_s = epoch_s;
	} else {
		return -EINVAL;
	}
	return 0;
}
