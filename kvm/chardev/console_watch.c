/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds the texts in a console's output that mark stages and ends of a machine, each with a small
 * automaton. The first character of each text occurs nowhere else in it, so after a mismatch a
 * match can only begin at the current character. A newline at a text's end stands for the rest of
 * the line: the bytes come in slices that end anywhere, and a guest that is stopped at the text's
 * last letter has not printed the whole line.
 */
#include "kvm/console_watch.h"

static const char *const texts[NR_WATCH_LINES] = {
	[WATCH_PANIC] = "Kernel panic - not syncing",
	[WATCH_PANIC_END] = "[ end Kernel panic - not syncing\n",
	[WATCH_HALTED] = ": System halted",
	[WATCH_RESTARTING] = ": Restarting system",
	[WATCH_VERSION] = "Linux version",
	[WATCH_SMP] = "smp: Brought up",
	[WATCH_INIT] = "as init process",
};

unsigned int watch_feed(struct watch *w, const uint8_t *bytes, size_t len)
{
	unsigned int found = 0, nr = w->whole_boot ? NR_WATCH_LINES : NR_WATCH_ENDS;

	for (unsigned int t = 0; t < nr; t++) {
		unsigned char at = w->matched[t];

		for (size_t i = 0; i < len; i++) {
			if (bytes[i] != (uint8_t)texts[t][at]) {
				if (texts[t][at] != '\n')
					at = bytes[i] == (uint8_t)texts[t][0];
				continue;
			}
			if (!texts[t][++at]) {
				found |= 1U << t;
				at = 0;
			}
		}
		w->matched[t] = at;
	}
	return found;
}
