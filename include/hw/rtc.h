/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An MC146818 real-time clock with 114 bytes of CMOS memory, ports 0x70 (index) and 0x71 (data),
 * GSI 8. Its time is the host's clock plus an offset; values that a guest reads together belong
 * together.
 */
#ifndef HW_RTC_H
#define HW_RTC_H

#include "kvm/bus.h"
#include "kvm/irq.h"
#include "kvm/loop.h"

/* RAM sizes are for the CMOS bytes 0x15..0x18, 0x30, 0x31, 0x34, 0x35 and 0x5b..0x5d. */
struct rtc_config {
	enum { RTC_UTC, RTC_LOCALTIME, RTC_EPOCH } base;
	int64_t epoch_s;       /* RTC_EPOCH: the clock starts at this, in seconds since 1970 */
	uint64_t ram_below_4g; /* bytes */
	uint64_t ram_above_4g; /* bytes */
};

struct rtc;
extern const struct bus_ops rtc_bus_ops; /* 2 ports, width 1; any thread */

#define RTC_CENTURY_REGISTER 0x32    /* for the FADT */
#define RTC_EPOCH_MAX_S 253402300799 /* the last second of 9999: the clock has four digits */

/*
 * Parses --rtc: "utc", "local", "@EPOCH" (decimal, 0..RTC_EPOCH_MAX_S), and nothing else. Sets base
 * and epoch_s only, and only on success. Returns 0, or -EINVAL (not reported).
 */
int rtc_parse(const char *spec, struct rtc_config *config);

/*
 * Creates a clock. @now_realtime_ns is CLOCK_REALTIME (tests give their own clock); NULL for the
 * real one. @irq is copied. Without @loop (NULL) only rtc_poll() and the guest's own accesses move
 * the interrupt line. Returns NULL without memory.
 */
struct rtc *rtc_create(const struct rtc_config *config, const struct irq_line *irq,
		       struct loop *loop, int64_t (*now_realtime_ns)(void *ctx), void *clock_ctx);
void rtc_destroy(struct rtc *r); /* Thread: loop, or tear-down; NULL is allowed */

/*
 * Brings the flags and the line up to the present, and arms the timer anew; the timer calls it too.
 * Returns the delay in ns after which the line may next rise by itself, at most a minute, or
 * UINT64_MAX if it cannot before the guest does something. Thread: any.
 */
uint64_t rtc_poll(struct rtc *r);

#endif
