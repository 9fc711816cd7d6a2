/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serves the board's side of --cpuid +hyperv; private to x86/. Without the option these functions
 * do nothing.
 */
#ifndef X86_BOARD_BOARD_HYPERV_H
#define X86_BOARD_BOARD_HYPERV_H

#include "machine.h"

/* Board table entries; see struct board_device. */
int create_hyperv(struct machine *m);
void destroy_hyperv(struct machine *m);

/* Serves KVM_EXIT_HYPERV. Returns whether it could. Thread: vCPU. */
bool hyperv_exit(struct vcpu *v);
/*
 * Serves KVM_EXIT_SYSTEM_EVENT if the guest requests a reset from Hyper-V, or reports its crash to
 * it. Returns false if it is something else. Thread: vCPU.
 */
bool hyperv_system_event(struct vcpu *v);

#endif
