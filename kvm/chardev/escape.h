/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Ctrl-a commands of a console at a terminal, as QEMU and screen users know them: one byte in,
 * one action out. Pure.
 *
 * Ctrl-a x ends, b sends a break, d describes what the vCPUs are doing, h or ? helps, a or Ctrl-a
 * sends one Ctrl-a. Anything else after Ctrl-a is not passed on (both QEMU and screen swallow it)
 * but answered by the help.
 */
#ifndef KVM_CHARDEV_ESCAPE_H
#define KVM_CHARDEV_ESCAPE_H

#include "kvm/types.h"

#define ESCAPE_CHAR 0x01 /* Ctrl-a */

enum escape_action {
	ESCAPE_NOTHING, /* the byte was the Ctrl-a itself: wait for the next */
	ESCAPE_PASS,	/* give the byte to the guest */
	ESCAPE_QUIT,
	ESCAPE_BREAK,
	ESCAPE_REPORT,
	ESCAPE_HELP,
};

struct escape {
	bool armed; /* the last byte was a Ctrl-a; zeroed: it was not */
};

/* *@byte is rewritten where what is passed on is another one. */
enum escape_action escape_feed(struct escape *e, uint8_t *byte);

/* One line that says the commands, without a newline. */
const char *escape_help(void);

#endif
