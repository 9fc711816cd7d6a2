/* SPDX-License-Identifier: GPL-2.0-only */
/* A recorded event in words, for post-mortems and traces. */
#ifndef KVM_TRACE_TEXT_H
#define KVM_TRACE_TEXT_H

#include "kvm/bus.h"
#include "kvm/recorder.h"

#include <stdio.h>

/*
 * Prints "in port 0x3fd = 60 serial", without a newline. Buses are for devices' names; NULL: none.
 */
void event_print(FILE *f, const struct event_view *e, const struct bus *pio,
		 const struct bus *mmio);

#endif
