/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connects devices to interrupts by lines. A device gets a line and sets its level; it never sees a
 * GSI number or an ioctl. A line belongs to one device, which calls it under its own lock. A
 * function takes the level, so that tests record levels instead of raising interrupts.
 */
#ifndef KVM_IRQ_H
#define KVM_IRQ_H

#include "kvm/types.h"

struct irq_line {
	void (*set)(void *ctx, unsigned int gsi, bool level); /* NULL: not connected */
	void *ctx;
	unsigned int gsi;
	bool level; /* what was set last: an unchanged level costs nothing */
};

static inline void irq_set(struct irq_line *line, bool level)
{
	if (line->level == level)
		return;
	line->level = level;
	if (line->set)
		line->set(line->ctx, line->gsi, level);
}

/* An edge: up and down again. */
static inline void irq_pulse(struct irq_line *line)
{
	irq_set(line, true);
	irq_set(line, false);
}

#endif
