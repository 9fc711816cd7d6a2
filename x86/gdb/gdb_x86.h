/* SPDX-License-Identifier: GPL-2.0-only */
/* Declares the debugger's hooks for --gdb on x86; private to x86/. */
#ifndef X86_GDB_GDB_X86_H
#define X86_GDB_GDB_X86_H

#include "kvm/gdb_target.h"

#include <stdio.h>

struct vcpu;
struct vm;

/* With --gdb: sets vm->gdb_state. Returns 0 or -ENOMEM. gdb_destroy() also works without it. */
int gdb_setup(struct vm *vm);
void gdb_destroy(struct vm *vm);

/* Rows of arch_x86.c, see struct arch_gdb. */
int gdb_x86_read_regs(struct vcpu *v, uint8_t *bytes, size_t *len);
int gdb_x86_write_regs(struct vcpu *v, const uint8_t *bytes);
size_t gdb_x86_read(struct vcpu *v, uint64_t addr, void *buf, size_t len, bool physical);
size_t gdb_x86_write(struct vcpu *v, uint64_t addr, const void *buf, size_t len, bool physical);
int gdb_x86_insert(struct vcpu *v, enum gdb_break kind, uint64_t addr, uint64_t len);
int gdb_x86_remove(struct vm *vm, enum gdb_break kind, uint64_t addr, uint64_t len);
void gdb_x86_remove_all(struct vm *vm);
void gdb_x86_thread_info(struct vcpu *v, char *text, size_t n);
void gdb_x86_print_registers(struct vcpu *v, FILE *f);
void gdb_x86_plant(struct vm *vm, bool on);
void gdb_x86_resume(struct vcpu *v, bool step, bool breaks);
bool gdb_x86_on_break(struct vcpu *v);
bool gdb_x86_trapped(struct vcpu *v, struct gdb_stop *stop);

#endif
