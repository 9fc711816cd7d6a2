/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes the files of --junit and --tap. The first test, "kvm.end", is the end of the machine; each
 * test that the console reported follows as a test of its own.
 *
 * The JUnit elements are those that its readers agree on (Jenkins, GitLab, GitHub's actions):
 * testsuites, testsuite, testcase, failure, skipped, system-out.
 */
#include "kvm/base/quote.h"
#include "outcome.h"

#include <string.h>

static const char *name_of(const struct outcome *o)
{
	return o->name ? o->name : o->kernel ? o->kernel : "kvm";
}

static void attribute(FILE *f, const char *name, const char *text, size_t len)
{
	fprintf(f, " %s=\"", name);
	quote_xml_attribute(f, text, len);
	fputc('"', f);
}

static struct ktap_totals totals(const struct outcome *o)
{
	return o->ktap ? ktap_totals(o->ktap) : (struct ktap_totals){ .first_failed = -1 };
}

static void junit_end(FILE *f, const struct outcome *o)
{
	const struct verdict *v = o->verdict;

	fprintf(f, "    <testcase classname=\"kvm\" name=\"end\" time=\"%llu.%03llu\">\n",
		(unsigned long long)(o->duration_ms / 1000),
		(unsigned long long)(o->duration_ms % 1000));
	if (!outcome_is_good(o)) {
		fprintf(f, "      <failure type=\"%s\"", outcome_verdict_name(v->kind));
		attribute(f, "message", v->text, strlen(v->text));
		fputs(">", f);
		for (unsigned int i = 0; i < o->nr_failures; i++) {
			quote_xml(f, o->failure[i].title, strlen(o->failure[i].title));
			fputs("\n", f);
			if (o->failure[i].text)
				quote_xml(f, o->failure[i].text, o->failure[i].len);
		}
		fputs("</failure>\n", f);
	}
	fputs("      <system-out>", f);
	if (o->tail)
		quote_xml(f, o->tail, o->tail_len);
	fputs("</system-out>\n    </testcase>\n", f);
}

static void junit_test(FILE *f, const struct ktap *k, unsigned int i)
{
	const struct ktap_node *n = &k->node[i];
	const char *name = n->name ? n->name : "?";
	const char *reason = n->reason		       ? n->reason
			     : n->status == KTAP_ENDED ? "the test has no result"
						       : "";
	char path[KTAP_NAME_BYTES * 4];

	fputs("    <testcase", f);
	ktap_path(k, n->parent, path, sizeof(path));
	attribute(f, "classname", path[0] ? path : "tests", path[0] ? strlen(path) : 5);
	attribute(f, "name", name, strlen(name));
	if (n->status == KTAP_OK) {
		fputs("/>\n", f);
		return;
	}
	fprintf(f, ">\n      <%s", ktap_is_bad(n->status) ? "failure" : "skipped");
	attribute(f, "message", reason, strlen(reason));
	if (n->diagnostic) {
		fputs(">", f);
		quote_xml(f, n->diagnostic, strlen(n->diagnostic));
		fprintf(f, "</%s>\n", ktap_is_bad(n->status) ? "failure" : "skipped");
	} else {
		fputs("/>\n", f);
	}
	fputs("    </testcase>\n", f);
}

void outcome_junit(FILE *f, const struct outcome *o)
{
	struct ktap_totals t = totals(o);
	/* including tests that were dropped */
	uint64_t nr = 1 + t.passed + t.failed + t.skipped + t.todo;
	uint64_t failed = t.failed + !outcome_is_good(o), skipped = t.skipped + t.todo;

	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite", f);
	attribute(f, "name", name_of(o), strlen(name_of(o)));
	fprintf(f,
		" tests=\"%llu\" failures=\"%llu\" errors=\"0\" skipped=\"%llu\" time=\"%llu.%03llu\">\n",
		(unsigned long long)nr, (unsigned long long)failed, (unsigned long long)skipped,
		(unsigned long long)(o->duration_ms / 1000),
		(unsigned long long)(o->duration_ms % 1000));
	junit_end(f, o);
	for (unsigned int i = 0; o->ktap && i < o->ktap->nr_nodes; i++) {
		if (ktap_counts(&o->ktap->node[i]))
			junit_test(f, o->ktap, i);
	}
	fputs("  </testsuite>\n</testsuites>\n", f);
}

/* Writes the lines of a text as TAP comments. */
static void comments(FILE *f, const char *text, size_t len)
{
	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		fputs("# ", f);
		quote_line(f, text, n);
		fputs("\n", f);
		n += end != NULL;
		text += n;
		len -= n;
	}
}

/* Replaces each '#' in a name, which would begin a directive. */
static void tap_name(FILE *f, const char *name)
{
	for (;;) {
		size_t n = strcspn(name, "#");

		quote_line(f, name, n);
		name += n;
		if (!*name++)
			return;
		fputc('/', f);
	}
}

static void tap_test(FILE *f, const struct ktap *k, unsigned int i, uint64_t nr)
{
	const struct ktap_node *n = &k->node[i];
	char path[KTAP_NAME_BYTES * 4];

	if (n->diagnostic)
		comments(f, n->diagnostic, strlen(n->diagnostic));
	fprintf(f, "%s %llu - ", ktap_is_bad(n->status) || n->status == KTAP_TODO ? "not ok" : "ok",
		(unsigned long long)nr);
	tap_name(f, ktap_path(k, (int)i, path, sizeof(path)));
	if (n->status == KTAP_SKIPPED || n->status == KTAP_TODO) {
		fputs(n->status == KTAP_SKIPPED ? " # SKIP " : " # TODO ", f);
		quote_line(f, n->reason ? n->reason : "", n->reason ? strlen(n->reason) : 0);
	}
	fputs("\n", f);
}

void outcome_tap(FILE *f, const struct outcome *o)
{
	uint64_t nr = 1;

	for (unsigned int i = 0; o->ktap && i < o->ktap->nr_nodes; i++)
		nr += ktap_counts(&o->ktap->node[i]);
	fprintf(f, "TAP version 13\n1..%llu\n", (unsigned long long)nr);
	for (unsigned int i = 0; i < o->nr_failures && !outcome_is_good(o); i++) {
		comments(f, o->failure[i].title, strlen(o->failure[i].title));
		if (o->failure[i].text)
			comments(f, o->failure[i].text, o->failure[i].len);
	}
	fprintf(f, "%s 1 - kvm.end: ", outcome_is_good(o) ? "ok" : "not ok");
	tap_name(f, o->verdict->text);
	fputs("\n", f);
	nr = 1;
	for (unsigned int i = 0; o->ktap && i < o->ktap->nr_nodes; i++) {
		if (ktap_counts(&o->ktap->node[i]))
			tap_test(f, o->ktap, i, ++nr);
	}
}
