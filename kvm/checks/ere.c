/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Compiles extended regular expressions to programs for a machine that is in many places at once,
 * and runs these (Thompson's construction).
 *
 * The parser emits instructions as it reads. What an operator repeats or offers as an alternative
 * is the block of instructions that was emitted last; jumps are relative, so a block can be moved
 * and copied. The matcher keeps the list of places where the machine may be, each at most once, and
 * moves all of them with each byte of the line.
 */
#include "ere.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PROGRAM 4096
#define MAX_SETS 256
#define MAX_DEPTH 50
#define MAX_REPEATS 32767 /* RE_DUP_MAX */
#define NO_LIMIT (MAX_REPEATS + 1)

enum op { BYTE, ANY, SET, SPLIT, JUMP, ASSERT, MATCH };

struct insn {
	uint8_t op;
	uint8_t byte; /* BYTE: this one; ASSERT: '^', '$', 'b', 'B', '<' or '>' */
	/* SET: its number; SPLIT, JUMP: where to go, relative to this one; SPLIT also goes on */
	int16_t to;
};

struct set {
	uint64_t bits[4];
};

struct ere {
	unsigned int nr, nr_sets;
	struct insn *program;
	struct set *sets;
	/* of the matcher: the places now and after the next byte, those still to follow, and the
	 * time when each was listed last */
	uint16_t *now, *next, *follow;
	uint32_t *listed;
	uint32_t time;
};

/* ---- bytes ---- */

static bool is_word(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '_';
}

static bool in_class(const char *name, int c)
{
	bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z',
	     digit = c >= '0' && c <= '9', graph = c > ' ' && c < 0x7f;
	const struct {
		const char *name;
		bool has;
	} classes[] = {
		{ "alpha", upper || lower },
		{ "upper", upper },
		{ "lower", lower },
		{ "digit", digit },
		{ "xdigit", digit || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f') },
		{ "alnum", upper || lower || digit },
		{ "punct", graph && !upper && !lower && !digit },
		{ "graph", graph },
		{ "print", graph || c == ' ' },
		{ "space", c == ' ' || (c >= '\t' && c <= '\r') },
		{ "blank", c == ' ' || c == '\t' },
		{ "cntrl", (c >= 0 && c < ' ') || c == 0x7f },
	};

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		if (!strcmp(name, classes[i].name))
			return c < 0 || classes[i].has;
	}
	return false;
}

static void set_add(struct set *s, unsigned int c)
{
	s->bits[c / 64] |= 1ULL << c % 64;
}

static bool set_has(const struct set *s, unsigned char c)
{
	return s->bits[c / 64] >> c % 64 & 1;
}

/* ---- emitting ---- */

struct parser {
	struct ere *e;
	const char *at;
	const char *why; /* the first error */
	unsigned int depth;
};

static bool refuse(struct parser *p, const char *why)
{
	if (!p->why)
		p->why = why;
	return false;
}

/* Makes a hole of @nr instructions at @place. */
static struct insn *make_room(struct parser *p, unsigned int place, unsigned int nr)
{
	struct ere *e = p->e;

	if (nr > MAX_PROGRAM - e->nr) {
		refuse(p, "too long, or repeats too much");
		return NULL;
	}
	memmove(e->program + place + nr, e->program + place, (e->nr - place) * sizeof(*e->program));
	e->nr += nr;
	return e->program + place;
}

static bool put(struct parser *p, unsigned int place, struct insn insn)
{
	struct insn *room = make_room(p, place, 1);

	if (room)
		*room = insn;
	return room;
}

static bool emit(struct parser *p, struct insn insn)
{
	return put(p, p->e->nr, insn);
}

static bool emit_set(struct parser *p, const struct set *s, bool inverted)
{
	struct ere *e = p->e;

	if (e->nr_sets == MAX_SETS)
		return refuse(p, "too many bracket expressions");
	e->sets[e->nr_sets] = *s;
	for (int i = 0; inverted && i < 4; i++)
		e->sets[e->nr_sets].bits[i] = ~s->bits[i];
	return emit(p, (struct insn){ .op = SET, .to = (int16_t)e->nr_sets++ });
}

/* Copies the block of @len instructions at @from to the program's end. */
static bool copy_block(struct parser *p, unsigned int from, unsigned int len)
{
	struct insn *to = make_room(p, p->e->nr, len);

	if (to)
		memcpy(to, p->e->program + from, len * sizeof(*to));
	return to;
}

/* Lets the block from @start on be repeated, or left out. */
static bool star(struct parser *p, unsigned int start)
{
	int len = (int)(p->e->nr - start);

	return put(p, start, (struct insn){ .op = SPLIT, .to = (int16_t)(len + 2) }) &&
	       emit(p, (struct insn){ .op = JUMP, .to = (int16_t) - (len + 1) });
}

static bool optional(struct parser *p, unsigned int start)
{
	int len = (int)(p->e->nr - start);

	return put(p, start, (struct insn){ .op = SPLIT, .to = (int16_t)(len + 1) });
}

/* Lets the last @len instructions be repeated. */
static bool plus(struct parser *p, unsigned int len)
{
	return emit(p, (struct insn){ .op = SPLIT, .to = (int16_t) - (int)len });
}

/* Repeats the block from @start on: X{2,4} is XXX?X?, and X{2,} is XX+. */
static bool repeat(struct parser *p, unsigned int start, unsigned int min, unsigned int max)
{
	unsigned int len = p->e->nr - start, block = start;
	bool ok = true;

	if (!max) {
		p->e->nr = start;
		return true;
	}
	if (!min && max == NO_LIMIT)
		return star(p, start);
	for (unsigned int i = 1; ok && i < min; i++)
		ok = copy_block(p, block, len);
	if (max == NO_LIMIT)
		return ok && plus(p, len);
	if (ok && !min) {
		ok = optional(p, start);
		block++;
	}
	for (unsigned int i = min ? min : 1; ok && i < max; i++) {
		unsigned int copy = p->e->nr;

		ok = copy_block(p, block, len) && optional(p, copy);
	}
	return ok;
}

/* ---- parsing: brackets (9.3.5) ---- */

/* Reads the name in [:NAME:], [=NAME=] or [.NAME.]; @p->at is at its kind. */
static bool read_name(struct parser *p, char name[8])
{
	char kind = *p->at++;
	size_t len = 0;

	while (p->at[len] && !(p->at[len] == kind && p->at[len + 1] == ']')) {
		if (++len == 8)
			return refuse(p, "unknown name in brackets");
	}
	if (!p->at[len])
		return refuse(p, "[ without ]");
	memcpy(name, p->at, len);
	name[len] = '\0';
	p->at += len + 2;
	return true;
}

/* A byte, also as [=b=] or [.b.]; -1: a whole class was added to @s; -2: an error. */
static int read_element(struct parser *p, struct set *s)
{
	char kind, name[8];

	if (!*p->at) {
		refuse(p, "[ without ]");
		return -2;
	}
	if (*p->at != '[' || !strchr(":=.", p->at[1]) || !p->at[1])
		return (unsigned char)*p->at++;
	kind = *++p->at;
	if (!read_name(p, name))
		return -2;
	if (kind != ':' && strlen(name) == 1)
		return (unsigned char)name[0];
	if (kind != ':' || !in_class(name, -1)) {
		refuse(p, "unknown name in brackets");
		return -2;
	}
	for (int c = 0; c < 256; c++) {
		if (in_class(name, c))
			set_add(s, (unsigned int)c);
	}
	return -1;
}

/* Adds an element or a range; a '-' that is neither first nor last makes a range. */
static bool read_range(struct parser *p, struct set *s, bool first)
{
	int from, to;

	if (*p->at == '-' && !first && p->at[1] != ']')
		return refuse(p, "invalid range in brackets");
	from = to = read_element(p, s);
	if (from == -2)
		return false;
	if (*p->at == '-' && p->at[1] != ']') {
		p->at++;
		to = read_element(p, s);
		if (to == -2)
			return false;
		if (from < 0 || to < from)
			return refuse(p, "invalid range in brackets");
	}
	for (int c = from; c >= 0 && c <= to; c++)
		set_add(s, (unsigned int)c);
	return true;
}

static bool parse_brackets(struct parser *p)
{
	struct set s = { { 0 } };
	bool inverted = *p->at == '^', first = true;

	p->at += inverted;
	for (; first || *p->at != ']'; first = false) {
		if (!read_range(p, &s, first))
			return false;
	}
	p->at++;
	return emit_set(p, &s, inverted);
}

/* ---- parsing: the rest (9.4) ---- */

static bool parse_escape(struct parser *p)
{
	char c = *p->at++;
	struct set s = { { 0 } };

	switch (c) {
	case '\0':
		return refuse(p, "a backslash at the end");
	case '1' ... '9':
		return refuse(p, "back-references are not supported");
	case 'w':
	case 'W':
	case 's':
	case 'S':
		for (int i = 0; i < 256; i++) {
			if (c == 'w' || c == 'W' ? is_word(i) : in_class("space", i))
				set_add(&s, (unsigned int)i);
		}
		return emit_set(p, &s, c == 'W' || c == 'S');
	case '`':
		return emit(p, (struct insn){ .op = ASSERT, .byte = '^' });
	case '\'':
		return emit(p, (struct insn){ .op = ASSERT, .byte = '$' });
	case 'b':
	case 'B':
	case '<':
	case '>':
		return emit(p, (struct insn){ .op = ASSERT, .byte = (uint8_t)c });
	default:
		return emit(p, (struct insn){ .op = BYTE, .byte = (uint8_t)c });
	}
}

static bool is_assertion(const char *at)
{
	return *at == '^' || *at == '$' || (*at == '\\' && at[1] && strchr("bB<>`'", at[1]));
}

static bool parse_alternatives(struct parser *p);

static bool parse_group(struct parser *p)
{
	if (++p->depth > MAX_DEPTH)
		return refuse(p, "too many nested parentheses");
	if (!parse_alternatives(p))
		return false;
	p->depth--;
	return *p->at++ == ')' ? true : refuse(p, "( without )");
}

static bool parse_atom(struct parser *p)
{
	char c = *p->at++;

	switch (c) {
	case '(':
		return parse_group(p);
	case '[':
		return parse_brackets(p);
	case '\\':
		return parse_escape(p);
	case '.':
		return emit(p, (struct insn){ .op = ANY });
	case '^':
	case '$':
		return emit(p, (struct insn){ .op = ASSERT, .byte = (uint8_t)c });
	case '*':
	case '+':
	case '?':
	case '{':
		return refuse(p, "nothing to repeat");
	default:
		return emit(p, (struct insn){ .op = BYTE, .byte = (uint8_t)c });
	}
}

/* Returns the number at @p->at, or @otherwise if there is none. */
static unsigned int read_number(struct parser *p, unsigned int otherwise)
{
	unsigned int n = 0;

	if (*p->at < '0' || *p->at > '9')
		return otherwise;
	for (; *p->at >= '0' && *p->at <= '9'; p->at++)
		n = n > MAX_REPEATS ? n : 10 * n + (unsigned int)(*p->at - '0');
	return n > MAX_REPEATS ? NO_LIMIT + 1 : n;
}

/* Reads {N}, {N,}, {,M} or {N,M} behind its brace. */
static bool parse_interval(struct parser *p, unsigned int start)
{
	unsigned int min = read_number(p, NO_LIMIT), max = min;

	if (*p->at == ',') {
		p->at++;
		max = read_number(p, NO_LIMIT);
		if (min == NO_LIMIT)
			min = 0;
	}
	if (*p->at != '}' || min > MAX_REPEATS || max > NO_LIMIT || min > max)
		return refuse(p, "invalid interval in braces");
	p->at++;
	return repeat(p, start, min, max);
}

static bool parse_repeats(struct parser *p, unsigned int start)
{
	bool ok = true;

	while (ok && *p->at && strchr("*+?{", *p->at)) {
		switch (*p->at++) {
		case '*':
			ok = star(p, start);
			break;
		case '+':
			ok = repeat(p, start, 1, NO_LIMIT);
			break;
		case '?':
			ok = optional(p, start);
			break;
		default:
			ok = parse_interval(p, start);
		}
	}
	return ok;
}

/* A branch is nothing or atoms; ends at '|', the end, and at the ')' of a group. */
static bool parse_branch(struct parser *p)
{
	while (*p->at && *p->at != '|' && !(*p->at == ')' && p->depth)) {
		unsigned int start = p->e->nr;
		bool assertion = is_assertion(p->at);

		if (!parse_atom(p) || (!assertion && !parse_repeats(p, start)))
			return false;
	}
	return true;
}

/* A|B is SPLIT to B; A; JUMP behind B; B. */
static bool parse_alternatives(struct parser *p)
{
	unsigned int start = p->e->nr;

	if (!parse_branch(p))
		return false;
	while (*p->at == '|') {
		unsigned int second;
		int len = (int)(p->e->nr - start);

		p->at++;
		if (!put(p, start, (struct insn){ .op = SPLIT, .to = (int16_t)(len + 2) }) ||
		    !emit(p, (struct insn){ .op = JUMP }))
			return false;
		second = p->e->nr;
		if (!parse_branch(p))
			return false;
		p->e->program[second - 1].to = (int16_t)(p->e->nr - second + 1);
	}
	return true;
}

/* ---- matching ---- */

static bool holds(uint8_t assertion, const char *line, size_t at)
{
	bool before = at && is_word((unsigned char)line[at - 1]),
	     after = is_word((unsigned char)line[at]);

	switch (assertion) {
	case '^':
		return !at;
	case '$':
		return !line[at];
	case 'b':
		return before != after;
	case 'B':
		return before == after;
	case '<':
		return !before && after;
	default:
		return before && !after;
	}
}

/*
 * Lists the places that can be reached from @place without a further byte. Returns whether one is
 * the end. Each place is listed once for each position in the line, so @follow has room.
 */
static bool list_places(struct ere *e, uint16_t *list, unsigned int *nr, unsigned int place,
			const char *line, size_t at)
{
	unsigned int nr_follow = 0;
	bool found = false;

	e->follow[nr_follow++] = (uint16_t)place;
	while (nr_follow) {
		unsigned int i = e->follow[--nr_follow];
		const struct insn *insn = &e->program[i];

		if (e->listed[i] == e->time)
			continue;
		e->listed[i] = e->time;
		if (insn->op == JUMP || insn->op == SPLIT)
			e->follow[nr_follow++] = (uint16_t)((int)i + insn->to);
		if (insn->op == SPLIT || (insn->op == ASSERT && holds(insn->byte, line, at)))
			e->follow[nr_follow++] = (uint16_t)(i + 1);
		if (insn->op <= SET)
			list[(*nr)++] = (uint16_t)i;
		found |= insn->op == MATCH;
	}
	return found;
}

static bool takes(const struct ere *e, const struct insn *insn, char byte)
{
	if (insn->op == SET)
		return set_has(&e->sets[insn->to], (unsigned char)byte);
	return insn->op == ANY || insn->byte == (uint8_t)byte;
}

/* Begins a new time; the oldest marks must not be taken for it when the counter is full. */
static void next_time(struct ere *e)
{
	if (!++e->time) {
		memset(e->listed, 0, e->nr * sizeof(*e->listed));
		e->time = 1;
	}
}

bool ere_matches(struct ere *e, const char *line)
{
	unsigned int nr = 0, nr_next;

	next_time(e);
	for (size_t at = 0;; at++) {
		uint16_t *list = e->now;

		if (list_places(e, list, &nr, 0, line, at))
			return true;
		if (!line[at])
			return false;
		next_time(e);
		nr_next = 0;
		for (unsigned int i = 0; i < nr; i++) {
			if (takes(e, &e->program[list[i]], line[at]) &&
			    list_places(e, e->next, &nr_next, list[i] + 1U, line, at + 1))
				return true;
		}
		e->now = e->next;
		e->next = list;
		nr = nr_next;
	}
}

/* ---- making one ---- */

void ere_free(struct ere *e)
{
	if (!e)
		return;
	free(e->program);
	free(e->sets);
	free(e->now);
	free(e->next);
	free(e->follow);
	free(e->listed);
	free(e);
}

/* Takes back the memory that the parser had for the longest program. */
static int fit(struct ere *e)
{
	void *program = realloc(e->program, e->nr * sizeof(*e->program));

	if (program)
		e->program = program;
	e->now = calloc(e->nr, sizeof(*e->now));
	e->next = calloc(e->nr, sizeof(*e->next));
	e->follow = calloc(e->nr + 1, sizeof(*e->follow));
	e->listed = calloc(e->nr, sizeof(*e->listed));
	return e->now && e->next && e->follow && e->listed ? 0 : -ENOMEM;
}

int ere_compile(struct ere **out, const char *pattern, const char **why)
{
	struct ere *e = calloc(1, sizeof(*e));
	struct parser p = { .e = e, .at = pattern };
	int err = -ENOMEM;

	*why = "out of memory";
	*out = NULL;
	if (!e)
		return err;
	e->program = calloc(MAX_PROGRAM, sizeof(*e->program));
	e->sets = calloc(MAX_SETS, sizeof(*e->sets));
	if (e->program && e->sets) {
		err = parse_alternatives(&p) && emit(&p, (struct insn){ .op = MATCH }) ? fit(e)
										       : -EINVAL;
		*why = p.why ? p.why : *why;
	}
	if (err) {
		ere_free(e);
		return err;
	}
	*out = e;
	return 0;
}
