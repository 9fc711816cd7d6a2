/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets up KVM for x86 and serves the exits that only x86 has: rows of arch_x86.c, see struct arch;
 * private to x86/.
 */
#ifndef X86_BOARD_EXITS_H
#define X86_BOARD_EXITS_H

#include "kvm/types.h"

struct vcpu;
struct vm;

int x86_setup_vm(struct vm *vm);
int x86_setup_vcpu(struct vcpu *v);
bool x86_handle_exit(struct vcpu *v);

#endif
