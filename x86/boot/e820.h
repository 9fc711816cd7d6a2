/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Builds the memory map in the form of a PC's firmware (ACPI 6.5, 15: INT 15h E820).
 */
#ifndef X86_BOOT_E820_H
#define X86_BOOT_E820_H

#include "kvm/types.h"

#include <asm/bootparam.h>

enum e820_type { E820_TYPE_RAM = 1, E820_TYPE_RESERVED = 2 };

struct e820_ram {
	gpa_t gpa;
	uint64_t size_bytes;
};

/*
 * Writes the map of a machine with these ranges of RAM (ascending, apart from each other) to
 * @table: sorted, without overlap, and with the ranges of layout.h reserved or left out. Pure.
 * Returns the number of entries, or 0 if @cap is too small.
 */
unsigned int e820_build(const struct e820_ram *ram, unsigned int nr_ram,
			struct boot_e820_entry *table, unsigned int cap);

#endif
