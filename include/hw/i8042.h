/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PC's keyboard controller: self-test, command byte, AUX, A20, reset. Its keyboard answers, and
 * has no keys except those of Ctrl-Alt-Del. Thread: any.
 */
#ifndef HW_I8042_H
#define HW_I8042_H

#include "kvm/bus.h"
#include "kvm/irq.h"
#include "kvm/power.h"

struct i8042;
/* Ports 0x60 and 0x64, each a range of one byte with its own ops. */
extern const struct bus_ops i8042_data_ops, i8042_command_ops;

/*
 * Creates a controller. @kbd is GSI 1, @aux GSI 12; both are copied, and so is @power. With @aux
 * NULL it has no AUX port, which is the quickest to probe: Linux gives the port up after two
 * commands, and neither sets up GSI 12 nor loads a mouse driver. Otherwise the port works, and no
 * mouse is plugged in. Returns NULL without memory.
 */
struct i8042 *i8042_create(const struct irq_line *kbd, const struct irq_line *aux,
			   const struct power *power);
void i8042_destroy(struct i8042 *k); /* NULL is allowed */

/*
 * Presses and releases Ctrl-Alt-Del. Returns 0, or -EAGAIN when the guest would not see it: its
 * driver has not enabled the keyboard, uses a scan code set other than 2, or has left too many
 * bytes unread.
 */
int i8042_ctrl_alt_del(struct i8042 *k);

/* Returns how often the guest has read or written its ports. */
uint64_t i8042_accesses(const struct i8042 *k);

#endif
