/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds the files that match a pattern, part by part of the path.
 *
 * A part without a pattern is appended to the path so far. A part with a pattern is searched in the
 * folder that the path so far names. Only a dot matches a leading dot. A folder that cannot be
 * opened counts as empty.
 */
#include "pathglob.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct search {
	struct strlist *found;
	unsigned int max;
	bool pattern_seen;
	char path[PATH_MAX];
};

static int walk(struct search *s, size_t len, const char *rest);

/* Goes on with @name appended. A path that gets too long does not match. */
static int descend(struct search *s, size_t len, const char *name, size_t name_len,
		   const char *rest)
{
	if (len + name_len + 2 > sizeof(s->path))
		return 0;
	memcpy(s->path + len, name, name_len);
	s->path[len + name_len] = '\0';
	return walk(s, len + name_len, rest);
}

static int look_into(struct search *s, size_t len, const char *part, const char *rest)
{
	struct dirent **entry = NULL;
	int err = 0, nr = scandir(len ? s->path : ".", &entry, NULL, NULL);

	for (int i = 0; i < nr; i++) {
		if (!err && !fnmatch(part, entry[i]->d_name, FNM_PERIOD))
			err = descend(s, len, entry[i]->d_name, strlen(entry[i]->d_name), rest);
		free(entry[i]);
	}
	free(entry);
	return err;
}

static int found(struct search *s, size_t len)
{
	if (s->pattern_seen && access(s->path, F_OK))
		return 0;
	return s->found->nr == s->max ? -E2BIG : strlist_add(s->found, s->path, len);
}

static int walk(struct search *s, size_t len, const char *rest)
{
	size_t slashes = strspn(rest, "/"), n = strcspn(rest + slashes, "/");
	char part[NAME_MAX + 1];

	if (slashes)
		return descend(s, len, "/", 1, rest + slashes);
	if (!n)
		return found(s, len);
	if (n > NAME_MAX)
		return 0;
	snprintf(part, sizeof(part), "%.*s", (int)n, rest);
	if (!strpbrk(part, "*?["))
		return descend(s, len, part, n, rest + n);
	s->pattern_seen = true;
	return look_into(s, len, part, rest + n);
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int pathglob(struct strlist *l, const char *pattern, unsigned int max)
{
	struct search s = { .found = l, .max = max };
	unsigned int before = l->nr;
	int err = walk(&s, 0, pattern);

	if (l->nr > before)
		qsort(l->s + before, l->nr - before, sizeof(*l->s), by_bytes);
	return err;
}
