/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Emulates ports that need a line or two of code each, as one small device:
 *  - 0x80, the POST code: remembered, so that a post-mortem report can show how far a guest came;
 *  - 0x92, "system control port A" of the PS/2: A20 (remembered, without effect) and reset;
 *  - 0xcf9, the reset control of PC chipsets (Intel 500 Series PCH, RST_CNT): resets when bit 2
 *    goes from 0 to 1;
 *  - 0xf4 and 0x501, debug exit: ends the machine with a number, by QEMU's convention;
 *  - 0x610, by which kvm's own init reports how the command in the guest has ended;
 *  - the sleep and reset registers of a machine with hardware-reduced ACPI (ACPI 6.5, 4.8.3.6 and
 *    4.8.3.7).
 *
 * vCPU threads access them through the bus, with no lock: each register is one atomic byte, and no
 * rule spans two. A write only requests the end of the machine: the vCPU may run on for a while, so
 * a second request must do no harm.
 */
#include "hw/ports.h"

#include "kvm/log.h"

#include <stdatomic.h>

#define PORT92_RESET 0x01
#define PORT92_A20 0x02

#define RESET_CONTROL_OFFSET 1
#define RESET_CONTROL_RST_CPU 0x04

#define ACPI_SLP_TYP_MASK (7 << ACPI_SLP_TYP_SHIFT)

static uint64_t post_read(void *dev, uint64_t offset, unsigned int size)
{
	struct misc_ports *p = dev;

	(void)offset;
	(void)size;
	return atomic_load(&p->post_code);
}

static void post_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct misc_ports *p = dev;

	(void)offset;
	(void)size;
	atomic_store_explicit(&p->post_code, (uint8_t)value, memory_order_relaxed);
	atomic_store_explicit(&p->post_seen, true, memory_order_relaxed);
}

static uint64_t port92_read(void *dev, uint64_t offset, unsigned int size)
{
	struct misc_ports *p = dev;

	(void)offset;
	(void)size;
	return atomic_load(&p->port92) ^ PORT92_A20;
}

static void port92_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct misc_ports *p = dev;

	(void)offset;
	(void)size;
	atomic_store(&p->port92, (uint8_t)((value & ~(uint64_t)PORT92_RESET) ^ PORT92_A20));
	if (value & PORT92_RESET)
		power_request(p->power, POWER_RESET, (uint8_t)value, "port 0x92");
}

static uint64_t reset_control_read(void *dev, uint64_t offset, unsigned int size)
{
	struct misc_ports *p = dev;

	if (offset != RESET_CONTROL_OFFSET || size != 1)
		return UINT64_MAX >> (64 - 8 * size);
	return atomic_load(&p->reset_control);
}

static void reset_control_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct misc_ports *p = dev;
	uint8_t before;

	if (offset != RESET_CONTROL_OFFSET || size != 1)
		return;
	before = atomic_exchange(&p->reset_control, (uint8_t)value);
	if (~before & value & RESET_CONTROL_RST_CPU)
		power_request(p->power, POWER_RESET, (uint8_t)value, "port 0xcf9");
}

static uint64_t debug_exit_read(void *dev, uint64_t offset, unsigned int size)
{
	(void)dev;
	(void)offset;
	(void)size;
	return 0;
}

static void debug_exit_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct misc_ports *p = dev;

	(void)offset;
	(void)size;
	power_request(p->power, POWER_DEBUG_EXIT, (unsigned int)value, "debug exit");
}

static void guestjob_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct misc_ports *p = dev;

	if (!offset && size == 4)
		power_request(p->power, POWER_COMMAND, (unsigned int)value, "command");
}

static void sleep_control_write(struct misc_ports *p, uint8_t value)
{
	unsigned int type = (value & ACPI_SLP_TYP_MASK) >> ACPI_SLP_TYP_SHIFT;

	atomic_store(&p->sleep_control, value & ACPI_SLP_TYP_MASK);
	if (!(value & ACPI_SLP_EN))
		return;
	if (type == ACPI_SLP_TYP_S5) {
		power_request(p->power, POWER_OFF, type, "ACPI");
		return;
	}
	pr_guest("ignored the guest's request for ACPI sleep type %u: not supported", type);
	/* The guest now waits for this bit: wake it up at once instead of never. */
	atomic_fetch_or(&p->sleep_status, ACPI_WAK_STS);
}

static uint64_t acpi_read(void *dev, uint64_t offset, unsigned int size)
{
	struct misc_ports *p = dev;

	(void)size;
	switch (offset) {
	case 0:
		return atomic_load(&p->sleep_control);
	case 1:
		return atomic_load(&p->sleep_status);
	default:
		return 0;
	}
}

static void acpi_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct misc_ports *p = dev;

	(void)size;
	switch (offset) {
	case 0:
		sleep_control_write(p, (uint8_t)value);
		break;
	case 1:
		atomic_fetch_and(&p->sleep_status, (uint8_t) ~(value & ACPI_WAK_STS));
		break;
	default:
		if ((uint8_t)value == ACPI_RESET_VALUE)
			power_request(p->power, POWER_RESET, ACPI_RESET_VALUE,
				      "ACPI reset register");
	}
}

const struct bus_ops post_ops = { .read = post_read, .write = post_write, .width = 1 };
const struct bus_ops port92_ops = { .read = port92_read, .write = port92_write, .width = 1 };
const struct bus_ops reset_control_ops = { .read = reset_control_read,
					   .write = reset_control_write,
					   .width = 4 };
const struct bus_ops debug_exit_ops = { .read = debug_exit_read,
					.write = debug_exit_write,
					.width = 4 };
const struct bus_ops guestjob_ops = { .read = debug_exit_read,
				      .write = guestjob_write,
				      .width = 4 };
const struct bus_ops acpi_sleep_ops = { .read = acpi_read, .write = acpi_write, .width = 1 };
