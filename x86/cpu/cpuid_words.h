/* SPDX-License-Identifier: GPL-2.0-only */
/* Splits --cpuid's list into its words; private to x86/. */
#ifndef X86_CPU_CPUID_WORDS_H
#define X86_CPU_CPUID_WORDS_H

#include "kvm/optlist.h"

#include <string.h>

enum reg { EAX, EBX, ECX, EDX };

/* One word of --cpuid's list. */
struct change {
	const char *text;
	int len;
};

/* Takes the next word from @p. Returns false at the end. An empty word counts as a word. */
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
