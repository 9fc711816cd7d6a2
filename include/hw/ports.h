/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ports that need a line or two of code each: POST code 0x80, fast A20 and reset 0x92, reset
 * control 0xcf9, debug exit 0xf4, the end of a command, and the ACPI registers of a
 * hardware-reduced machine: sleep control, sleep status, reset. Thread: any.
 */
#ifndef HW_PORTS_H
#define HW_PORTS_H

#include "kvm/bus.h"
#include "kvm/power.h"

/*
 * The device of all ranges below. At power-on it is all zero except for @power, which outlives it.
 */
struct misc_ports {
	const struct power *power;
	_Atomic uint8_t post_code; /* the last one written to 0x80, for a post-mortem report */
	_Atomic bool post_seen;
	_Atomic uint8_t port92;	       /* A20 inverted, so that it is on at first */
	_Atomic uint8_t reset_control; /* 0xcf9 */
	_Atomic uint8_t sleep_control; /* what the guest reads back: the sleep type */
	_Atomic uint8_t sleep_status;
};

extern const struct bus_ops post_ops;	/* 0x80, 1 port */
extern const struct bus_ops port92_ops; /* 0x92, 1 port */

/*
 * Four ports from 0xcf8, width 4, although only 0xcf9 exists: a guest that looks for PCI writes
 * double words to 0xcf8, and the bus must not split those, because one of the bytes would reset the
 * machine.
 */
extern const struct bus_ops reset_control_ops;
#define RESET_CONTROL_BASE 0xcf8
#define RESET_CONTROL_PORTS 4

/* DEBUG_EXIT_PORTS, width 4: status (value << 1) | 1 */
extern const struct bus_ops debug_exit_ops;
#define DEBUG_EXIT_PORTS 4
/* 4 ports, width 4: how the guest's command ended, see guest/guestjob.h */
extern const struct bus_ops guestjob_ops;
/* ACPI 6.5, 4.8.3.6 and 4.8.3.7: +0 sleep control, +1 sleep status, +2 reset (write 1) */
extern const struct bus_ops acpi_sleep_ops;
#define ACPI_SLEEP_PORTS 3
#define ACPI_SLP_EN 0x20
#define ACPI_SLP_TYP_SHIFT 2
#define ACPI_SLP_TYP_S5 5
#define ACPI_WAK_STS 0x80
#define ACPI_RESET_VALUE 1

#endif
