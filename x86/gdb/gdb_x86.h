/* SPDX-License-Identifier: GPL-2.0-only */
/* What the board calls for --gdb; private to x86/. */
#ifndef X86_GDB_GDB_X86_H
#define X86_GDB_GDB_X86_H

struct vcpu;
struct vm;

/* With --gdb: sets vm->gdb_state. Returns 0 or -ENOMEM. gdb_destroy() also works without it. */
int gdb_setup(struct vm *vm);
void gdb_destroy(struct vm *vm);

/* Serves KVM_EXIT_DEBUG. On the vCPU's thread. */
void gdb_exit(struct vcpu *v);

#endif
