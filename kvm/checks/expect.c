/* SPDX-License-Identifier: GPL-2.0-only */
/* Implements --expect and --fail-on by the matcher of ere.c, which no guest can make slow. */
#include "expect.h"

#include "kvm/log.h"

#include <errno.h>
#include <stdio.h>

int expect_try(const char *regex, char why[EXPECT_WHY_BYTES])
{
	const char *reason = "an empty pattern matches every line";
	struct ere *compiled = NULL;
	int err = *regex ? ere_compile(&compiled, regex, &reason) : -EINVAL;

	ere_free(compiled);
	if (err)
		snprintf(why, EXPECT_WHY_BYTES, "%s%s",
			 *regex ? "not an extended regular expression: " : "", reason);
	return err ? -EINVAL : 0;
}

int expect_compiles(const char *option, const char *regex)
{
	char why[EXPECT_WHY_BYTES];
	int err = expect_try(regex, why);

	if (err)
		pr_err("--%s %s: %s", option, regex, why);
	return err;
}

static int compile_all(struct expect_pattern *to, unsigned int *nr, const char *const *from,
		       unsigned int nr_from)
{
	for (*nr = 0; *nr < nr_from; ++*nr) {
		const char *why;
		int err = ere_compile(&to[*nr].ere, from[*nr], &why);

		to[*nr].text = from[*nr];
		if (err)
			return err;
	}
	return 0;
}

int expect_init(struct expect *e, const char *const *wanted, unsigned int nr_wanted,
		const char *const *forbidden, unsigned int nr_forbidden, bool any_order)
{
	int err = compile_all(e->wanted, &e->nr_wanted, wanted, nr_wanted);

	e->any_order = any_order;
	return err ? err : compile_all(e->forbidden, &e->nr_forbidden, forbidden, nr_forbidden);
}

void expect_fini(struct expect *e)
{
	while (e->nr_wanted)
		ere_free(e->wanted[--e->nr_wanted].ere);
	while (e->nr_forbidden)
		ere_free(e->forbidden[--e->nr_forbidden].ere);
}

const struct expect_pattern *expect_forbidden(const struct expect *e, const char *line)
{
	for (unsigned int i = 0; i < e->nr_forbidden; i++) {
		if (ere_matches(e->forbidden[i].ere, line))
			return &e->forbidden[i];
	}
	return NULL;
}

bool expect_wanted(struct expect *e, const char *line, uint64_t line_nr)
{
	unsigned int before = e->nr_met;

	for (unsigned int i = 0; i < e->nr_wanted; i++) {
		struct expect_pattern *p = &e->wanted[i];

		if (p->met)
			continue;
		/* A line may come twice: as a prompt that waits, and again when it is complete. */
		if (!e->any_order && i && e->wanted[i - 1].line_nr >= line_nr)
			break;
		if (ere_matches(p->ere, line)) {
			p->met = true;
			p->line_nr = line_nr;
			e->nr_met++;
		}
		if (!e->any_order)
			break;
	}
	return e->nr_met != before;
}

bool expect_all_met(const struct expect *e)
{
	return e->nr_wanted && e->nr_met == e->nr_wanted;
}

const struct expect_pattern *expect_first_unmet(const struct expect *e)
{
	for (unsigned int i = 0; i < e->nr_wanted; i++) {
		if (!e->wanted[i].met)
			return &e->wanted[i];
	}
	return NULL;
}
