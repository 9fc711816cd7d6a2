/* SPDX-License-Identifier: GPL-2.0-only */
/* The debugger's part of the board; private to x86/. */
#ifndef X86_GDB_GDB_X86_H
#define X86_GDB_GDB_X86_H

struct machine;
struct vcpu;

/* With --gdb. Returns 0 or -ENOMEM. gdb_destroy() works after none. */
int gdb_setup(struct machine *m);
void gdb_destroy(struct machine *m);

/* Serves KVM_EXIT_DEBUG. On the vCPU's thread. */
void gdb_exit(struct vcpu *v);

#endif
