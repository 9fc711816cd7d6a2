/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Puts the host's time in front of each line of a console, for --timestamps. The time is that of
 * the line's first byte, so a prompt that waits has a time of its own; a carriage return does not
 * begin a line. Hooks and the log get the guest's bytes earlier, without times.
 */
#include "chardev_impl.h"

#include "kvm/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void put_stamp(struct chardev *cd, chardev_emit *emit)
{
	uint64_t ms = (now_ns() - cd->out.stamps_ns) / 1000000;
	char text[CHARDEV_STAMP_BYTES];
	int len = snprintf(text, sizeof(text), "[%5" PRIu64 ".%03u] ", ms / 1000,
			   (unsigned int)(ms % 1000));

	emit(cd, (const uint8_t *)text, (size_t)len);
}

void chardev_stamp(struct chardev *cd, const uint8_t *bytes, size_t len, chardev_emit *emit)
{
	while (len) {
		bool begins = !cd->out.mid_line && *bytes != '\r';
		const uint8_t *end = *bytes == '\r' ? bytes : memchr(bytes, '\n', len);
		size_t n = end ? (size_t)(end - bytes) + 1 : len;

		if (begins)
			put_stamp(cd, emit);
		emit(cd, bytes, n);
		cd->out.mid_line = bytes[n - 1] != '\n' && (begins || cd->out.mid_line);
		bytes += n;
		len -= n;
	}
}

void chardev_stamp_lines(struct chardev *cd, uint64_t since_ns)
{
	cd->out.stamps_ns = since_ns;
}
