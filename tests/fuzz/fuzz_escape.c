/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the Ctrl-a filter: bytes outside commands pass unchanged and in order, a command gives one
 * action, and no more bytes come out than went in. And the guest's modes of a terminal: what undoes
 * them fits, and leaves nothing switched.
 */
#include "kvm/chardev/escape.h"
#include "kvm/chardev/term_modes.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum escape_action expected(uint8_t second)
{
	if (second == ESCAPE_CHAR || second == 'a')
		return ESCAPE_PASS;
	if (second == 'x')
		return ESCAPE_QUIT;
	if (second == 'd')
		return ESCAPE_REPORT;
	return second == 'b' ? ESCAPE_BREAK : ESCAPE_HELP;
}

static void undo_modes(const uint8_t *data, size_t size)
{
	struct term_modes m = { 0 };
	char undo[TERM_MODES_BYTES];
	size_t len;

	term_modes_feed(&m, data, size);
	len = term_modes_undo(&m, undo);
	if (len > sizeof(undo))
		abort();
	term_modes_feed(&m, (const uint8_t *)undo, len);
	if (term_modes_undo(&m, undo))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct escape e = { 0 };
	bool second = false;

	undo_modes(data, size);
	for (size_t i = 0; i < size; i++) {
		uint8_t byte = data[i];
		enum escape_action action = escape_feed(&e, &byte);

		if (second) {
			if (action != expected(data[i]) ||
			    (action == ESCAPE_PASS && byte != ESCAPE_CHAR))
				abort();
			second = false;
		} else if (data[i] == ESCAPE_CHAR) {
			if (action != ESCAPE_NOTHING)
				abort();
			second = true;
		} else if (action != ESCAPE_PASS || byte != data[i]) {
			abort();
		}
	}
	return 0;
}
