/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the parser of test results with a hostile console, and the reports of them.
 *
 * The tree stays a bounded tree, and the reports contain no control character and no command from
 * the text.
 */
#include "kvm/checks/kernlog.h"
#include "kvm/checks/ktap.h"
#include "kvm/checks/lines.h"
#include "kvm/checks/outcome.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct ktap ktap;
	uint64_t nr;
};

static void on_line(void *ctx, const char *text, size_t len)
{
	struct run *r = ctx;

	(void)len;
	ktap_line(&r->ktap, text, ++r->nr);
}

static void check_tree(const struct ktap *k)
{
	struct ktap_totals t = ktap_totals(k);

	if (k->nr_nodes > KTAP_MAX_NODES || k->nr_levels)
		abort();
	for (unsigned int i = 0; i < k->nr_nodes; i++) {
		if (k->node[i].parent >= 0 && ((unsigned int)k->node[i].parent <= i ||
					       (unsigned int)k->node[i].parent >= k->nr_nodes))
			abort();
	}
	if (t.failed > k->nr_dropped && t.first_failed < 0)
		abort();
}

static char *render(const struct outcome *o, void (*writer)(FILE *f, const struct outcome *o))
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort();
	writer(f, o);
	if (fclose(f) || strlen(text) != len)
		abort();
	return text;
}

static void github(FILE *f, const struct outcome *o)
{
	outcome_annotate(f, o, OUTCOME_GITHUB);
}

/* Counts the lines that GitHub's runner would execute as commands: three are ours. */
static unsigned int count_commands(const char *text)
{
	unsigned int nr = 0;

	while (*text) {
		nr += !strncmp(text + strspn(text, " \t"), "::", 2);
		text += strcspn(text, "\n");
		text += *text != '\0';
	}
	return nr;
}

static void check_reports(const struct ktap *k, const uint8_t *data, size_t size)
{
	struct verdict v = { .kind = VERDICT_FAILED, .text = "a test failed" };
	struct outcome o = {
		.verdict = &v, .ktap = k, .tail = (const char *)data, .tail_len = size
	};
	char *json = render(&o, outcome_json), *junit = render(&o, outcome_junit),
	     *tap = render(&o, outcome_tap);
	char *ci = render(&o, github);

	for (const char *p = json; *p; p++) {
		if ((uint8_t)*p < ' ' && *p != '\n')
			abort();
	}
	for (const char *p = junit; *p; p++) {
		if ((uint8_t)*p < ' ' && *p != '\n' && *p != '\t')
			abort();
	}
	if (count_commands(ci) != 3 || strstr(ci, "##["))
		abort();
	free(json);
	free(junit);
	free(tap);
	free(ci);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run r = { 0 };
	struct lines l = { .line = on_line, .ctx = &r };

	lines_feed(&l, data, size);
	lines_end(&l);
	ktap_end(&r.ktap, r.nr);
	check_tree(&r.ktap);
	check_reports(&r.ktap, data, size);
	ktap_fini(&r.ktap);
	return 0;
}
