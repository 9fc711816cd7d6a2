/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reports a set of boots to CI services: as JUnit XML, with a test for each boot (its class is its
 * section), and on GitHub and GitLab as the annotations that `kvm run` itself would write there.
 */
#include "kvm/base/quote.h"
#include "kvm/checks/outcome.h"
#include "smoke.h"

#include <string.h>

static void attribute(FILE *f, const char *name, const char *text)
{
	fprintf(f, " %s=\"", name);
	quote_xml_attribute(f, text, strlen(text));
	fputc('"', f);
}

static void seconds(FILE *f, uint64_t ms)
{
	fprintf(f, " time=\"%llu.%03llu\"", (unsigned long long)(ms / 1000),
		(unsigned long long)(ms % 1000));
}

static void write_failure(FILE *f, const struct smoke_boot *b)
{
	const struct smoke_result *r = &b->result;

	fputs("      <failure", f);
	attribute(f, "type", r->verdict);
	attribute(f, "message", r->text);
	fputs(">", f);
	quote_xml(f, b->command, strlen(b->command));
	fputs("\n", f);
	if (r->excerpt)
		quote_xml(f, r->excerpt, strlen(r->excerpt));
	fputs("</failure>\n", f);
	if (!r->tail)
		return;
	fputs("      <system-out>", f);
	quote_xml(f, r->tail, strlen(r->tail));
	fputs("</system-out>\n", f);
}

static void write_test(FILE *f, const struct smoke_set *set, const struct smoke_boot *b)
{
	fputs("    <testcase", f);
	attribute(f, "classname", *b->section ? b->section : set->file);
	attribute(f, "name", b->id);
	seconds(f, b->result.duration_ms);
	if (b->result.passed) {
		fputs("/>\n", f);
		return;
	}
	fputs(">\n", f);
	write_failure(f, b);
	fputs("    </testcase>\n", f);
}

/*
 * Adds a failed test for boots that are missing from a whole set, for services that read only this
 * file.
 */
static void write_missing(FILE *f, uint64_t missing)
{
	fprintf(f,
		"    <testcase classname=\"kvm\" name=\"all boots\">\n      <failure type=\"missing\" message=\"%llu boots have no result\"/>\n    </testcase>\n",
		(unsigned long long)missing);
}

void smoke_junit(FILE *f, const void *ctx)
{
	const struct smoke_set *set = ctx;
	struct smoke_counts c = smoke_count(set);
	bool missed = set->whole && c.missing;
	unsigned long long failed = c.failed + missed;
	uint64_t ms = 0;

	for (unsigned int i = 0; i < set->nr; i++)
		ms += set->boot[i].result.done ? set->boot[i].result.duration_ms : 0;
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite", f);
	attribute(f, "name", set->file);
	fprintf(f, " tests=\"%llu\" failures=\"%llu\" errors=\"0\" skipped=\"0\"",
		c.passed + failed, failed);
	seconds(f, ms);
	fputs(">\n", f);
	for (unsigned int i = 0; i < set->nr; i++) {
		if (set->boot[i].result.done)
			write_test(f, set, &set->boot[i]);
	}
	if (missed)
		write_missing(f, c.missing);
	fputs("  </testsuite>\n</testsuites>\n", f);
}

/* Annotates one boot as its own run would. */
static void annotate_one(FILE *f, const struct smoke_boot *b, enum outcome_ci ci)
{
	const struct smoke_result *r = &b->result;
	struct verdict v = { .kind = VERDICT_FAILED };
	struct outcome o = {
		.verdict = &v,
		.duration_ms = r->duration_ms,
		.tail = r->tail,
		.tail_len = r->tail ? strlen(r->tail) : 0,
	};

	for (enum verdict_kind kind = VERDICT_FAILED; kind <= VERDICT_LAUNCHER; kind++) {
		if (!strcmp(outcome_verdict_name(kind), r->verdict))
			v.kind = kind;
	}
	snprintf(v.text, sizeof(v.text), "%s: %s", b->id, r->text);
	outcome_escape_ci(v.text);
	o.failure[o.nr_failures++] = (struct outcome_failure){
		"smoke", NULL, b->command, 0, r->excerpt, r->excerpt ? strlen(r->excerpt) : 0
	};
	outcome_annotate(f, &o, ci);
}

void smoke_annotate(FILE *f, const struct smoke_set *set)
{
	enum outcome_ci ci = outcome_find_ci();

	for (unsigned int i = 0; i < set->nr && ci != OUTCOME_NO_CI; i++) {
		if (set->boot[i].result.done && !set->boot[i].result.passed)
			annotate_one(f, &set->boot[i], ci);
	}
}
