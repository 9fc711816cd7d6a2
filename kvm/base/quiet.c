/* SPDX-License-Identifier: GPL-2.0-only */
/* Measures for how long nothing has happened, except while the launcher was stopped. */
#include "kvm/quiet.h"

void quiet_begin(struct quiet *q, uint64_t now)
{
	*q = (struct quiet){ .looked_ns = now };
}

uint64_t quiet_look(struct quiet *q, uint64_t now, bool happened)
{
	uint64_t passed = now - q->looked_ns;

	q->looked_ns = now;
	if (happened)
		q->ns = 0;
	else if (passed < 2 * QUIET_LOOK_NS)
		q->ns += passed;
	return q->ns;
}
