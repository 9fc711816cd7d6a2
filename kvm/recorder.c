/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the flight recorder's events; the code that writes them is inline, see recorder.h. */
#include "kvm/recorder.h"

struct event_view event_view(const struct event *e)
{
	struct event_view v = {
		.ticks = e->head >> 24 << 8,
		.kind = (enum event_kind)(e->head >> 20 & 15),
		.size = e->head >> 16 & 15,
		.addr = e->head & 0xffff,
		.value = e->value,
	};

	if (v.kind != EVENT_PORT_READ && v.kind != EVENT_PORT_WRITE) {
		v.addr = v.addr << 32 | e->value >> 32;
		v.value = (uint32_t)e->value;
	}
	/* Bits above the access's own bytes have no meaning. */
	if (v.size < 4)
		v.value &= (1U << (8 * v.size)) - 1;
	return v;
}

bool recorder_back(const struct recorder *r, unsigned int back, struct event_view *view)
{
	if (back >= RECORDER_EVENTS || back >= r->nr)
		return false;
	*view = event_view(&r->ring[(r->nr - 1 - back) % RECORDER_EVENTS]);
	return true;
}

uint64_t recorder_now(const struct recorder *r)
{
	struct event_view view;

	return recorder_back(r, 0, &view) ? view.ticks : 0;
}
