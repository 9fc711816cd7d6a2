/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serves the board's side of --testdev; private to x86/. Without the option these functions do
 * nothing.
 */
#ifndef X86_BOARD_BOARD_TESTDEV_H
#define X86_BOARD_BOARD_TESTDEV_H

#include "machine.h"

/* Board table entries; see struct board_device. */
int create_testdev(struct machine *m);
void destroy_testdev(struct machine *m);

/*
 * Replaces the clock's line @irq by one whose interrupts the test device sees. Call it once, before
 * the line is used.
 */
void tap_rtc_irq(struct machine *m, struct irq_line *irq);

/*
 * Programs the 8259s and the timer as a PC's firmware leaves them, except for Linux: it assumes
 * that a hardware-reduced machine has neither, and would not mask them. Call it when the kernel is
 * loaded and KVM is set up, before a vCPU runs. Returns 0 or -errno (reported).
 */
int program_pic_and_pit(struct machine *m);

#endif
