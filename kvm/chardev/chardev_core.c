/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sends events to the clients of a character device, for its input, output and backends. Calls none
 * of these parts.
 */
#include "chardev_impl.h"

void chardev_event(struct chardev *cd, enum chardev_event event)
{
	const struct chardev_client *to[] = { &cd->client, &cd->front };

	for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
		if (to[i]->event && (event != CHARDEV_BREAK || to[i] == cd->in.taker))
			to[i]->event(to[i]->ctx, event);
	}
}
