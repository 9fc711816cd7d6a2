/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Implements --expect and --fail-on with libc's matcher. It runs an automaton if two conditions
 * hold: the caller does not need the position of the match (REG_NOSUB), and there are no
 * back-references. Those are a GNU addition to extended expressions and can take a time exponential
 * in the length of the line.
 */
#include "expect.h"

#include "kvm/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Returns whether @regex has a \1 to \9 outside of brackets, where a backslash is only a backslash.
 */
static bool has_back_reference(const char *regex)
{
	for (const char *p = regex; *p; p++) {
		if (*p == '\\' && p[1]) {
			p++;
			if (*p >= '1' && *p <= '9')
				return true;
		} else if (*p == '[') {
			p += p[1] == '^' ? 2 : 1;
			p += *p == ']';
			p += strcspn(p, "]");
			if (!*p)
				return false;
		}
	}
	return false;
}

static int compile(regex_t *regex, const char *text)
{
	return regcomp(regex, text, REG_EXTENDED | REG_NOSUB);
}

int expect_try(const char *regex, char why[EXPECT_WHY_BYTES])
{
	static const char prefix[] = "not an extended regular expression: ";
	regex_t compiled;
	int err;

	if (has_back_reference(regex) || !*regex) {
		snprintf(why, EXPECT_WHY_BYTES, "%s",
			 *regex ? "back-references are not supported"
				: "an empty pattern matches every line");
		return -EINVAL;
	}
	err = compile(&compiled, regex);
	if (err) {
		size_t len = (size_t)snprintf(why, EXPECT_WHY_BYTES, "%s", prefix);

		regerror(err, &compiled, why + len, EXPECT_WHY_BYTES - len);
		return -EINVAL;
	}
	regfree(&compiled);
	return 0;
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
		to[*nr].text = from[*nr];
		if (compile(&to[*nr].regex, from[*nr]))
			return -ENOMEM;
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
		regfree(&e->wanted[--e->nr_wanted].regex);
	while (e->nr_forbidden)
		regfree(&e->forbidden[--e->nr_forbidden].regex);
}

static bool has(const struct expect_pattern *p, const char *line)
{
	return regexec(&p->regex, line, 0, NULL, 0) == 0;
}

const struct expect_pattern *expect_forbidden(const struct expect *e, const char *line)
{
	for (unsigned int i = 0; i < e->nr_forbidden; i++) {
		if (has(&e->forbidden[i], line))
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
		if (has(p, line)) {
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
