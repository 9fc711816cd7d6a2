/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Matches a console's lines against POSIX extended regular expressions that they must or must not
 * contain. A match takes at most the pattern's size times the line's, and lines are short
 * (lines.h). Pure.
 */
#ifndef KVM_CHECKS_EXPECT_H
#define KVM_CHECKS_EXPECT_H

#include "ere.h"

#include "kvm/types.h"

#define EXPECT_MAX 32 /* of each kind */

struct expect_pattern {
	const char *text; /* belongs to the caller */
	struct ere *ere;
	bool met;
	uint64_t line_nr; /* where it was met, from 1 */
};

struct expect {
	bool any_order;
	unsigned int nr_wanted, nr_met, nr_forbidden;
	struct expect_pattern wanted[EXPECT_MAX], forbidden[EXPECT_MAX];
};

#define EXPECT_WHY_BYTES 128
/* Checks that @regex is a valid expression. Returns 0, or -EINVAL with the reason in @why. */
int expect_try(const char *regex, char why[EXPECT_WHY_BYTES]);
/* The same. Returns 0, or -EINVAL (reported); the message names @option. */
int expect_compiles(const char *option, const char *regex);

/*
 * Compiles the patterns, whose texts must outlive @e. @e must be all zeros. Returns 0, or -ENOMEM;
 * expect_fini() is needed in both cases.
 */
int expect_init(struct expect *e, const char *const *wanted, unsigned int nr_wanted,
		const char *const *forbidden, unsigned int nr_forbidden, bool any_order);
void expect_fini(struct expect *e);

/* Returns the first forbidden pattern that @line matches, or NULL. */
const struct expect_pattern *expect_forbidden(const struct expect *e, const char *line);

/*
 * Marks the wanted patterns that @line meets: in order, at most the next one; in any order, all
 * that match. Returns whether one was met.
 */
bool expect_wanted(struct expect *e, const char *line, uint64_t line_nr);

/* Returns whether there were expectations and all are met. */
bool expect_all_met(const struct expect *e);
/* Returns the first pattern that is not met, or NULL. */
const struct expect_pattern *expect_first_unmet(const struct expect *e);

#endif
