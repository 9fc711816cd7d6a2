/* SPDX-License-Identifier: GPL-2.0-only */
/* A vCPU's state for its post-mortem; private to x86/. */
#ifndef X86_POSTMORTEM_GATHER_H
#define X86_POSTMORTEM_GATHER_H

struct cpu_state;
struct vcpu;

/* Prepares a new vCPU for its post-mortem, and undoes that. Returns 0 or -ENOMEM. */
int gather_vcpu_setup(struct vcpu *v);
void gather_vcpu_destroy(struct vcpu *v);
/*
 * A vCPU's registers, or those of its last sample if KVM has lost them. Returns 0 or -errno.
 * Thread: the vCPU's, or any while it stands still.
 */
int gather_last_state(struct vcpu *v, struct cpu_state *cpu);

#endif
