/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes a set of boots as JSON and reads it back, and reads the report of a single run. What is
 * read comes from files, so each number has a limit and each boot its place: only what could be a
 * report of ours becomes a set. docs/report.md has the schemas.
 */
#include "kvm/base/json.h"
#include "kvm/base/quote.h"
#include "smoke.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA "kvm-smoke-report/1"
#define RUN_SCHEMA "kvm-run-report/1"
#define MAX_DURATION_MS 10000000000ULL
#define MAX_ID 255
#define MAX_EXCERPT (64 * KIB)

/* ---- writing --------------------------------------------------------------------------- */

static void member(FILE *f, const char *name, const char *text)
{
	fprintf(f, ",\n      \"%s\": ", name);
	if (text)
		quote_json(f, text, strlen(text));
	else
		fputs("null", f);
}

static void write_boot(FILE *f, const struct smoke_boot *b)
{
	const struct smoke_result *r = &b->result;

	fprintf(f, "    { \"index\": %llu", (unsigned long long)b->index);
	member(f, "id", b->id);
	fprintf(f, ",\n      \"passed\": %s", r->passed ? "true" : "false");
	member(f, "verdict", r->verdict);
	member(f, "text", r->text);
	fprintf(f,
		",\n      \"exit_code\": %llu, \"expected_exit_code\": %llu, \"duration_ms\": %llu, \"round\": %llu",
		(unsigned long long)r->exit_code, (unsigned long long)b->expected,
		(unsigned long long)r->duration_ms, (unsigned long long)b->round);
	member(f, "section", b->section);
	member(f, "kernel", b->kernel);
	member(f, "params", b->params);
	fprintf(f, ",\n      \"cpus\": %llu, \"mem_bytes\": %llu", (unsigned long long)b->cpus,
		(unsigned long long)b->mem_bytes);
	member(f, "command", b->command);
	fprintf(f, ",\n      \"tests\": { \"passed\": %llu, \"failed\": %llu, \"skipped\": %llu }",
		(unsigned long long)r->tests_passed, (unsigned long long)r->tests_failed,
		(unsigned long long)r->tests_skipped);
	member(f, "excerpt", r->excerpt);
	member(f, "console_tail", r->tail);
	fputs(" }", f);
}

void smoke_json(FILE *f, const void *ctx)
{
	const struct smoke_set *set = ctx;
	struct smoke_counts c = smoke_count(set);
	const char *separator = "\n";

	fprintf(f, "{\n  \"schema\": \"%s\",\n  \"file\": ", SCHEMA);
	quote_json(f, set->file, strlen(set->file));
	fprintf(f,
		",\n  \"matrix\": \"%s\",\n  \"total\": %llu,\n  \"rounds\": %llu,\n  \"passed\": %llu,\n  \"failed\": %llu,\n"
		"  \"missing\": %llu,\n  \"boots\": [",
		set->matrix, (unsigned long long)set->total, (unsigned long long)set->rounds,
		(unsigned long long)c.passed, (unsigned long long)c.failed,
		(unsigned long long)c.missing);
	for (unsigned int i = 0; i < set->nr; i++) {
		if (!set->boot[i].result.done)
			continue;
		fputs(separator, f);
		separator = ",\n";
		write_boot(f, &set->boot[i]);
	}
	fputs("\n  ]\n}\n", f);
}

/* ---- reading --------------------------------------------------------------------------- */

static int __attribute__((format(printf, 2, 3))) bad(char why[200], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, 200, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

struct reader {
	const struct json *json;
	const struct json_node *object;
	bool short_of_memory;
	const char *missing; /* the first member that is missing or not valid */
};

static uint64_t take_number(struct reader *r, const char *name, uint64_t max)
{
	uint64_t value = 0;

	if ((!json_uint(r->json, r->object, name, &value) || value > max) && !r->missing)
		r->missing = name;
	return value;
}

/* Returns a copy, which the caller frees. */
static char *take_string(struct reader *r, const char *name)
{
	const char *text = json_string(r->json, r->object, name);
	char *copy = text ? strdup(text) : NULL;

	if (!text && !r->missing)
		r->missing = name;
	r->short_of_memory = r->short_of_memory || (text && !copy);
	return copy;
}

static char *take_string_or_null(struct reader *r, const char *name)
{
	const struct json_node *n = json_member(r->json, r->object, name);

	return n && n->type == JSON_NULL ? NULL : take_string(r, name);
}

static void take_tests(struct reader *r, struct smoke_result *result)
{
	struct reader tests = *r;

	tests.object = json_member(r->json, r->object, "tests");
	result->tests_passed = take_number(&tests, "passed", SIZE_MAX / 4);
	result->tests_failed = take_number(&tests, "failed", SIZE_MAX / 4);
	result->tests_skipped = take_number(&tests, "skipped", SIZE_MAX / 4);
	if (tests.missing && !r->missing)
		r->missing = "tests";
}

static void take_result(struct reader *r, struct smoke_result *result)
{
	result->done = true;
	if (!json_bool(r->json, r->object, "passed", &result->passed) && !r->missing)
		r->missing = "passed";
	result->verdict = take_string(r, "verdict");
	result->text = take_string(r, "text");
	result->exit_code = take_number(r, "exit_code", 255);
	result->duration_ms = take_number(r, "duration_ms", MAX_DURATION_MS);
	result->excerpt = take_string_or_null(r, "excerpt");
	result->tail = take_string_or_null(r, "console_tail");
	take_tests(r, result);
}

static int read_boot(struct smoke_set *set, const struct json *j, const struct json_node *n,
		     char why[200])
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";
	struct reader r = { .json = j, .object = n };
	uint64_t from = set->nr ? set->boot[set->nr - 1].index + 1 : 0;
	struct smoke_boot *b = smoke_add(set);

	if (!b)
		return -ENOMEM;
	b->index = take_number(&r, "index", set->total - 1);
	b->round = take_number(&r, "round", set->rounds);
	b->id = take_string(&r, "id");
	b->section = take_string(&r, "section");
	b->kernel = take_string(&r, "kernel");
	b->params = take_string(&r, "params");
	b->cpus = take_number(&r, "cpus", 4096);
	b->mem_bytes = take_number(&r, "mem_bytes", 1ULL << 45);
	b->expected = take_number(&r, "expected_exit_code", 255);
	b->command = take_string(&r, "command");
	take_result(&r, &b->result);
	if (r.short_of_memory)
		return -ENOMEM;
	if (r.missing)
		return bad(why, "boot number %u: \"%s\" is missing or not valid", set->nr,
			   r.missing);
	if (!*b->id || strlen(b->id) > MAX_ID || strspn(b->id, letters) != strlen(b->id))
		return bad(why, "boot number %u: its \"id\" is not valid", set->nr);
	if (b->index < from || b->round != b->index % set->rounds + 1)
		return bad(why, "boot number %u is not in order", set->nr);
	return 0;
}

static int read_set(struct smoke_set *set, const struct json *j, char why[200])
{
	struct reader r = { .json = j, .object = j->node };
	const char *schema = json_string(j, j->node, "schema"),
		   *matrix = json_string(j, j->node, "matrix");
	const struct json_node *boots = json_member(j, j->node, "boots"), *n;
	int err = 0;

	if (!schema || strcmp(schema, SCHEMA) != 0)
		return bad(why, "not a report of kvm smoke (its schema must be %s)", SCHEMA);
	set->file = take_string(&r, "file");
	set->total = take_number(&r, "total", SMOKE_MAX_BOOTS);
	set->rounds = take_number(&r, "rounds", set->total);
	if (r.short_of_memory)
		return -ENOMEM;
	if (!matrix || strspn(matrix, "0123456789abcdef") != SMOKE_MATRIX_CHARS ||
	    matrix[SMOKE_MATRIX_CHARS])
		r.missing = "matrix";
	else
		memcpy(set->matrix, matrix, SMOKE_MATRIX_CHARS);
	if (!boots || boots->type != JSON_ARRAY)
		r.missing = "boots";
	if (r.missing || !set->rounds)
		return bad(why, "\"%s\" is missing or not valid", r.missing ? r.missing : "rounds");
	for (n = json_first(j, boots); n && !err; n = json_next(j, n))
		err = read_boot(set, j, n, why);
	return err;
}

static int parse(struct json *j, const char *text, size_t len, char why[200])
{
	int err = json_parse(j, text, len);

	return err == -EINVAL ? bad(why, "not JSON: line %u: %s", j->line, j->why) : err;
}

int smoke_read(struct smoke_set *set, const char *text, size_t len, char why[200])
{
	struct json j;
	int err = parse(&j, text, len, why);

	if (!err)
		err = read_set(set, &j, why);
	json_free(&j);
	return err;
}

/* ---- a run's report ------------------------------------------------------------------------ */

static void put(FILE *f, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (!len || (uint64_t)ftell(f) > MAX_EXCERPT)
		return;
	fputs(text, f);
	fputs(text[len - 1] == '\n' ? "" : "\n", f);
}

/*
 * Writes what the report says is wrong: the kernel's reports, forbidden lines, unmet expectations,
 * and tests that failed.
 */
static void put_failures(FILE *f, const struct json *j)
{
	const struct json_node *n;

	for (n = json_first(j, json_member(j, j->node, "failures")); n; n = json_next(j, n)) {
		put(f, json_string(j, n, "title"));
		put(f, json_string(j, n, "excerpt"));
	}
	n = json_first(j, json_member(j, json_member(j, j->node, "tests"), "results"));
	for (; n; n = json_next(j, n)) {
		const char *status = json_string(j, n, "status");

		if (!status || strcmp(status, "failed") != 0)
			continue;
		put(f, json_string(j, n, "name"));
		put(f, json_string(j, n, "diagnostic"));
	}
}

static char *make_excerpt(const struct json *j)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	put_failures(f, j);
	if (fclose(f) || !len) {
		free(text);
		return NULL;
	}
	return text;
}

static char *make_text(const char *line, uint64_t exit_code, uint64_t expected)
{
	char *text;

	if (exit_code == expected || !expected)
		return strdup(line);
	return asprintf(&text, "%s; exit code %llu instead of %llu", line,
			(unsigned long long)exit_code, (unsigned long long)expected) < 0
		       ? NULL
		       : text;
}

int smoke_read_run(struct smoke_result *r, const char *text, size_t len, uint64_t expected)
{
	const char *schema, *verdict, *line;
	char why[200];
	struct json j;
	int err = parse(&j, text, len, why);

	schema = err ? NULL : json_string(&j, j.node, "schema");
	if (!err && (!schema || strcmp(schema, RUN_SCHEMA) != 0))
		err = -EINVAL;
	if (!err) {
		const struct json_node *tests = json_member(&j, j.node, "tests");
		const char *tail = json_string(&j, j.node, "console_tail");

		verdict = json_string(&j, j.node, "verdict");
		line = json_string(&j, j.node, "text");
		r->verdict = strdup(verdict ? verdict : "unknown");
		r->text = make_text(line ? line : "", r->exit_code, expected);
		json_uint(&j, tests, "passed", &r->tests_passed);
		json_uint(&j, tests, "failed", &r->tests_failed);
		json_uint(&j, tests, "skipped", &r->tests_skipped);
		r->excerpt = make_excerpt(&j);
		r->tail = tail ? strdup(tail) : NULL;
		err = r->verdict && r->text ? 0 : -ENOMEM;
	}
	json_free(&j);
	return err;
}
