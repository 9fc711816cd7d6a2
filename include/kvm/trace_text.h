/* SPDX-License-Identifier: GPL-2.0-only */
/* Prints recorded events in words, for post-mortem reports and traces. */
#ifndef KVM_TRACE_TEXT_H
#define KVM_TRACE_TEXT_H

#include "kvm/bus.h"
#include "kvm/recorder.h"

#include <stdio.h>

/*
 * Prints an event, for example "in    port 0x3fd = 60  serial", without a newline. The buses give
 * the devices' names; NULL: no names.
 */
void event_print(FILE *f, const struct event_view *e, const struct bus *pio,
		 const struct bus *mmio);

#endif
