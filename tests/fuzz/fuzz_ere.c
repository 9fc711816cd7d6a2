/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the matcher of --expect and --fail-on. The input is a pattern, a newline and a line.
 *
 * It must accept what libc's regcomp() accepts, and match what libc's matches. Left out: what is
 * limited in one of them alone (sizes, nesting, back-references), and what would take libc long.
 */
#include "kvm/checks/ere.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether libc might take long, or knows what we do not. */
static bool is_left_out(const char *pattern)
{
	unsigned int repeats = 0, digits = 0;

	for (const char *p = pattern; *p; p++) {
		repeats += *p == '{' ? 3 : !!strchr("*+?(", *p);
		digits = *p >= '0' && *p <= '9' ? digits + 1 : 0;
		if (digits > 1 || (*p == '\\' && p[1] >= '0' && p[1] <= '9'))
			return true;
	}
	/* libc takes a backslash out of the braces of an interval. */
	return repeats > 6 || (strchr(pattern, '{') && strchr(pattern, '\\'));
}

static void compare(const char *pattern, const char *line)
{
	const char *why;
	struct ere *ours;
	regex_t theirs;
	int err = ere_compile(&ours, pattern, &why),
	    want = regcomp(&theirs, pattern, REG_EXTENDED | REG_NOSUB);

	if (!err != !want) {
		fprintf(stderr, "/%s/: %s, libc says %d\n", pattern, err ? why : "accepted", want);
		abort();
	}
	if (!err && ere_matches(ours, line) != !regexec(&theirs, line, 0, NULL, 0)) {
		fprintf(stderr, "/%s/ and \"%s\": not as libc\n", pattern, line);
		abort();
	}
	ere_free(ours);
	if (!want)
		regfree(&theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[128], *line;

	if (size >= sizeof(text) || memchr(data, '\0', size))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	line = strchr(text, '\n');
	if (!line || line - text > 32)
		return 0;
	*line++ = '\0';
	if (!strchr(line, '\n') && !is_left_out(text))
		compare(text, line);
	return 0;
}
