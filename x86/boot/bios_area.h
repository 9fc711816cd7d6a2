/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Our BIOS for the 16-bit entries: guest/bios/bios.S, which this header is shared with.
 */
#ifndef X86_BOOT_BIOS_AREA_H
#define X86_BOOT_BIOS_AREA_H

#define BIOS_E820_ENTRIES 20
#define BIOS_E820_BYTES 20

#ifndef __ASSEMBLER__

#include "boot.h"
#include "kvm/gmem.h"
#include "kvm/types.h"

/* What the blob begins with; offsets are from its start. */
struct bios_head {
	uint16_t post;
	uint16_t ignore, tick, irq,
		irq_slave; /* handlers of exceptions and software, IRQ 0, 1 to 7, 8 to 15 */
	uint16_t int10, int11, int12, int13, int15, int16, int1a;
	uint16_t go_ip, go_cs, go_ds, go_sp; /* where post ends; all data segments are go_ds */
	uint32_t low_kib;		     /* RAM from 1 MiB to the hole */
	uint16_t nr_e820, reserved;
	struct {
		uint64_t gpa, bytes;
		uint32_t type;
	} __attribute__((packed)) e820[BIOS_E820_ENTRIES];
} __attribute__((packed));

/* Assembled from guest/bios/bios.S. */
extern const uint8_t bios_start[];
extern const uint32_t bios_bytes;

/*
 * Puts the BIOS, its data area and the interrupt vectors into @mem, which has all of the first MiB. Returns its head
 * there.
 */
struct bios_head *bios_write(struct gmem *mem);

/*
 * The same, and @entry, in real mode with cs and ds set, becomes the BIOS's own; from there @entry is reached as
 * it was.
 */
void bios_install(struct gmem *mem, struct boot_entry *entry);

/*
 * resetvec.c: writes the code at F000:FFF0 of a machine that has no BIOS: it resets the machine.
 * Returns 0 or -EFAULT.
 */
int reset_vector_write(struct gmem *mem);

#endif
#endif
