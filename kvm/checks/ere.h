/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Matches lines against POSIX extended regular expressions (XBD 9.4) in time and memory that no
 * line can raise: a match takes at most the program's size times the line's length, and no memory.
 *
 * The language is that of glibc's regcomp(REG_EXTENDED) in the C locale, with its \w \W \s \S \b
 * \B \< \> \` \', but without back-references. (glibc's matcher makes a state of its automaton for
 * each set of positions that an input meets, without a limit; a guest could make it slow and
 * large.)
 */
#ifndef KVM_CHECKS_ERE_H
#define KVM_CHECKS_ERE_H

#include "kvm/types.h"

struct ere;

/*
 * Compiles @pattern, of which nothing is kept. The caller frees the result by ere_free(). Returns
 * 0; -EINVAL, with the reason in *@why, a constant; or -ENOMEM.
 */
int ere_compile(struct ere **out, const char *pattern, const char **why);

/* Also accepts NULL. */
void ere_free(struct ere *e);

/* Returns whether @line contains a match. Locks: the caller serialises the calls for one @e. */
bool ere_matches(struct ere *e, const char *line);

#endif
