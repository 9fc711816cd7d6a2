/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints a listing of named values, groups and lists, as text for people or as JSON (RFC 8259).
 */
#ifndef X86_BOOT_LISTING_H
#define X86_BOOT_LISTING_H

#include "kvm/types.h"

#include <stdio.h>

struct listing {
	FILE *f;
	bool json;
	unsigned int depth;
	bool empty; /* nothing in the current group yet */
};

/* Begin and end the listing. */
void listing_open(struct listing *l, FILE *f, bool json);
void listing_close(struct listing *l);

/* Begin a group or a list. @name NULL: it is the next element of a list. */
void listing_group(struct listing *l, const char *name);
void listing_list(struct listing *l, const char *name);
/* Ends a group (@is_list false) or a list. */
void listing_end(struct listing *l, bool is_list);

/* Bytes that are not ASCII become '?'. @text NULL prints "none", or null in JSON. */
void listing_text(struct listing *l, const char *name, const char *text);
void listing_number(struct listing *l, const char *name, uint64_t value);
/*
 * An address or flags: "0x..." in both forms, since many JSON readers keep only 53 bits of a
 * number.
 */
void listing_hex(struct listing *l, const char *name, uint64_t value);

#endif
