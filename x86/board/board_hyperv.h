/* SPDX-License-Identifier: GPL-2.0-only */
/* The board's side of --cpuid +hyperv; private to x86/. Without it each of these does nothing. */
#ifndef X86_BOARD_BOARD_HYPERV_H
#define X86_BOARD_BOARD_HYPERV_H

#include "machine.h"

/* Board table entries; see struct board_device. */
int create_hyperv(struct machine *m);
void destroy_hyperv(struct machine *m);

/* Serves KVM_EXIT_HYPERV. False: it cannot be served. */
bool hyperv_exit(struct vcpu *v);
/*
 * Serves KVM_EXIT_SYSTEM_EVENT: a guest that asks Hyper-V for a reset, or tells it of its crash.
 * False: something else.
 */
bool hyperv_system_event(struct vcpu *v);

#endif
