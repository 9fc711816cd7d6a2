/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A 16550A serial port (National PC16550D data sheet).
 *
 * The interrupt is a level: a function of the registers, recomputed after every access and every
 * received byte.
 */
#ifndef HW_SERIAL_H
#define HW_SERIAL_H

#include "kvm/bus.h"
#include "kvm/chardev.h"
#include "kvm/irq.h"

#define SERIAL_PORTS 8
#define SERIAL_REG_THR 0

/* How a port makes KVM gather writes to THR without an exit each. */
struct serial_coalesce {
	/* Called only when it changes. Locks: the port's is held. */
	void (*enable)(void *ctx, bool on);
	/*
	 * Brings all writes gathered so far to the bus now, in order. The chardev's tick calls it;
	 * every exit to user space has done the same before it dispatches a bus access.
	 * Thread: loop. Locks: the port's must NOT be held.
	 */
	void (*drain)(void *ctx);
	void *ctx;
};

struct serial;

extern const struct bus_ops serial_bus_ops; /* width 1; dev is a struct serial */

/*
 * Creates a port. @chardev NULL: discards output, has no input. @coalesce NULL: never gathers
 * writes. All pointers must outlive the port; @irq is copied. Returns NULL without memory.
 */
struct serial *serial_create(struct chardev *chardev, const struct irq_line *irq,
			     const struct serial_coalesce *coalesce);
void serial_destroy(struct serial *s);
/*
 * Whether a driver has found the port: it has enabled the interrupt for input, if only to probe it.
 * A kernel's console prints before that, and without interrupts. Thread: any.
 */
bool serial_had_driver(const struct serial *s);

#endif
