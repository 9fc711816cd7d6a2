/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Installs the launcher's own BIOS, guest/bios/bios.S, in a guest that is entered in real mode.
 */
#ifndef X86_BOOT_BIOS_AREA_H
#define X86_BOOT_BIOS_AREA_H

#include "boot.h"
#include "guest/bioshead.h"
#include "kvm/gmem.h"
#include "kvm/types.h"

/* Assembled from guest/bios/bios.S. */
extern const uint8_t bios_start[];
extern const uint32_t bios_bytes;

/*
 * Writes the BIOS, its data area and the interrupt vectors into @mem, which has all of the first
 * MiB. Returns the BIOS's head in guest memory.
 */
struct bios_head *bios_write(struct gmem *mem);

/*
 * Does the same, and makes @entry, in real mode with cs and ds set, the BIOS's entry. The BIOS then
 * jumps to the original @entry in its original state.
 */
void bios_install(struct gmem *mem, struct boot_entry *entry);

/*
 * resetvec.c: writes the code at F000:FFF0 of a machine that has no BIOS; it resets the machine.
 * Returns 0, or -EFAULT.
 */
int reset_vector_write(struct gmem *mem);

#endif
