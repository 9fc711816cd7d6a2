/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Emulates the test device: ports and memory by which a guest that tests KVM triggers events. The
 * layout is that of QEMU's pc-testdev and fw_cfg (docs/specs/fw_cfg), because the tests are written
 * for them.
 *  - scratch: four bytes, by accesses of any width, one at a time or strings;
 *  - flush: a write of a guest-physical address drops KVM's mapping of that page, not its content;
 *  - irq: a write to port n sets the level of GSI n;
 *  - MMIO RAM: 64 KiB that exit at each access;
 *  - fw_cfg: the two items that describe the machine to the guest: how many CPUs, how much RAM; all
 *    others are empty;
 *  - PM1 registers and PM timer of ACPI (6.5, 4.8.3.1 to 4.8.3.3), with S3 and S5.
 *
 * vCPU threads access it through the bus, and the loop's thread reports the clock's event.
 * Registers are atomic, byte by byte or word by word, and no rule spans two of them, with two
 * exceptions:
 *  - The lines have a lock.
 *  - Sleep: the CPU that goes to sleep first marks the machine as asleep and then looks for an
 *    event; an event is first recorded and then looks for a sleeper. The thread that finds both
 *    ends the sleep, once.
 *
 * SCI is never raised: OSPM knows this machine as hardware-reduced and leaves PM1 alone.
 */
#include "hw/testdev.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define FW_CFG_RAM_BYTES 3
#define FW_CFG_NR_CPUS 5

#define PM1_RTC 0x0400 /* the same place in status and enable */
#define PM1_STATUS_WAKE 0x8000
#define PM1_CONTROL_SCI_EN 0x0001
#define PM1_CONTROL_SLP_TYP 0x1c00
#define PM1_CONTROL_SLP_TYP_SHIFT 10
#define PM1_CONTROL_SLP_EN 0x2000
#define PM1_SLP_TYP_S3 1
#define PM1_SLP_TYP_S5 5

#define PM_TIMER_HZ 3579545
#define PM_TIMER_MASK 0xffffff
#define NS_PER_S 1000000000ULL

enum pm1_register { PM1_STATUS, PM1_ENABLE, PM1_CONTROL, NR_PM1 };

enum sleep_state { AWAKE, FALLING_ASLEEP, ASLEEP };

struct testdev {
	struct testdev_config config;
	pthread_mutex_t line_lock; /* config.line */
	_Atomic uint8_t scratch[TESTDEV_SCRATCH_PORTS];
	_Atomic uint32_t fw_cfg; /* selector << 16 | offset */
	_Atomic uint16_t pm1[NR_PM1];
	_Atomic unsigned int sleep; /* enum sleep_state */
	_Atomic uint8_t mmio[TESTDEV_MMIO_BYTES];
};

static uint64_t get_bytes(const _Atomic uint8_t *bytes, unsigned int size)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < size; i++)
		value |= (uint64_t)atomic_load_explicit(&bytes[i], memory_order_relaxed) << (8 * i);
	return value;
}

static void put_bytes(_Atomic uint8_t *bytes, unsigned int size, uint64_t value)
{
	for (unsigned int i = 0; i < size; i++)
		atomic_store_explicit(&bytes[i], (uint8_t)(value >> (8 * i)), memory_order_relaxed);
}

static uint64_t scratch_read(void *dev, uint64_t offset, unsigned int size)
{
	struct testdev *d = dev;

	return get_bytes(d->scratch + offset, size);
}

static void scratch_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct testdev *d = dev;

	put_bytes(d->scratch + offset, size, value);
}

static uint64_t mmio_read(void *dev, uint64_t offset, unsigned int size)
{
	struct testdev *d = dev;

	return get_bytes(d->mmio + offset, size);
}

static void mmio_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct testdev *d = dev;

	put_bytes(d->mmio + offset, size, value);
}

static uint64_t zero_read(void *dev, uint64_t offset, unsigned int size)
{
	(void)dev;
	(void)offset;
	(void)size;
	return 0;
}

static void flush_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct testdev *d = dev;

	(void)size;
	if (offset == 0)
		d->config.flush_page(d->config.ctx, value);
}

static void irq_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct testdev *d = dev;

	(void)size;
	pthread_mutex_lock(&d->line_lock);
	irq_set(&d->config.line[offset], value);
	pthread_mutex_unlock(&d->line_lock);
}

/* The selected item, least significant byte first; then zeros. */
static uint64_t fw_cfg_item(const struct testdev *d, unsigned int selector)
{
	switch (selector) {
	case FW_CFG_NR_CPUS:
		return d->config.nr_cpus;
	case FW_CFG_RAM_BYTES:
		return d->config.ram_bytes;
	default:
		return 0;
	}
}

/*
 * Port 1 returns the item's next byte, or 0 after its end. A string instruction arrives as single
 * reads.
 */
static uint64_t fw_cfg_read(void *dev, uint64_t offset, unsigned int size)
{
	struct testdev *d = dev;
	uint32_t state, at;

	if (offset != 1 || size != 1)
		return 0;
	state = atomic_load(&d->fw_cfg);
	do {
		at = state & 0xffff;
	} while (at < sizeof(uint64_t) &&
		 !atomic_compare_exchange_weak(&d->fw_cfg, &state, state + 1));
	return at < sizeof(uint64_t) ? fw_cfg_item(d, state >> 16) >> (8 * at) & 0xff : 0;
}

static void fw_cfg_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct testdev *d = dev;

	if (offset == 0 && size == 2)
		atomic_store(&d->fw_cfg, (uint32_t)value << 16);
}

/* Changes the sleep state from @from to @to. Returns whether this call did it. */
static bool leave_for(struct testdev *d, unsigned int from, unsigned int to)
{
	return atomic_compare_exchange_strong(&d->sleep, &from, to);
}

static void wake_if_due(struct testdev *d)
{
	if (!(atomic_load(&d->pm1[PM1_STATUS]) & atomic_load(&d->pm1[PM1_ENABLE]) & PM1_RTC))
		return;
	if (!leave_for(d, ASLEEP, AWAKE))
		return;
	atomic_fetch_or(&d->pm1[PM1_STATUS], PM1_STATUS_WAKE);
	d->config.wake(d->config.ctx);
}

void testdev_rtc_event(struct testdev *d)
{
	atomic_fetch_or(&d->pm1[PM1_STATUS], PM1_RTC);
	wake_if_due(d);
}

static void control_write(struct testdev *d, uint16_t value)
{
	unsigned int type = (value & PM1_CONTROL_SLP_TYP) >> PM1_CONTROL_SLP_TYP_SHIFT;

	atomic_store(&d->pm1[PM1_CONTROL], (value & PM1_CONTROL_SLP_TYP) | PM1_CONTROL_SCI_EN);
	if (!(value & PM1_CONTROL_SLP_EN))
		return;
	if (type == PM1_SLP_TYP_S5)
		power_request(d->config.power, POWER_OFF, type, "PM1");
	/* Two CPUs may do this at once: only one of them begins the sleep. */
	if (type != PM1_SLP_TYP_S3 || !leave_for(d, AWAKE, FALLING_ASLEEP))
		return;
	d->config.sleep(d->config.ctx);
	atomic_store(&d->sleep, ASLEEP);
	wake_if_due(d);
}

static uint64_t pm1_read(void *dev, uint64_t offset, unsigned int size)
{
	struct testdev *d = dev;
	unsigned int index = (unsigned int)offset / 2;
	uint16_t value = index < NR_PM1 ? atomic_load(&d->pm1[index]) : 0;

	return size == 1 ? value >> (8 * (offset & 1)) & 0xff : value;
}

/* Takes words only: half a status or control register is of no use to a guest. */
static void pm1_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct testdev *d = dev;

	if (size != 2 || offset % 2)
		return;
	switch (offset / 2) {
	case PM1_STATUS: /* ones clear */
		atomic_fetch_and(&d->pm1[PM1_STATUS], (uint16_t)~value);
		break;
	case PM1_ENABLE:
		atomic_store(&d->pm1[PM1_ENABLE], (uint16_t)value);
		break;
	case PM1_CONTROL:
		control_write(d, (uint16_t)value);
		break;
	default:
		break;
	}
}

uint32_t pm_timer_ticks(uint64_t ns)
{
	uint64_t ticks = ns / NS_PER_S * PM_TIMER_HZ + ns % NS_PER_S * PM_TIMER_HZ / NS_PER_S;

	return ticks & PM_TIMER_MASK;
}

static uint64_t pm_timer_read(void *dev, uint64_t offset, unsigned int size)
{
	struct timespec now;
	uint32_t ticks;

	(void)dev;
	clock_gettime(CLOCK_MONOTONIC, &now);
	ticks = pm_timer_ticks((uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec);
	return ticks >> (8 * offset) & UINT32_MAX >> (32 - 8 * size);
}

static void ignore_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	(void)dev;
	(void)offset;
	(void)size;
	(void)value;
}

struct testdev *testdev_create(const struct testdev_config *config)
{
	struct testdev *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->config = *config;
	pthread_mutex_init(&d->line_lock, NULL);
	atomic_store(&d->pm1[PM1_CONTROL], PM1_CONTROL_SCI_EN);
	return d;
}

void testdev_destroy(struct testdev *d)
{
	if (!d)
		return;
	pthread_mutex_destroy(&d->line_lock);
	free(d);
}

const struct bus_ops testdev_scratch_ops = { .read = scratch_read,
					     .write = scratch_write,
					     .width = 4 };
const struct bus_ops testdev_flush_ops = { .read = zero_read, .write = flush_write, .width = 4 };
const struct bus_ops testdev_irq_ops = { .read = zero_read, .write = irq_write, .width = 1 };
const struct bus_ops testdev_mmio_ops = { .read = mmio_read, .write = mmio_write, .width = 8 };
const struct bus_ops fw_cfg_ops = { .read = fw_cfg_read, .write = fw_cfg_write, .width = 2 };
const struct bus_ops pm1_ops = { .read = pm1_read, .write = pm1_write, .width = 2 };
const struct bus_ops pm_timer_ops = { .read = pm_timer_read, .write = ignore_write, .width = 4 };
