/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gathers a vCPU's state for its post-mortem; private to x86/. Functions without a contract here
 * are rows of arch_x86.c, see struct arch.
 */
#ifndef X86_POSTMORTEM_GATHER_H
#define X86_POSTMORTEM_GATHER_H

#include "kvm/types.h"

#include <stdio.h>

struct cpu_state;
struct linux_cpu;
struct vcpu;
struct vm;

/*
 * Prepares a new vCPU for its post-mortem; the second function undoes that. Returns 0 or -ENOMEM.
 */
int gather_vcpu_setup(struct vcpu *v);
void gather_vcpu_destroy(struct vcpu *v);
/*
 * Reads a vCPU's registers, or takes those of its last sample if KVM has lost them. Returns 0 or
 * -errno. Thread: vCPU, or any while the vCPU stands still.
 */
int gather_last_state(struct vcpu *v, struct cpu_state *cpu);

/*
 * Returns what a vCPU that stands still shows of the Linux that it runs or, while the guest runs,
 * what the vCPU showed that was described last; NULL: nothing yet. Valid until the next call.
 * Locks: the caller holds the autopsy's lock.
 */
const struct linux_cpu *gather_running(struct vm *vm);

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
