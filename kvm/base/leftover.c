/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps the list of paths that a fatal signal removes, see leftover.h. A handler may walk the list
 * while it changes: a new entry is complete before it is in the list, and one that is out of it
 * stays in memory.
 */
#include "leftover.h"

#include "fatal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct leftover {
	struct leftover *next;
	dev_t dev;
	ino_t ino;
	char path[];
};

static void remove_all(void);

/* A global: a signal handler gets no argument. */
static struct leftovers {
	struct leftover *first, *dropped;
	struct fatal_hook hook;
} leftovers = { .hook = { .undo = remove_all } };

static void remove_all(void)
{
	struct stat st;

	for (const struct leftover *l = leftovers.first; l; l = l->next) {
		if (!lstat(l->path, &st) && st.st_dev == l->dev && st.st_ino == l->ino)
			unlink(l->path);
	}
}

void leftover_add(const char *path, const struct stat *st)
{
	size_t size = strlen(path) + 1;
	struct leftover *l = malloc(sizeof(*l) + size);

	if (!l)
		return; /* then it stays behind, as after a SIGKILL */
	*l = (struct leftover){ .next = leftovers.first, .dev = st->st_dev, .ino = st->st_ino };
	memcpy(l->path, path, size);
	__atomic_store_n(&leftovers.first, l, __ATOMIC_RELEASE);
	fatal_add(&leftovers.hook);
}

void leftover_drop(const char *path)
{
	for (struct leftover **at = &leftovers.first; *at; at = &(*at)->next) {
		struct leftover *l = *at;

		if (strcmp(l->path, path) != 0)
			continue;
		__atomic_store_n(at, l->next, __ATOMIC_RELEASE);
		free(leftovers.dropped); /* the one before: no handler is at it any more */
		leftovers.dropped = l;
		return;
	}
}
