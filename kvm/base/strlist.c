/* SPDX-License-Identifier: GPL-2.0-only */
/* Keeps lists of strings for set-up: short ones, which are searched from the start. */
#include "strlist.h"

#include "grow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int strlist_add(struct strlist *l, const char *text, size_t len)
{
	char **s = grow_array(l->s, &l->room, l->nr + 1U, sizeof(*s));

	if (!s)
		return -ENOMEM;
	l->s = s;
	l->s[l->nr] = strndup(text, len);
	if (!l->s[l->nr])
		return -ENOMEM;
	l->nr++;
	return 0;
}

bool strlist_has(const struct strlist *l, const char *text, size_t len)
{
	for (unsigned int i = 0; i < l->nr; i++) {
		if (!strncmp(l->s[i], text, len) && !l->s[i][len])
			return true;
	}
	return false;
}

void strlist_free(struct strlist *l)
{
	for (unsigned int i = 0; i < l->nr; i++)
		free(l->s[i]);
	free(l->s);
	*l = (struct strlist){ 0 };
}
