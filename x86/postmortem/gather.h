/* SPDX-License-Identifier: GPL-2.0-only */
/* A vCPU's state for its post-mortem: rows of arch_x86.c, see struct arch; private to x86/. */
#ifndef X86_POSTMORTEM_GATHER_H
#define X86_POSTMORTEM_GATHER_H

#include "kvm/types.h"

#include <stdio.h>

struct vcpu;
struct vm;

void gather_record_exit(struct vcpu *v, uint64_t ticks);
void gather_sample(struct vcpu *v, uint64_t ticks);
int gather_step_on(struct vcpu *v);
int gather_step(struct vcpu *v);
void gather_step_off(struct vcpu *v);
void gather_report(FILE *f, struct vcpu *v, bool brief);
bool gather_stopped_by_itself(const struct vcpu *v);
bool gather_registers_lost(const struct vcpu *v);
bool gather_stepped(const struct vcpu *v);
uint64_t gather_ticks_khz(const struct vm *vm);

#endif
