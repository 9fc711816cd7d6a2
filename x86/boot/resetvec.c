/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes the reset vector: code that resets the machine when the guest jumps to the address of a
 * PC's BIOS.
 *
 * Linux restarts a hardware-reduced ACPI machine without EFI the old way: it returns to real mode
 * and jumps to F000:FFF0, where a PC has its BIOS (kernels built with CONFIG_EFI do so even though
 * the FADT has a reset register). We have no BIOS there.
 */
#include "bios_area.h"
#include "x86/layout.h"

int reset_vector_write(struct gmem *mem)
{
	static const uint8_t code[] = {
		0xb0, 0x06,	  /* mov $6, %al: reset the CPU, hard */
		0xba, 0xf9, 0x0c, /* mov $0xcf9, %dx */
		0xee,		  /* out %al, %dx */
		0xf4,		  /* hlt */
		0xeb, 0xfd,	  /* jmp to the hlt */
	};

	_Static_assert(PORT_RESET_CONTROL == 0xcf9, "the code above writes to it");
	_Static_assert(sizeof(code) <= 16, "the vector ends at 1 MiB");
	return gmem_write(mem, RESET_VECTOR_GPA, code, sizeof(code));
}
