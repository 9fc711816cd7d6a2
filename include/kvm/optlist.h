/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Splits option values that are lists, "ITEM,ITEM...", by one grammar for all options.
 *
 *  - A comma ends an item; two commas in a row are one comma of the item.
 *  - Pairs of commas are taken from the left: "a,,,b" is "a," and "b".
 *  - An empty text is one empty item, and a comma at the end is followed by an empty item.
 *  - An item is a word, KEY=VALUE (cut at the first '='), or whatever the option defines.
 *
 * Options whose value is one path (--log, --report, --dump ...) are not lists: commas are literal
 * there. Pure. Thread: any.
 */
#ifndef KVM_OPTLIST_H
#define KVM_OPTLIST_H

#include "kvm/types.h"

/* An item as it is written: a comma in it is still two. */
struct optitem {
	const char *text;
	size_t len;
};

/*
 * Takes the next item off *@list, and sets *@list to NULL after the last one. Returns whether there
 * was one.
 */
bool optlist_next(const char **list, struct optitem *item);

/*
 * Copies @item to @text, each pair of commas as one, with a NUL at the end. @text may be where the
 * item is. Returns 0, or -ENAMETOOLONG when it does not fit into @size bytes (then @text is not a
 * string).
 */
int optitem_copy(const struct optitem *item, char *text, size_t size);

/* The same into memory of its own, which the caller frees. Returns NULL without memory. */
char *optitem_dup(const struct optitem *item);

/*
 * Does the same as optlist_next() on a text that may be changed: makes the item a string of its
 * own, in place. Returns it, or NULL when *@list is at its end.
 */
char *optlist_take(char **list);

/* Cuts @item at its first '='. Returns the value, or NULL for a word alone. */
char *optlist_value(char *item);

#endif
