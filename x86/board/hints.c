/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds what a Linux guest that ended badly seems to have lacked: interrupts or devices that one of
 * its parameters takes away, or a driver for a device of the command line.
 *
 * - Parameters: people bring them along from other launchers, whose machines have 8259s or no ACPI.
 * - Drivers: how far a driver has come shows in the device's status (virtio 1.3, 2.1). If no device
 *   has been acknowledged, the guest has no driver for virtio-mmio at all; a device that has been
 *   acknowledged and has no driver lacks one for its type. A kernel that died before its drivers
 *   began lacks nothing, so the driver of the console's port must have begun: Linux links it after
 *   virtio's.
 *
 * Called once, at the end. Thread: main.
 */
#include "hints.h"

#include "board_serial.h"
#include "machine.h"
#include "virtio_slots.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define NO_INTERRUPTS                                                                              \
	"leaves the guest's devices without interrupts, since ACPI describes no 8259; remove it"

/* What breaks a guest that finds the machine by ACPI. */
static const struct {
	const char *word, *why;
	bool hides; /* only devices, so it does no harm where none was asked for */
} parameters[] = {
	{ "noapic", NO_INTERRUPTS },
	{ "nolapic", NO_INTERRUPTS },
	{ "nosmp", NO_INTERRUPTS },
	{ "maxcpus=0", NO_INTERRUPTS },
	{ "acpi=noirq", NO_INTERRUPTS },
	{ "pci=noacpi", NO_INTERRUPTS },
	{ "acpi=off",
	  "hides the virtio devices, which ACPI describes; remove it, or use --machine tables=mp",
	  true },
};

static const struct {
	uint32_t device_id;
	const char *what, *driver;
} kinds[] = {
	{ VIRTIO_ID_BLOCK, "disk", "virtio_blk" },
	{ VIRTIO_ID_NET, "network", "virtio_net" },
	{ VIRTIO_ID_FS, "shared folder", "virtiofs" },
	{ VIRTIO_ID_CONSOLE, "virtio console", "virtio_console" },
	{ VIRTIO_ID_BALLOON, "balloon", "virtio_balloon" },
};

/* The devices of the command line, as bits by their places in kinds[]. */
struct drivers {
	bool any_found;	    /* a driver has found some device, even the entropy device */
	unsigned int taken; /* by a driver */
	unsigned int missed;
};

static struct drivers look_at_drivers(const struct machine *m)
{
	struct drivers d = { 0 };
	struct virtio_slot_state s;

	for (unsigned int slot = 0; virtio_slot_state(m, slot, &s); slot++) {
		d.any_found |= s.status & VIRTIO_CONFIG_S_ACKNOWLEDGE;
		for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
			if (kinds[i].device_id != s.device_id)
				continue;
			if (s.status & VIRTIO_CONFIG_S_DRIVER)
				d.taken |= 1U << i;
			else
				d.missed |= 1U << i;
		}
	}
	return d;
}

static bool drivers_began(struct machine *m)
{
	return atomic_load(&m->ends.console_bytes) &&
	       (serial_any_driver(m) || m->vm->config->console != CONSOLE_SERIAL);
}

static const char *missing_support(const struct machine *m)
{
	if (m->tables & TABLES_ACPI)
		return "virtio_mmio, or the kernel lacks ACPI (then use --machine tables=mp)";
	if (m->tables & TABLES_DT)
		return "virtio_mmio, or the kernel lacks CONFIG_OF";
	return "virtio_mmio with CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES";
}

static bool find_missing_driver(struct machine *m, char *text, size_t n)
{
	struct drivers d = look_at_drivers(m);
	unsigned int missed = d.missed & ~d.taken, i;

	if (!missed || !drivers_began(m))
		return false;
	i = (unsigned int)__builtin_ctz(missed);
	snprintf(text, n, "no driver of the guest has %s the %s: the kernel or its initrd lacks %s",
		 d.any_found ? "taken" : "found", kinds[i].what,
		 d.any_found ? kinds[i].driver : missing_support(m));
	return true;
}

static bool find_parameter(const struct machine *m, char *text, size_t n)
{
	const char *params = m->vm->config->params;

	for (unsigned int i = 0; i < ARRAY_SIZE(parameters) && m->tables & TABLES_ACPI; i++) {
		if (!boot_cmdline_has_word(params, parameters[i].word) ||
		    (parameters[i].hides && !look_at_drivers(m).missed))
			continue;
		snprintf(text, n, "-p %s: %s", parameters[i].word, parameters[i].why);
		return true;
	}
	return false;
}

bool hints_find(struct vm *vm, char *text, size_t n)
{
	struct machine *m = vm->machine;

	return m->for_linux && (find_parameter(m, text, n) || find_missing_driver(m, text, n));
}
