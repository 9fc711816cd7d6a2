/* SPDX-License-Identifier: GPL-2.0-only */
/* The words of --cpuid's list, taken one by one; private to x86/. */
#ifndef X86_CPU_CPUID_WORDS_H
#define X86_CPU_CPUID_WORDS_H

#include "kvm/optlist.h"

#include <string.h>

enum reg { EAX, EBX, ECX, EDX };

/* A word of --cpuid's list. */
struct change {
	const char *text;
	int len;
};

/* Takes the next word off @p; false at the end. An empty one is a word. */
static inline bool next_change(const char **p, struct change *c)
{
	struct optitem item;

	if (!optlist_next(p, &item))
		return false;
	c->text = item.text;
	c->len = (int)item.len;
	return true;
}

#endif
