/* SPDX-License-Identifier: GPL-2.0-only */
/* Creates KVM's i8254 timer when a guest first uses it; private to x86/. */
#ifndef X86_BOARD_BOARD_PIT_H
#define X86_BOARD_BOARD_PIT_H

#include "machine.h"

#include <linux/kvm.h>

/* Board table entries; see struct board_device. */
int create_pit(struct machine *m);
void destroy_pit(struct machine *m);

/*
 * Applies to a new PIT what the guest's first access would have done: a control word or a counter's
 * byte written to 0x40..0x43, or a gate written to 0x61. Pure.
 */
void pit_replay(struct kvm_pit_state2 *state, uint16_t port, uint8_t value);

#endif
