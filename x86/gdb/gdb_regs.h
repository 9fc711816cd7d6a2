/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vCPU's registers as GDB has them: one table makes the target description (XML) and the layout
 * of the bytes that travel. The architecture is i386:x86-64 always, whatever mode the processor is
 * in: GDB cannot change it while it is connected. Pure.
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
	uint16_t ftag; /* the x87's full tag word; of fpu.ftwx, see gdb_regs_tags() */
};

/* Writes the description; returns its length, 0 when it does not fit @n. */
size_t gdb_regs_xml(char *xml, size_t n);

/* Where register @index lies among all bytes; false: there is none. */
bool gdb_regs_at(unsigned int index, size_t *offset, size_t *bytes);

/*
 * All registers as they travel. Returns how many bytes. gdb_regs_unpack() leaves what is not among
 * them.
 */
size_t gdb_regs_pack(const struct gdb_regs *r, uint8_t *bytes);
void gdb_regs_unpack(struct gdb_regs *r, const uint8_t *bytes);

/*
 * KVM's tag is a bit a register, "in use"; the full one has two bits, of which we know 0, valid,
 * and 3, empty. The first sets r->ftag, the second r->fpu.ftwx.
 */
void gdb_regs_tags(struct gdb_regs *r);
void gdb_regs_untags(struct gdb_regs *r);

#endif
