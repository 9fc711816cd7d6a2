/* SPDX-License-Identifier: GPL-2.0-only */
/* The board's side of --testdev; private to x86/. Without the option each of these does nothing. */
#ifndef X86_BOARD_BOARD_TESTDEV_H
#define X86_BOARD_BOARD_TESTDEV_H

#include "machine.h"

/* Board table entries; see struct board_device. */
int create_testdev(struct machine *m);
void destroy_testdev(struct machine *m);

/* Makes the clock's line @irq one that the test device hears of. Once, before the line is used. */
void tap_rtc_irq(struct machine *m, struct irq_line *irq);

/*
 * Programs the 8259s and the timer as a PC's firmware leaves them; not for Linux, which takes a
 * hardware-reduced machine to have neither and would not mask them. The kernel is loaded, KVM is
 * set up, no vCPU runs. Returns 0 or -errno (reported).
 */
int program_pic_and_pit(struct machine *m);

#endif
