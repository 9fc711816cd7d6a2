/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes the JSON of --report; docs/report.md has the schema. A new member keeps the schema's
 * number; a member that is removed or changes its meaning needs a new number.
 */
#include "kvm/base/quote.h"
#include "outcome.h"

#include <string.h>
#include <time.h>

#define SCHEMA "kvm-run-report/1"

static void string_or_null(FILE *f, const char *text)
{
	if (text)
		quote_json(f, text, strlen(text));
	else
		fputs("null", f);
}

static void member(FILE *f, const char *name, const char *text)
{
	fprintf(f, ",\n  \"%s\": ", name);
	string_or_null(f, text);
}

static void number(FILE *f, const char *name, uint64_t value)
{
	fprintf(f, ",\n  \"%s\": %llu", name, (unsigned long long)value);
}

static void started(FILE *f, int64_t started_s)
{
	char text[32] = "";
	time_t t = (time_t)started_s;
	struct tm tm;

	if (gmtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	member(f, "started", text);
}

static void command(FILE *f, const struct outcome *o)
{
	fputs(",\n  \"arguments\": [", f);
	for (int i = 1; i < o->argc; i++) {
		fputs(i > 1 ? ", " : "", f);
		string_or_null(f, o->argv[i]);
	}
	fputs("]", f);
}

static void expectations(FILE *f, const struct expect *e)
{
	fputs(",\n  \"expectations\": [", f);
	for (unsigned int i = 0; e && i < e->nr_wanted; i++) {
		fprintf(f, "%s\n    { \"regex\": ", i ? "," : "");
		string_or_null(f, e->wanted[i].text);
		fprintf(f, ", \"met\": %s, \"line\": ", e->wanted[i].met ? "true" : "false");
		fprintf(f, e->wanted[i].met ? "%llu }" : "null }",
			(unsigned long long)e->wanted[i].line_nr);
	}
	fputs("]", f);
}

static void failures(FILE *f, const struct outcome *o)
{
	fputs(",\n  \"failures\": [", f);
	for (unsigned int i = 0; i < o->nr_failures; i++) {
		const struct outcome_failure *x = &o->failure[i];

		fprintf(f, "%s\n    { \"kind\": \"%s\", \"class\": ", i ? "," : "", x->kind);
		string_or_null(f, x->class);
		fputs(", \"title\": ", f);
		string_or_null(f, x->title);
		fprintf(f, ", \"line\": %llu, \"excerpt\": ", (unsigned long long)x->line_nr);
		quote_json(f, x->text ? x->text : "", x->text ? x->len : 0);
		fputs(" }", f);
	}
	fputs("]", f);
}

static void tests(FILE *f, const struct ktap *k)
{
	static const char *const status[] = { "passed", "failed", "skipped", "todo", "failed" };
	char path[KTAP_NAME_BYTES * 4];
	struct ktap_totals t = ktap_totals(k);
	const char *separator = "";

	fprintf(f,
		",\n  \"tests\": { \"passed\": %llu, \"failed\": %llu, \"skipped\": %llu, \"todo\": %llu, \"results\": [",
		(unsigned long long)t.passed, (unsigned long long)t.failed,
		(unsigned long long)t.skipped, (unsigned long long)t.todo);
	for (unsigned int i = 0; i < k->nr_nodes; i++) {
		const struct ktap_node *n = &k->node[i];

		if (!ktap_counts(n))
			continue;
		fprintf(f, "%s\n    { \"name\": ", separator);
		separator = ",";
		string_or_null(f, ktap_path(k, (int)i, path, sizeof(path)));
		fprintf(f, ", \"status\": \"%s\", \"line\": %llu", status[n->status],
			(unsigned long long)n->line_nr);
		if (n->diagnostic) {
			fputs(", \"diagnostic\": ", f);
			string_or_null(f, n->diagnostic);
		}
		fputs(" }", f);
	}
	fputs("] }", f);
}

void outcome_json(FILE *f, const struct outcome *o)
{
	fprintf(f, "{\n  \"schema\": \"%s\"", SCHEMA);
	member(f, "verdict", outcome_verdict_name(o->verdict->kind));
	fprintf(f, ",\n  \"good\": %s", outcome_is_good(o) ? "true" : "false");
	number(f, "exit_code", (uint64_t)verdict_exit_code(o->verdict));
	member(f, "text", o->verdict->text);
	member(f, "hint", o->verdict->hint[0] ? o->verdict->hint : NULL);
	started(f, o->started_s);
	number(f, "duration_ms", o->duration_ms);
	member(f, "name", o->name);
	member(f, "kernel", o->kernel);
	member(f, "params", o->params);
	number(f, "cpus", o->nr_cpus);
	number(f, "mem_bytes", o->mem_bytes);
	command(f, o);
	number(f, "console_bytes", o->console_bytes);
	number(f, "console_lines", o->console_lines);
	number(f, "kernel_reports", o->nr_kernel_reports);
	expectations(f, o->expect);
	failures(f, o);
	if (o->ktap)
		tests(f, o->ktap);
	fputs(",\n  \"console_tail\": ", f);
	quote_json(f, o->tail ? o->tail : "", o->tail ? o->tail_len : 0);
	fputs("\n}\n", f);
}
