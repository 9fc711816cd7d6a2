/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Filters Ctrl-a commands out of what is typed at stdio's terminal, with a state machine of two
 * states. Nothing else is filtered: a pipe or a file may carry any byte. After a Ctrl-a there is no
 * timeout for the second byte. Thread: loop.
 */
#include "escape.h"

enum escape_action escape_feed(struct escape *e, uint8_t *byte)
{
	if (!e->armed) {
		e->armed = *byte == ESCAPE_CHAR;
		return e->armed ? ESCAPE_NOTHING : ESCAPE_PASS;
	}
	e->armed = false;
	switch (*byte) {
	case 'a':
		*byte = ESCAPE_CHAR;
		return ESCAPE_PASS;
	case ESCAPE_CHAR:
		return ESCAPE_PASS;
	case 'x':
		return ESCAPE_QUIT;
	case 'b':
		return ESCAPE_BREAK;
	case 'd':
		return ESCAPE_REPORT;
	default:
		return ESCAPE_HELP;
	}
}

const char *escape_help(void)
{
	return "after Ctrl-a: x ends the machine, d describes what its CPUs do, b sends a break (SysRq), Ctrl-a sends Ctrl-a, h prints this help";
}
