/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a console's bytes to the lines a person reads: carriage returns, escape sequences and other
 * control characters gone, tabs kept, each at most LINES_MAX_BYTES long (the rest of a longer one
 * is left out). Pure.
 */
#ifndef KVM_CHECKS_LINES_H
#define KVM_CHECKS_LINES_H

#include "kvm/types.h"

#define LINES_MAX_BYTES 1024

struct lines {
	/* A line: @text ends with a 0 that @len does not count; there is no other in it. */
	void (*line)(void *ctx, const char *text, size_t len);
	void *ctx;
	unsigned int state; /* inside which kind of escape sequence */
	size_t len;
	/* the line that is not complete yet; terminated by lines_partial() */
	char text[LINES_MAX_BYTES + 1];
};

/* Calls @l->line once a complete line. The caller serialises. */
void lines_feed(struct lines *l, const uint8_t *bytes, size_t len);

/* What there is of the last line; "" for nothing. */
const char *lines_partial(struct lines *l);

/* The end of the stream: the partial line, if any, is a line as well. */
void lines_end(struct lines *l);

/*
 * Behind the marks that printk puts before a message: "<6>", "[ 1.234567]", "[ T123]" and the space
 * behind them. @line itself when there are none. One space only, as what follows may be indented.
 */
const char *lines_message(const char *line);

#endif
