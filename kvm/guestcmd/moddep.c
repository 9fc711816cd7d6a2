/* SPDX-License-Identifier: GPL-2.0-only */
/* Parses modules.dep(5) and modules.builtin as text, and assumes nothing about their content. */
#include "moddep.h"

#include <errno.h>
#include <string.h>

struct span {
	const char *at;
	size_t len;
};

static char fold(char c)
{
	return c == '-' ? '_' : c;
}

/* Whether @file, like kernel/drivers/char/hw_random/virtio-rng.ko.xz, is the module @name. */
static bool is_module(struct span file, const char *name)
{
	const char *slash = memrchr(file.at, '/', file.len);
	size_t i = slash ? (size_t)(slash + 1 - file.at) : 0;

	for (; *name && i < file.len && fold(file.at[i]) == fold(*name); i++)
		name++;
	return !*name && file.len - i >= 3 && !memcmp(file.at + i, ".ko", 3);
}

/* Cuts the next line off @rest. */
static bool next_line(struct span *rest, struct span *line)
{
	const char *end;

	if (!rest->len)
		return false;
	end = memchr(rest->at, '\n', rest->len);
	line->at = rest->at;
	line->len = end ? (size_t)(end - rest->at) : rest->len;
	rest->at += line->len + (end != NULL);
	rest->len -= line->len + (end != NULL);
	return true;
}

/* Cuts the last word off @rest. */
static bool last_word(struct span *rest, struct span *word)
{
	const char *blank;

	while (rest->len && rest->at[rest->len - 1] == ' ')
		rest->len--;
	if (!rest->len)
		return false;
	blank = memrchr(rest->at, ' ', rest->len);
	word->at = blank ? blank + 1 : rest->at;
	word->len = (size_t)(rest->at + rest->len - word->at);
	rest->len -= word->len;
	return true;
}

static int add(struct strlist *files, struct span file)
{
	if (memchr(file.at, '\0', file.len) || strlist_has(files, file.at, file.len))
		return 0;
	return strlist_add(files, file.at, file.len);
}

int moddep_add(struct strlist *files, const char *text, size_t len, const char *name)
{
	struct span rest = { text, len }, line, word;
	int err = 0;

	while (next_line(&rest, &line)) {
		const char *colon = memchr(line.at, ':', line.len);
		struct span file = { line.at, colon ? (size_t)(colon - line.at) : 0 };
		struct span needs = line;

		if (!colon || !is_module(file, name))
			continue;
		needs.at += file.len + 1;
		needs.len -= file.len + 1;
		while (!err && last_word(&needs, &word))
			err = add(files, word);
		return err ? err : add(files, file);
	}
	return -ENOENT;
}

bool moddep_builtin(const char *text, size_t len, const char *name)
{
	struct span rest = { text, len }, line;

	while (next_line(&rest, &line)) {
		if (is_module(line, name))
			return true;
	}
	return false;
}
