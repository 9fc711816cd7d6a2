/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes a cpio archive in memory, see cpio.h.
 *
 * An entry is a header of "070701" and 13 numbers of eight hexadecimal digits, the name with its
 * NUL, and the content; zeroes follow name and content up to a multiple of 4.
 */
#include "cpio.h"

#include "kvm/base/grow.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define HEADER_BYTES 110
#define ALIGN_BYTES 4
#define TRAILER "TRAILER!!!"

/* Makes room for @bytes more; new bytes are not zeroed. */
static int make_room(struct cpio *c, uint64_t bytes)
{
	uint8_t *moved = grow_array(c->bytes, &c->room, c->len + bytes, 1);

	if (!moved)
		return -ENOMEM;
	c->bytes = moved;
	return 0;
}

static void pad(struct cpio *c)
{
	while (!is_aligned(c->len, ALIGN_BYTES))
		c->bytes[c->len++] = 0;
}

static void write_header(struct cpio *c, const char *path, uint32_t mode, uint64_t mtime_s,
			 uint64_t len)
{
	char *at = (char *)c->bytes + c->len;
	uint32_t ino = ++c->last_ino, links = S_ISDIR(mode) ? 2 : 1;

	/*
	 * magic, ino, mode, uid, gid, nlink, mtime, filesize, 2 x major and minor, namesize, check
	 */
	c->len += (uint64_t)snprintf(at, HEADER_BYTES + 1,
				     "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
				     ino, mode, 0, 0, links, (uint32_t)min_u64(mtime_s, UINT32_MAX),
				     (uint32_t)len, 0, 0, 0, 0, (uint32_t)strlen(path) + 1, 0);
	c->len = (uint64_t)(stpcpy(at + HEADER_BYTES, path) + 1 - (char *)c->bytes);
	pad(c);
}

void *cpio_reserve(struct cpio *c, const char *path, uint32_t mode, uint64_t mtime_s, uint64_t len)
{
	uint8_t *content;

	if (!c->err && strlen(path) >= PATH_MAX)
		c->err = -ENAMETOOLONG;
	if (!c->err && (len > UINT32_MAX || (c->max_bytes && c->len + len > c->max_bytes)))
		c->err = -EFBIG;
	if (!c->err)
		c->err = make_room(c, HEADER_BYTES + strlen(path) + 1 + len + 2 * ALIGN_BYTES);
	if (c->err)
		return NULL;
	write_header(c, path, mode, mtime_s, len);
	content = c->bytes + c->len;
	c->len += len;
	pad(c);
	return content;
}

void cpio_add(struct cpio *c, const char *path, uint32_t mode, uint64_t mtime_s,
	      const void *content, uint64_t len)
{
	void *to = cpio_reserve(c, path, mode, mtime_s, len);

	if (to && len)
		memcpy(to, content, len);
}

int cpio_finish(struct cpio *c)
{
	cpio_add(c, TRAILER, 0, 0, NULL, 0);
	return c->err;
}

void cpio_free(struct cpio *c)
{
	free(c->bytes);
	*c = (struct cpio){ 0 };
}
