/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Splits a console's bytes into lines as a person reads them: without carriage returns, escape
 * sequences and other control characters, but with tabs. A line has at most LINES_MAX_BYTES; the
 * rest of a longer one is dropped. Pure.
 */
#ifndef KVM_CHECKS_LINES_H
#define KVM_CHECKS_LINES_H

#include "kvm/types.h"

#define LINES_MAX_BYTES 1024

struct lines {
	/* Takes a line. @text ends with a 0 that @len does not count, and contains no other 0. */
	void (*line)(void *ctx, const char *text, size_t len);
	void *ctx;
	unsigned int state; /* the kind of escape sequence that we are inside of */
	size_t len;
	/* the incomplete line; lines_partial() terminates it */
	char text[LINES_MAX_BYTES + 1];
};

/* Calls @l->line for each complete line. Locks: the caller serialises the calls. */
void lines_feed(struct lines *l, const uint8_t *bytes, size_t len);

/* Returns the incomplete last line; "" if there is none. */
const char *lines_partial(struct lines *l);

/* Ends the stream: an incomplete line counts as a line. */
void lines_end(struct lines *l);

/*
 * Returns what follows the marks that printk puts before a message: "<6>", "[ 1.234567]", "[ T123]"
 * and one space after them; @line itself if there are none. Only one space, because the message may
 * be indented.
 */
const char *lines_message(const char *line);

#endif
