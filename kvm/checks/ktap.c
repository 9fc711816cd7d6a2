/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads KTAP, in which a test's result comes after the results of its subtests.
 *
 * - Results are nodes of one array, in the order in which they come. A result at a level closes all
 *   deeper levels and becomes the parent of their results.
 * - A version line opens a level; "# Subtest:" or a plan also opens a deeper one, as in kernels
 *   before 6.3.
 * - Outside of any level no line is a result. The top level ends when all planned results have
 *   come, because what the kernel prints next is not about tests.
 *
 * Each line takes time proportional to its length. A result looks at each node of its subtests at
 * most KTAP_MAX_DEPTH times in all.
 */
#include "ktap.h"

#include "kvm/base/grow.h"
#include "lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool ktap_is_bad(enum ktap_status status)
{
	return status == KTAP_FAILED || status == KTAP_ENDED;
}

static bool starts(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static bool is_version(const char *p)
{
	return starts(p, "KTAP version ") || starts(p, "TAP version ");
}

static bool has_hashed(const struct ktap *k, unsigned int indent)
{
	for (unsigned int i = 0; i < k->nr_levels; i++) {
		if (k->level[i].hashed && k->level[i].indent == indent)
			return true;
	}
	return false;
}

/* Returns what follows the indentation. A "# " belongs to it if a level was opened after one. */
static const char *unindent(const struct ktap *k, const char *p, unsigned int *indent, bool *hashed)
{
	unsigned int column = 0;

	*hashed = false;
	for (;;) {
		size_t spaces = strspn(p, " ");

		p += spaces;
		column += (unsigned int)spaces;
		if (!starts(p, "# ") ||
		    !(has_hashed(k, column + 2) || is_version(p + 2 + strspn(p + 2, " "))))
			break;
		*hashed = true;
		column += 2;
		p += 2;
	}
	*indent = column;
	return p;
}

static void forget_diagnostic(struct ktap *k)
{
	k->diagnostic_len = 0;
}

/* Remembers the newest lines, which are nearest to the result. */
static void remember(struct ktap *k, const char *line)
{
	size_t len = strlen(line) + 1;

	while (k->diagnostic_len && KTAP_DIAGNOSTIC_BYTES - k->diagnostic_len < len) {
		char *end = memchr(k->diagnostic, '\n', k->diagnostic_len);
		size_t first = (size_t)(end - k->diagnostic) + 1;

		k->diagnostic_len -= first;
		memmove(k->diagnostic, end + 1, k->diagnostic_len);
	}
	if (len > KTAP_DIAGNOSTIC_BYTES)
		return;
	memcpy(k->diagnostic + k->diagnostic_len, line, len - 1);
	k->diagnostic[k->diagnostic_len + len - 1] = '\n';
	k->diagnostic_len += len;
}

/* Returns NULL if there is no memory or there are too many nodes. */
static struct ktap_node *new_node(struct ktap *k)
{
	struct ktap_node *node = NULL;

	if (k->nr_nodes < KTAP_MAX_NODES)
		node = grow_array(k->node, &k->room, k->nr_nodes + 1U, sizeof(*node));
	if (!node)
		return NULL;
	k->node = node;
	k->node[k->nr_nodes] = (struct ktap_node){ .parent = -1 };
	return &k->node[k->nr_nodes++];
}

static void adopt(struct ktap *k, struct ktap_node *parent, unsigned int first)
{
	int self = (int)(parent - k->node);

	for (unsigned int i = first; i < (unsigned int)self; i++) {
		if (k->node[i].parent >= 0)
			continue;
		k->node[i].parent = self;
		parent->has_children = true;
		if (ktap_is_bad(k->node[i].status) || k->node[i].child_failed)
			parent->child_failed = true;
	}
}

/* Adds a result whose subtests are the nodes from @first on. */
static void add_result(struct ktap *k, unsigned int first, enum ktap_status status,
		       const char *name, size_t len, const char *reason, uint64_t line_nr)
{
	struct ktap_node *n = new_node(k);

	if (!n) {
		k->nr_dropped++;
		k->nr_dropped_bad += ktap_is_bad(status);
		forget_diagnostic(k);
		return;
	}
	n->status = status;
	n->line_nr = line_nr;
	n->name = strndup(name, len < KTAP_NAME_BYTES ? len : KTAP_NAME_BYTES);
	n->reason = reason && *reason ? strndup(reason, KTAP_NAME_BYTES) : NULL;
	if (ktap_is_bad(status) && k->diagnostic_len)
		n->diagnostic = strndup(k->diagnostic, k->diagnostic_len);
	forget_diagnostic(k);
	adopt(k, n, first);
}

static bool is_short(const struct ktap_level *l)
{
	return !l->open_ended && l->seen < l->planned;
}

/*
 * Closes the deepest level. Its parent has no result, so the level has failed if something is
 * missing.
 */
static void close_unfinished(struct ktap *k, uint64_t line_nr)
{
	struct ktap_level *l = &k->level[--k->nr_levels];

	if (!is_short(l) && !(k->nr_levels && l->name[0]))
		return;
	if (!l->name[0])
		snprintf(l->name, sizeof(l->name), "%s", k->nr_levels ? "subtests" : "tests");
	/* The top level has no suite to which its nodes belong. */
	add_result(k, k->nr_levels ? l->first : k->nr_nodes, KTAP_ENDED, l->name, strlen(l->name),
		   NULL, line_nr);
}

/* Closes the deepest level; this line is its parent's result. Returns the level's first node. */
static unsigned int close_finished(struct ktap *k, uint64_t line_nr)
{
	struct ktap_level *l = &k->level[--k->nr_levels];

	if (is_short(l))
		add_result(k, k->nr_nodes, KTAP_ENDED, "missing results", 15, NULL, line_nr);
	return l->first;
}

/* Closes levels deeper than @indent. Returns the level of @indent, or NULL. */
static struct ktap_level *level_at(struct ktap *k, unsigned int indent, uint64_t line_nr)
{
	while (k->nr_levels > 1 && k->level[k->nr_levels - 1].indent > indent)
		close_unfinished(k, line_nr);
	return k->nr_levels && k->level[k->nr_levels - 1].indent == indent
		       ? &k->level[k->nr_levels - 1]
		       : NULL;
}

static struct ktap_level *open_level(struct ktap *k, unsigned int indent, bool hashed)
{
	struct ktap_level *l;

	if (k->nr_levels == KTAP_MAX_DEPTH)
		return NULL;
	l = &k->level[k->nr_levels++];
	*l = (struct ktap_level){
		.indent = indent, .hashed = hashed, .open_ended = true, .first = k->nr_nodes
	};
	return l;
}

/*
 * A version line opens a new level, or is the first line of the one that "# Subtest:" has opened.
 */
static void on_version(struct ktap *k, unsigned int indent, bool hashed, uint64_t line_nr)
{
	struct ktap_level *l;

	while (k->nr_levels && k->level[k->nr_levels - 1].indent > indent)
		close_unfinished(k, line_nr);
	l = level_at(k, indent, line_nr);
	if (l && (l->seen || !l->open_ended))
		close_unfinished(k, line_nr);
	else if (l)
		return;
	open_level(k, indent, hashed);
}

/* Returns the level for a line at @indent; opens it if no version line has done so. */
static struct ktap_level *level_for(struct ktap *k, unsigned int indent, bool hashed,
				    uint64_t line_nr)
{
	struct ktap_level *l = level_at(k, indent, line_nr);

	if (l || !k->nr_levels || indent < k->level[k->nr_levels - 1].indent)
		return l;
	return open_level(k, indent, hashed);
}

static void on_plan(struct ktap_level *l, const char *p)
{
	l->open_ended = false;
	l->planned = strtoull(p + 3, NULL, 10);
}

/*
 * Finds where the name in "name # SKIP reason" ends. Returns the status that the directive makes of
 * the result.
 */
static enum ktap_status directive(const char *p, enum ktap_status status, size_t *len,
				  const char **reason)
{
	const char *hash = strstr(p, " # ");
	const char *word = hash ? hash + 3 : starts(p, "# ") ? p + 2 : NULL;
	bool skip = word && !strncasecmp(word, "skip", 4),
	     todo = word && !strncasecmp(word, "todo", 4);

	*len = strlen(p);
	*reason = NULL;
	if (word && (starts(word, "TIMEOUT") || starts(word, "XFAIL") || starts(word, "exit=")))
		*reason = word;
	if (!skip && !todo && !*reason)
		return status;
	*len = (size_t)((hash ? hash : p) - p);
	if (*reason)
		return starts(word, "XFAIL") && status == KTAP_FAILED ? KTAP_TODO : status;
	*reason = word + 4 + strcspn(word + 4, " ");
	*reason += strspn(*reason, " ");
	if (skip)
		return KTAP_SKIPPED;
	return status == KTAP_FAILED ? KTAP_TODO : status;
}

#define MAX_NUMBER 16 /* digits of a test without a name that its name shows */

static void on_result(struct ktap *k, unsigned int first, enum ktap_status status, const char *p,
		      uint64_t line_nr)
{
	const char *number = p, *reason;
	char name[sizeof("test ") + MAX_NUMBER];
	size_t len;

	p += strspn(p, "0123456789");
	p += strspn(p, " ");
	if (starts(p, "- "))
		p += 2;
	status = directive(p, status, &len, &reason);
	if (!len) {
		snprintf(name, sizeof(name), "test %.*s",
			 (int)min_u64(strspn(number, "0123456789"), MAX_NUMBER), number);
		p = name;
		len = strlen(name);
	}
	add_result(k, first, status, p, len, reason, line_nr);
}

static bool result_of(const char *p, enum ktap_status *status, const char **rest)
{
	*status = starts(p, "ok") ? KTAP_OK : KTAP_FAILED;
	*rest = p + (*status == KTAP_OK ? 2 : 6);
	if (*status == KTAP_FAILED && !starts(p, "not ok"))
		return false;
	if (!**rest)
		return true;
	return **rest == ' ' && strspn(*rest + 1, "0123456789") > 0;
}

static bool is_plan(const char *p)
{
	size_t digits = starts(p, "1..") || starts(p, "0..") ? strspn(p + 3, "0123456789") : 0;

	return digits && digits < 10 && (!p[3 + digits] || p[3 + digits] == ' ');
}

/* Returns whether a level has all its planned results. */
static bool is_over(const struct ktap_level *l)
{
	return !l->open_ended && l->seen >= l->planned;
}

static void take_result(struct ktap *k, unsigned int indent, bool hashed, enum ktap_status status,
			const char *rest, uint64_t line_nr)
{
	unsigned int first = k->nr_nodes;
	struct ktap_level *l;

	while (k->nr_levels > 1 && k->level[k->nr_levels - 2].indent > indent)
		close_unfinished(k, line_nr);
	/* The level one deeper held this result's subtests. */
	if (k->nr_levels > 1 && k->level[k->nr_levels - 2].indent == indent)
		first = close_finished(k, line_nr);
	l = level_for(k, indent, hashed, line_nr);
	if (!l)
		return;
	on_result(k, first, status, rest + strspn(rest, " "), line_nr);
	l->seen++;
	if (k->nr_levels == 1 && is_over(l))
		k->nr_levels = 0;
}

void ktap_line(struct ktap *k, const char *line, uint64_t line_nr)
{
	const char *message = lines_message(line), *rest;
	struct ktap_level *l;
	enum ktap_status status;
	unsigned int indent;
	bool hashed;
	const char *p = unindent(k, message, &indent, &hashed);

	if (is_version(p)) {
		on_version(k, indent, hashed, line_nr);
	} else if (!k->nr_levels) {
		return;
	} else if (result_of(p, &status, &rest)) {
		take_result(k, indent, hashed, status, *rest ? rest + 1 : rest, line_nr);
	} else if (is_plan(p)) {
		l = level_for(k, indent, hashed, line_nr);
		if (l)
			on_plan(l, p);
		if (l && is_over(l) && k->nr_levels == 1)
			k->nr_levels = 0;
	} else if (starts(p, "# Subtest: ")) {
		l = level_for(k, indent, hashed, line_nr);
		if (l)
			snprintf(l->name, sizeof(l->name), "%s", p + 11);
	} else if (starts(p, "Bail out!")) {
		k->bailed_out = true;
		remember(k, p);
		ktap_end(k, line_nr);
	} else {
		remember(k, message);
	}
}

void ktap_end(struct ktap *k, uint64_t line_nr)
{
	bool none_missing = true;

	for (unsigned int i = 0; i < k->nr_levels; i++)
		none_missing = none_missing && (k->level[i].open_ended || is_over(&k->level[i]));
	if (k->bailed_out && k->nr_levels && none_missing)
		add_result(k, k->nr_nodes, KTAP_ENDED, "Bail out!", 9, NULL, line_nr);
	while (k->nr_levels)
		close_unfinished(k, line_nr);
	k->bailed_out = false;
}

void ktap_fini(struct ktap *k)
{
	for (unsigned int i = 0; i < k->nr_nodes; i++) {
		free(k->node[i].name);
		free(k->node[i].reason);
		free(k->node[i].diagnostic);
	}
	free(k->node);
	*k = (struct ktap){ 0 };
}

bool ktap_counts(const struct ktap_node *n)
{
	return !n->has_children || (ktap_is_bad(n->status) && !n->child_failed);
}

struct ktap_totals ktap_totals(const struct ktap *k)
{
	struct ktap_totals t = { .first_failed = -1, .failed = k->nr_dropped_bad };

	for (unsigned int i = 0; i < k->nr_nodes; i++) {
		const struct ktap_node *n = &k->node[i];

		if (!ktap_counts(n))
			continue;
		t.passed += n->status == KTAP_OK;
		t.skipped += n->status == KTAP_SKIPPED;
		t.todo += n->status == KTAP_TODO;
		t.failed += ktap_is_bad(n->status);
		if (ktap_is_bad(n->status) && t.first_failed < 0)
			t.first_failed = (int)i;
	}
	t.passed += k->nr_dropped - k->nr_dropped_bad;
	return t;
}

const char *ktap_path(const struct ktap *k, int node, char *to, size_t room)
{
	int chain[KTAP_MAX_DEPTH + 1] = { 0 };
	unsigned int depth = 0;
	size_t len = 0;

	to[0] = '\0';
	for (; node >= 0 && depth <= KTAP_MAX_DEPTH; node = k->node[node].parent)
		chain[depth++] = node;
	while (depth--) {
		const char *name = k->node[chain[depth]].name;
		int n = snprintf(to + len, room - len, "%s%s", len ? "." : "", name ? name : "?");

		if (n < 0 || (size_t)n >= room - len)
			break;
		len += (size_t)n;
	}
	return to;
}
