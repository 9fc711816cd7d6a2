/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Splits an option's list at its commas, see optlist.h. Everything uses optlist_next(), the only
 * function that decides where an item ends.
 */
#include "kvm/optlist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool optlist_next(const char **list, struct optitem *item)
{
	const char *end = *list;

	if (!end)
		return false;
	item->text = end;
	while (*end && (*end != ',' || end[1] == ','))
		end += *end == ',' ? 2 : 1;
	item->len = (size_t)(end - item->text);
	*list = *end ? end + 1 : NULL;
	return true;
}

int optitem_copy(const struct optitem *item, char *text, size_t size)
{
	size_t len = 0;

	if (!size)
		return -ENAMETOOLONG;
	for (size_t i = 0; i < item->len; i++) {
		if (len + 1 >= size)
			return -ENAMETOOLONG;
		text[len++] = item->text[i];
		i += item->text[i] == ',' && i + 1 < item->len && item->text[i + 1] == ',';
	}
	text[len] = '\0';
	return 0;
}

char *optitem_dup(const struct optitem *item)
{
	char *text = malloc(item->len + 1);

	if (text)
		optitem_copy(item, text, item->len + 1);
	return text;
}

char *optlist_take(char **list)
{
	const char *rest = *list;
	struct optitem item;
	char *text = *list;

	if (!optlist_next(&rest, &item))
		return NULL;
	*list = rest ? text + item.len + 1 : NULL;
	optitem_copy(&item, text, item.len + 1);
	return text;
}

char *optlist_value(char *item)
{
	char *equals = strchr(item, '=');

	if (!equals)
		return NULL;
	*equals = '\0';
	return equals + 1;
}
