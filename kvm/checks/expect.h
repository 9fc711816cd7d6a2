/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a console's lines must have in them, and must not: POSIX extended regular expressions.
 * Back-references are refused, so that a match takes no more than the pattern's size times the
 * line's, and lines are short (lines.h). Pure.
 */
#ifndef KVM_CHECKS_EXPECT_H
#define KVM_CHECKS_EXPECT_H

#include "kvm/types.h"

#include <regex.h>

#define EXPECT_MAX 32 /* of each kind */

struct expect_pattern {
	const char *text; /* the caller's */
	regex_t regex;
	bool met;
	uint64_t line_nr; /* where it was met */
};

struct expect {
	bool any_order;
	unsigned int nr_wanted, nr_met, nr_forbidden;
	struct expect_pattern wanted[EXPECT_MAX], forbidden[EXPECT_MAX];
};

#define EXPECT_WHY_BYTES 128
/* Whether it is one: 0, or -EINVAL with what is wrong in @why. */
int expect_try(const char *regex, char why[EXPECT_WHY_BYTES]);
/* Whether it is one: 0, or -EINVAL having said why (@option: which one it was, for the message). */
int expect_compiles(const char *option, const char *regex);

/*
 * Compiles; the texts must stay. Returns 0 or -ENOMEM. expect_fini() in either case, on what was
 * all zeros before.
 */
int expect_init(struct expect *e, const char *const *wanted, unsigned int nr_wanted,
		const char *const *forbidden, unsigned int nr_forbidden, bool any_order);
void expect_fini(struct expect *e);

/* Returns the forbidden pattern that @line has, or NULL. */
const struct expect_pattern *expect_forbidden(const struct expect *e, const char *line);

/*
 * Whether @line meets what is wanted: in order, the next one and no more; in any order, all that it
 * has. Returns true when one was met.
 */
bool expect_wanted(struct expect *e, const char *line, uint64_t line_nr);

/* There were expectations, and all are met. */
bool expect_all_met(const struct expect *e);
/* The first that is not; NULL: none. */
const struct expect_pattern *expect_first_unmet(const struct expect *e);

#endif
