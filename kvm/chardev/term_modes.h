/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Follows what a guest switches on the user's terminal by escape sequences (ECMA-48, and xterm's
 * private modes), to put it back at the end: an editor that was running must not leave the
 * alternate screen, no cursor or a mouse that types. Nothing is cleared. Pure.
 */
#ifndef KVM_CHARDEV_TERM_MODES_H
#define KVM_CHARDEV_TERM_MODES_H

#include "kvm/types.h"

#define TERM_MODES_PARAMS 8
#define TERM_MODES_BYTES 192 /* what undoes all */

/* All zero: a terminal as the guest found it. */
struct term_modes {
	uint8_t state; /* how far into a sequence the bytes are */
	bool private;  /* the sequence began with "CSI ?" */
	uint8_t nr_params;
	uint16_t param[TERM_MODES_PARAMS];
	uint16_t switched; /* a bit for each row of the table of modes */
	bool coloured, graphics, shifted, keypad;
};

/* The guest has written these bytes to the terminal. */
void term_modes_feed(struct term_modes *m, const uint8_t *bytes, size_t len);
/* Fills @text with the bytes that switch all back. Returns how many; 0: nothing was switched. */
size_t term_modes_undo(const struct term_modes *m, char text[TERM_MODES_BYTES]);

#endif
