/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds the texts in a console's output that mark stages and ends of a machine, each with a small
 * automaton. After a mismatch a match can only begin at the current character: the first character
 * of a text occurs nowhere else in it, or the text is a message, and no message begins in it. A
 * newline at a text's end stands for the rest of the line: the bytes come in slices that end
 * anywhere, and a guest that is stopped at the text's last letter has not printed the whole line.
 */
#include "kvm/console_watch.h"

#include <string.h>

static const struct {
	bool is_message;
	char text[34];
} lines[NR_WATCH_LINES] = {
	[WATCH_PANIC_TEXT] = { false, "Kernel panic - not syncing" },
	[WATCH_PANIC] = { true, "Kernel panic - not syncing" },
	[WATCH_PANIC_END] = { false, "[ end Kernel panic - not syncing\n" },
	[WATCH_HALTED] = { true, "reboot: System halted" },
	[WATCH_NO_POWER] = { true, "reboot: Power off not available" },
	[WATCH_RESTARTING] = { true, "reboot: Restarting system" },
	[WATCH_VERSION] = { true, "Linux version" },
	[WATCH_CAPTURE] = { false, " elfcorehdr=" },
	[WATCH_SMP] = { false, "smp: Brought up" },
	[WATCH_INIT] = { false, "as init process" },
};

/* Returns the byte @back bytes before bytes[@i]; at most two bytes before the first. */
static uint8_t byte_before(const struct watch *w, const uint8_t *bytes, size_t i, size_t back)
{
	return i >= back ? bytes[i - back] : w->last[back - i - 1];
}

/* Whether a message, line @t, may begin at bytes[@i]: after "] " or "<0>", or at a line's start. */
static bool begins_message(struct watch *w, unsigned int t, const uint8_t *bytes, size_t i)
{
	uint8_t before = byte_before(w, bytes, i, 1), second = byte_before(w, bytes, i, 2);

	w->stamped &= ~(1U << t);
	if (before == ' ' && second == ']')
		w->stamped |= 1U << t;
	return w->stamped & 1U << t || !before || before == '\n' || before == '\r' ||
	       (before == '>' && second >= '0' && second <= '9');
}

/* Whether line @t may begin at bytes[@i]. */
static bool begins(struct watch *w, unsigned int t, const uint8_t *bytes, size_t i)
{
	return bytes[i] == (uint8_t)lines[t].text[0] &&
	       (!lines[t].is_message || begins_message(w, t, bytes, i));
}

/* Whether line @t, which is complete, counts. */
static bool counts(struct watch *w, unsigned int t)
{
	bool stamped = w->stamped & 1U << t;

	w->has_stamps = w->has_stamps || (t == WATCH_VERSION && stamped);
	return stamped || !lines[t].is_message || !w->has_stamps;
}

/* Feeds the automaton of line @t. Returns whether the line is complete. */
static bool feed_line(struct watch *w, unsigned int t, const uint8_t *bytes, size_t len)
{
	const char *text = lines[t].text;
	unsigned char at = w->matched[t];
	bool found = false;

	for (size_t i = 0; i < len; i++) {
		if (!at) {
			const uint8_t *first = memchr(bytes + i, text[0], len - i);

			if (!first)
				break;
			i = (size_t)(first - bytes);
			at = begins(w, t, bytes, i);
		} else if (bytes[i] != (uint8_t)text[at]) {
			if (text[at] != '\n')
				at = begins(w, t, bytes, i);
		} else if (!text[++at]) {
			found = found || counts(w, t);
			at = 0;
		}
	}
	w->matched[t] = at;
	return found;
}

unsigned int watch_feed(struct watch *w, const uint8_t *bytes, size_t len)
{
	unsigned int found = 0, nr = w->whole_boot ? NR_WATCH_LINES : NR_WATCH_ENDS;

	if (!len)
		return 0;
	for (unsigned int t = 0; t < nr; t++)
		found |= (unsigned int)feed_line(w, t, bytes, len) << t;
	w->last[1] = len > 1 ? bytes[len - 2] : w->last[0];
	w->last[0] = bytes[len - 1];
	return found;
}
