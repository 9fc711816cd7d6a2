/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The devices of --testdev: what the images of kvm-unit-tests need, and a PC with full ACPI would
 * have. See hw/testdev.c for the ports; hw/ports.h has the debug-exit port.
 */
#ifndef HW_TESTDEV_H
#define HW_TESTDEV_H

#include "kvm/bus.h"
#include "kvm/irq.h"
#include "kvm/power.h"

#define TESTDEV_NR_LINES 24
#define TESTDEV_MMIO_BYTES 0x10000
#define TESTDEV_SCRATCH_PORTS 4
#define TESTDEV_FLUSH_PORTS 4
#define FW_CFG_PORTS 2
#define PM1_PORTS 8
#define PM_TIMER_PORTS 4

/* The configuration, copied. Thread of the hooks: any vCPU's; of wake() also the loop's. */
struct testdev_config {
	unsigned int nr_cpus;
	uint64_t ram_bytes;
	struct irq_line line[TESTDEV_NR_LINES]; /* by GSI */
	const struct power *power;
	/*
	 * Makes the next access to the page at @gpa, any address at all, one that KVM must resolve.
	 */
	void (*flush_page)(void *ctx, uint64_t gpa);
	/*
	 * S3: sleep() stops all CPUs, wake() starts again at the firmware's waking vector. wake()
	 * follows each sleep() at most once.
	 */
	void (*sleep)(void *ctx);
	void (*wake)(void *ctx);
	void *ctx;
};

struct testdev;

/* Returns NULL without memory. */
struct testdev *testdev_create(const struct testdev_config *config);
void testdev_destroy(struct testdev *d); /* NULL is allowed */

/*
 * The real-time clock asserts its interrupt: sets PM1's RTC_STS, and ends S3 if RTC_EN is set.
 * Thread: any. Locks: takes none.
 */
void testdev_rtc_event(struct testdev *d);

/* Returns the PM timer's reading, @ns after any start: 24 bits at 3.579545 MHz. Pure. */
uint32_t pm_timer_ticks(uint64_t ns);

extern const struct bus_ops testdev_scratch_ops; /* TESTDEV_SCRATCH_PORTS */
extern const struct bus_ops testdev_flush_ops;	 /* TESTDEV_FLUSH_PORTS */
extern const struct bus_ops testdev_irq_ops;	 /* TESTDEV_NR_LINES ports */
extern const struct bus_ops testdev_mmio_ops;	 /* TESTDEV_MMIO_BYTES */
extern const struct bus_ops fw_cfg_ops;		 /* FW_CFG_PORTS */
/* PM1_PORTS: +0 status, +2 enable, +4 control, words */
extern const struct bus_ops pm1_ops;
extern const struct bus_ops pm_timer_ops; /* PM_TIMER_PORTS */

#endif
