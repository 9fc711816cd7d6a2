/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads and writes a vCPU's x87 and SSE registers. */
#ifndef X86_GDB_GDB_FPU_H
#define X86_GDB_GDB_FPU_H

#include <linux/kvm.h>

struct vcpu;

/* Return 0, or -errno. Thread: any, while the vCPU is not in the guest. */
int gdb_fpu_get(const struct vcpu *v, struct kvm_fpu *fpu);
int gdb_fpu_set(const struct vcpu *v, const struct kvm_fpu *fpu);

#endif
