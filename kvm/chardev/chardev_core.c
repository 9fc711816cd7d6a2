/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does what input, output and the backends of a character device all need: tells its clients what
 * has happened, and opens a descriptor anew. Calls none of them.
 */
#include "chardev_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

void chardev_event(struct chardev *cd, enum chardev_event event)
{
	const struct chardev_client *to[] = { &cd->client, &cd->front };

	for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
		if (to[i]->event && (event != CHARDEV_BREAK || to[i] == cd->in.taker))
			to[i]->event(to[i]->ctx, event);
	}
}

/* "/proc/self/fd/N" without printf(3), whose pages nothing else needs while a guest runs well. */
static void fd_path(char path[32], int fd)
{
	char digits[12], *first = &digits[11];

	*first = '\0';
	do {
		*--first = (char)('0' + fd % 10);
		fd /= 10;
	} while (fd);
	stpcpy(stpcpy(path, "/proc/self/fd/"), first);
}

int chardev_reopen(int fd, int access)
{
	char path[32];
	int copy;

	fd_path(path, fd);
	copy = open(path, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return copy < 0 ? -errno : copy;
}
