/* SPDX-License-Identifier: GPL-2.0-only */
/* Prints recorded events in words, for post-mortem reports and traces. */
#include "kvm/trace_text.h"

#include <inttypes.h>
#include <linux/kvm.h>

static const char *exit_name(uint64_t reason)
{
	switch (reason) {
	case KVM_EXIT_SHUTDOWN:
		return "shutdown (triple fault)";
	case KVM_EXIT_FAIL_ENTRY:
		return "entry refused";
	case KVM_EXIT_INTERNAL_ERROR:
		return "KVM internal error";
	case KVM_EXIT_HLT:
		return "hlt";
	case KVM_EXIT_DEBUG:
		return "debug";
	default:
		return "other";
	}
}

/* The name of the device at the event's address; for an MSR, why it was recorded. */
static const char *owner(const struct event_view *e, const struct bus *pio, const struct bus *mmio)
{
	const struct bus *bus = e->kind <= EVENT_PORT_WRITE ? pio : mmio;
	const char *name;

	if (e->kind >= EVENT_MSR_READ)
		return "refused: #GP";
	name = bus ? bus_name(bus, e->addr) : NULL;
	return name ? name : "nobody";
}

void event_print(FILE *f, const struct event_view *e, const struct bus *pio, const struct bus *mmio)
{
	static const char *const verb[NR_EVENT_KINDS] = {
		[EVENT_PORT_READ] = "in    port", [EVENT_PORT_WRITE] = "out   port",
		[EVENT_MMIO_READ] = "read  MMIO", [EVENT_MMIO_WRITE] = "write MMIO",
		[EVENT_MSR_READ] = "rdmsr",	  [EVENT_MSR_WRITE] = "wrmsr",
	};

	if (e->kind == EVENT_IRQ)
		fprintf(f, "irq   GSI %" PRIu64 " %s", e->addr, e->value ? "up" : "down");
	else if (e->kind < EVENT_PORT_READ || e->kind > EVENT_MSR_WRITE)
		fprintf(f, "exit  %s, reason %" PRIu64 " (0x%" PRIx64 ")", exit_name(e->addr),
			e->addr, e->value);
	else if (e->kind == EVENT_MSR_READ)
		fprintf(f, "rdmsr 0x%" PRIx64 "  %s", e->addr, owner(e, pio, mmio));
	else
		fprintf(f, "%s 0x%" PRIx64 " = %0*" PRIx64 "%s  %s", verb[e->kind], e->addr,
			(int)(e->size > 4 ? 8 : e->size * 2), e->value,
			e->size > 4 ? " (low half)" : "", owner(e, pio, mmio));
}
