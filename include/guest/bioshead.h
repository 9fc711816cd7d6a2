/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Defines the table at the start of our BIOS, by which the launcher and guest/bios/bios.S exchange
 * addresses and sizes.
 */
#ifndef GUEST_BIOSHEAD_H
#define GUEST_BIOSHEAD_H

#define BIOS_E820_ENTRIES 20
#define BIOS_E820_BYTES 20

#ifndef __ASSEMBLER__

#include <stdint.h>

/* The start of the blob; offsets count from there. */
struct bios_head {
	uint16_t post;
	/*
	 * Handlers of exceptions and software interrupts, of IRQ 0, of IRQ 1 to 7, of IRQ 8 to 15.
	 */
	uint16_t ignore, tick, irq, irq_slave;
	uint16_t int10, int11, int12, int13, int15, int16, int1a;
	uint16_t go_ip, go_cs, go_ds, go_sp; /* where post ends; all data segments are go_ds */
	uint32_t low_kib;		     /* RAM from 1 MiB to the hole */
	uint16_t nr_e820, reserved;
	struct {
		uint64_t gpa, bytes;
		uint32_t type;
	} __attribute__((packed)) e820[BIOS_E820_ENTRIES];
} __attribute__((packed));

#endif
#endif
