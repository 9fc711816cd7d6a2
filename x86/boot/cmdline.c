/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Joins our kernel parameters and the user's into one command line.
 *
 * If a parameter occurs twice, the kernel uses the last one, and it passes everything after " -- "
 * to init (kernel-parameters documentation, "The kernel command line"). So ours come first: the
 * user can override each of them, and init's arguments stay at the end, unchanged. Nothing is ever
 * cut: boot_load() refuses a line that is too long for the kernel. Words are split as in the kernel
 * (lib/cmdline.c, next_arg()): at blanks outside quotes.
 */
#include "boot.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* The end of the word at @p: a blank outside quotes, or the end of the text. */
static const char *word_end(const char *p)
{
	bool quoted = false;

	for (; *p && (quoted || !isspace((unsigned char)*p)); p++)
		quoted ^= *p == '"';
	return p;
}

/* Whether a word before "--" begins with @start, and @whole: is that. */
static bool has_word(const char *params, const char *start, bool whole)
{
	size_t len = strlen(start);

	for (const char *p = params ? params : "", *end; *p; p = end) {
		p += strspn(p, " \t\n\v\f\r");
		end = word_end(p);
		if (end - p == 2 && !memcmp(p, "--", 2))
			return false;
		if (*p == '"')
			p++;
		if (!strncmp(p, start, len) && (whole ? p + len == end : p[len] == '='))
			return true;
	}
	return false;
}

bool boot_cmdline_has(const char *params, const char *name)
{
	return has_word(params, name, false);
}

bool boot_cmdline_has_word(const char *params, const char *word)
{
	return has_word(params, word, true);
}

char *boot_cmdline(const char *ours, const char *users)
{
	char *line;

	if (!ours)
		ours = "";
	if (!users)
		users = "";
	line = malloc(strlen(ours) + strlen(users) + 2);
	if (line)
		stpcpy(stpcpy(stpcpy(line, ours), *ours && *users ? " " : ""), users);
	return line;
}
