/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sends events to the clients of a character device and opens descriptors anew, for its input,
 * output and backends. Calls none of these parts.
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

/*
 * Writes "/proc/self/fd/N" to @path. Avoids printf(3), whose pages are not otherwise touched while
 * a guest runs well.
 */
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
