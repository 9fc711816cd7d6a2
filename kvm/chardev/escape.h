/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recognises the Ctrl-a commands of a console at a terminal, as users of QEMU and screen know them:
 * one byte in, one action out. Pure.
 *
 * Ctrl-a x ends the machine, b sends a break, d describes what the vCPUs are doing, h or ? prints
 * the help, a or Ctrl-a sends one Ctrl-a. Any other byte after Ctrl-a also prints the help and is
 * not passed on (QEMU and screen swallow it, too).
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
	bool armed; /* the last byte was a Ctrl-a; false at the start */
};

/* Returns what to do with *@byte, which may be replaced by the byte to pass on. */
enum escape_action escape_feed(struct escape *e, uint8_t *byte);

/* Returns one line that lists the commands, without a newline. */
const char *escape_help(void);

#endif
