/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Converts a vCPU's registers to GDB's form and back.
 *
 * One table makes the target description (XML) and the layout of the registers' bytes in packets.
 * The architecture is always i386:x86-64, whatever mode the processor is in: GDB cannot change it
 * while it is connected. Pure.
 */
#ifndef X86_GDB_GDB_REGS_H
#define X86_GDB_GDB_REGS_H

#include "kvm/types.h"

#include <linux/kvm.h>

struct gdb_regs {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	uint64_t kernel_gs_base;
	uint16_t ftag; /* the x87's full tag word, see gdb_regs_tags() */
};

/* Writes the description. Returns its length, or 0 if it does not fit @n. */
size_t gdb_regs_xml(char *xml, size_t n);

/* Finds register @index among all bytes. Returns false if there is no such register. */
bool gdb_regs_at(unsigned int index, size_t *offset, size_t *bytes);

/*
 * Packs all registers into a packet's bytes, or unpacks them. gdb_regs_pack() returns the number of
 * bytes; gdb_regs_unpack() leaves what is not among them.
 */
size_t gdb_regs_pack(const struct gdb_regs *r, uint8_t *bytes);
void gdb_regs_unpack(struct gdb_regs *r, const uint8_t *bytes);

/*
 * Convert the x87's tags: gdb_regs_tags() sets r->ftag, gdb_regs_untags() sets r->fpu.ftwx. KVM has
 * one bit for each register, "in use"; the full tag word has two bits, of which we use 0 (valid)
 * and 3 (empty).
 */
void gdb_regs_tags(struct gdb_regs *r);
void gdb_regs_untags(struct gdb_regs *r);

#endif
