/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel command line: our parameters and the user's in one string.
 *
 * The kernel lets the last of two equal parameters win, and hands everything after " -- " to init
 * (kernel-parameters documentation, "The kernel command line"). So ours come first: the user can
 * override each of them, and init's arguments stay at the end, untouched. Nothing is ever cut:
 * boot_load() refuses what a kernel cannot take. Words are cut as in the kernel (lib/cmdline.c,
 * next_arg()): at blanks outside quotes.
 */
#include "boot.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* The end of the word at @p: a blank that is not between quotes. */
static const char *word_end(const char *p)
{
	bool quoted = false;

	for (; *p && (quoted || !isspace((unsigned char)*p)); p++)
		quoted ^= *p == '"';
	return p;
}

bool boot_cmdline_has(const char *params, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = params ? params : "", *end; *p; p = end) {
		p += strspn(p, " \t\n\v\f\r");
		end = word_end(p);
		if (end - p == 2 && !memcmp(p, "--", 2))
			return false;
		if (*p == '"')
			p++;
		if (!strncmp(p, name, len) && p[len] == '=')
			return true;
	}
	return false;
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
