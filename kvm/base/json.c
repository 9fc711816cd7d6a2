/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parses JSON by recursive descent over a copy of the text.
 *
 *  - Strings are decoded in place, because no escape is shorter than what it stands for, and end
 *    with a NUL in the place of their quotation mark.
 *  - Nodes are in one array and refer to each other by index, so that the array may move as it
 *    grows.
 *  - Depth and number are bounded, and every byte is read once.
 */
#include "json.h"

#include "grow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct parser {
	struct json *j;
	char *p, *end; /* *end is 0 */
	unsigned int depth, line;
};

static int parse_value(struct parser *s, unsigned int *index);

static int fail(struct parser *s, const char *why)
{
	s->j->why = why;
	s->j->line = s->line;
	return -EINVAL;
}

/* No line can end elsewhere. */
static void skip_space(struct parser *s)
{
	for (; s->p < s->end && *s->p && strchr(" \t\r\n", *s->p); s->p++)
		s->line += *s->p == '\n';
}

static int add_node(struct parser *s, unsigned int *index)
{
	struct json *j = s->j;
	struct json_node *node;

	if (j->nr == JSON_MAX_NODES)
		return fail(s, "there are too many values");
	node = grow_array(j->node, &j->room, j->nr + 1U, sizeof(*node));
	if (!node)
		return -ENOMEM;
	j->node = node;
	*index = j->nr++;
	j->node[*index] = (struct json_node){ 0 };
	return 0;
}

/* ---- strings --------------------------------------------------------------------------- */

/* Returns the value of four hexadecimal digits at @p, or -1 if they are not. */
static int hex4(const char *p)
{
	int value = 0;

	for (int i = 0; i < 4; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *digit =
			p[i] ? strchr(digits, p[i] >= 'A' && p[i] <= 'F' ? p[i] | 0x20 : p[i])
			     : NULL;

		if (!digit)
			return -1;
		value = value << 4 | (int)(digit - digits);
	}
	return value;
}

static char *put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

/*
 * Decodes what follows "\u". A pair of surrogates is one character; half of one, and NUL, become
 * U+FFFD. Returns NULL if these are not four digits.
 */
static char *put_unicode(struct parser *s, char *to)
{
	int c = hex4(s->p), low;

	if (c < 0)
		return NULL;
	s->p += 4;
	if (c >= 0xd800 && c < 0xdc00 && s->p[0] == '\\' && s->p[1] == 'u') {
		low = hex4(s->p + 2);
		if (low >= 0xdc00 && low < 0xe000) {
			s->p += 6;
			return put_utf8(to, 0x10000U + ((uint32_t)(c - 0xd800) << 10) +
						    (uint32_t)(low - 0xdc00));
		}
	}
	return put_utf8(to, !c || (c >= 0xd800 && c < 0xe000) ? 0xfffd : (uint32_t)c);
}

static char *put_escaped(struct parser *s, char *to)
{
	static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const char *letter;

	if (*s->p == 'u') {
		s->p++;
		return put_unicode(s, to);
	}
	letter = *s->p ? strchr(letters, *s->p) : NULL;
	if (!letter)
		return NULL;
	s->p++;
	*to = meant[letter - letters];
	return to + 1;
}

static int parse_string(struct parser *s, const char **text)
{
	char *to = ++s->p;

	*text = to;
	while (s->p < s->end && *s->p != '"') {
		if ((unsigned char)*s->p < ' ')
			return fail(s, "a control character in a string");
		if (*s->p != '\\') {
			*to++ = *s->p++;
			continue;
		}
		s->p++;
		to = put_escaped(s, to);
		if (!to)
			return fail(s, "an unknown escape after a backslash");
	}
	if (s->p == s->end)
		return fail(s, "a string that does not end");
	s->p++;
	*to = '\0';
	return 0;
}

/* ---- the rest --------------------------------------------------------------------------- */

static size_t digits(const char *p)
{
	return strspn(p, "0123456789");
}

static int parse_number(struct parser *s, struct json_node *n)
{
	char *from = s->p, *end = from + (*from == '-');
	size_t nr = digits(end);
	bool whole = true;

	if (!nr || (*end == '0' && nr > 1))
		return fail(s, "not a number");
	end += nr;
	if (*end == '.') {
		nr = digits(++end);
		end += nr;
		whole = false;
	}
	if (nr && (*end == 'e' || *end == 'E')) {
		end += 1 + (end[1] == '+' || end[1] == '-');
		nr = digits(end);
		end += nr;
		whole = false;
	}
	if (!nr)
		return fail(s, "not a number");
	n->type = JSON_NUMBER;
	errno = 0;
	n->number = whole && *from != '-' ? strtoull(from, NULL, 10) : 0;
	n->is_uint = whole && *from != '-' && !errno;
	s->p = end;
	return 0;
}

static bool takes(struct parser *s, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(s->p, word, len) != 0)
		return false;
	s->p += len;
	return true;
}

static int parse_word(struct parser *s, struct json_node *n)
{
	if (takes(s, "null"))
		return 0;
	n->type = JSON_BOOL;
	if (takes(s, "true"))
		n->number = 1;
	else if (!takes(s, "false"))
		return fail(s, "a value is missing or not valid");
	return 0;
}

/* Parses the "key": before a member's value. */
static int parse_key(struct parser *s, const char **key)
{
	int err;

	skip_space(s);
	if (*s->p != '"')
		return fail(s, "a member's name is missing");
	err = parse_string(s, key);
	if (err)
		return err;
	skip_space(s);
	if (*s->p != ':')
		return fail(s, "':' is missing");
	s->p++;
	return 0;
}

static int parse_many(struct parser *s, unsigned int index, char closing)
{
	unsigned int child, last = 0;
	const char *key = NULL;
	int err = 0;

	if (++s->depth > JSON_MAX_DEPTH)
		return fail(s, "it is nested too deeply");
	s->p++;
	skip_space(s);
	if (*s->p == closing)
		goto out;
	for (;; s->p++) {
		if (closing == '}')
			err = parse_key(s, &key);
		if (!err)
			err = parse_value(s, &child);
		if (err)
			return err;
		s->j->node[child].key = key;
		*(last ? &s->j->node[last].next : &s->j->node[index].child) = child;
		last = child;
		skip_space(s);
		if (*s->p == closing)
			break;
		if (*s->p != ',')
			return fail(s, closing == '}' ? "',' or '}' is missing"
						      : "',' or ']' is missing");
	}
out:
	s->p++;
	s->depth--;
	return 0;
}

static int parse_value(struct parser *s, unsigned int *index)
{
	struct json_node *n;
	int err = add_node(s, index);

	if (err)
		return err;
	n = &s->j->node[*index];
	skip_space(s);
	switch (*s->p) {
	case '{':
		n->type = JSON_OBJECT;
		return parse_many(s, *index, '}');
	case '[':
		n->type = JSON_ARRAY;
		return parse_many(s, *index, ']');
	case '"':
		n->type = JSON_STRING;
		return parse_string(s, &n->text);
	default:
		return *s->p == '-' || (*s->p >= '0' && *s->p <= '9') ? parse_number(s, n)
								      : parse_word(s, n);
	}
}

int json_parse(struct json *j, const char *text, size_t len)
{
	struct parser s = { .j = j, .line = 1 };
	unsigned int root;
	int err;

	*j = (struct json){ .text = malloc(len + 1) };
	if (!j->text)
		return -ENOMEM;
	memcpy(j->text, text, len);
	j->text[len] = '\0';
	s.p = j->text;
	s.end = j->text + len;
	err = parse_value(&s, &root);
	if (err)
		return err;
	skip_space(&s);
	return s.p < s.end ? fail(&s, "there is text after its end") : 0;
}

void json_free(struct json *j)
{
	free(j->text);
	free(j->node);
	*j = (struct json){ 0 };
}

const struct json_node *json_first(const struct json *j, const struct json_node *n)
{
	return n && n->child ? &j->node[n->child] : NULL;
}

const struct json_node *json_next(const struct json *j, const struct json_node *n)
{
	return n->next ? &j->node[n->next] : NULL;
}

const struct json_node *json_member(const struct json *j, const struct json_node *object,
				    const char *name)
{
	const struct json_node *n =
		object && object->type == JSON_OBJECT ? json_first(j, object) : NULL;

	while (n && strcmp(n->key, name) != 0)
		n = json_next(j, n);
	return n;
}

const char *json_string(const struct json *j, const struct json_node *object, const char *name)
{
	const struct json_node *n = json_member(j, object, name);

	return n ? n->text : NULL;
}

bool json_uint(const struct json *j, const struct json_node *object, const char *name,
	       uint64_t *value)
{
	const struct json_node *n = json_member(j, object, name);

	if (!n || n->type != JSON_NUMBER || !n->is_uint)
		return false;
	*value = n->number;
	return true;
}

bool json_bool(const struct json *j, const struct json_node *object, const char *name, bool *value)
{
	const struct json_node *n = json_member(j, object, name);

	if (!n || n->type != JSON_BOOL)
		return false;
	*value = n->number;
	return true;
}
