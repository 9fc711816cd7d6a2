/* SPDX-License-Identifier: GPL-2.0-only */
/* A growing list that owns its strings. All zero is an empty list. */
#ifndef KVM_BASE_STRLIST_H
#define KVM_BASE_STRLIST_H

#include "kvm/types.h"

struct strlist {
	char **s;
	unsigned int nr;
	size_t room;
};

/* Appends a copy of @len bytes, which have no NUL in them. Returns 0, or -ENOMEM. */
int strlist_add(struct strlist *l, const char *text, size_t len);
bool strlist_has(const struct strlist *l, const char *text, size_t len);
void strlist_free(struct strlist *l);

#endif
