/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints a listing as text or as JSON; see listing.h.
 *
 * In text a group's members are indented under its name, and each element of a list begins with a
 * dash.
 *
 * Thread: main.
 */
#include "listing.h"

#include <inttypes.h>

#define INDENT "  "

static void indent(const struct listing *l)
{
	for (unsigned int i = 0; i < l->depth; i++)
		fputs(INDENT, l->f);
}

static void json_text(FILE *f, const char *text)
{
	fputc('"', f);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c < 0x7f ? c : '?', f);
	}
	fputc('"', f);
}

/* Prints everything that comes before a value. */
static void begin(struct listing *l, const char *name)
{
	if (l->json && !l->empty)
		fputc(',', l->f);
	if (l->json)
		fputc('\n', l->f);
	l->empty = false;
	indent(l);
	if (!l->json) {
		fprintf(l->f, "%s", name ? name : "-");
	} else if (name) {
		json_text(l->f, name);
		fputs(": ", l->f);
	}
}

void listing_open(struct listing *l, FILE *f, bool json)
{
	*l = (struct listing){ .f = f, .json = json, .depth = json, .empty = true };
	if (json)
		fputc('{', f);
}

void listing_close(struct listing *l)
{
	if (l->json)
		fputs("\n}\n", l->f);
}

static void open_nested(struct listing *l, const char *name, const char *bracket)
{
	begin(l, name);
	fputs(l->json ? bracket : "\n", l->f);
	l->depth++;
	l->empty = true;
}

void listing_group(struct listing *l, const char *name)
{
	open_nested(l, name, "{");
}

void listing_list(struct listing *l, const char *name)
{
	open_nested(l, name, "[");
}

void listing_end(struct listing *l, bool is_list)
{
	l->depth--;
	l->empty = false;
	if (!l->json)
		return;
	fputc('\n', l->f);
	indent(l);
	fputc(is_list ? ']' : '}', l->f);
}

static void plain(struct listing *l, const char *name, const char *value)
{
	begin(l, name);
	if (l->json)
		fputs(value, l->f);
	else
		fprintf(l->f, "%s %s\n", name ? ":" : "", value);
}

void listing_text(struct listing *l, const char *name, const char *text)
{
	if (!l->json || !text) {
		plain(l, name, text ? text : l->json ? "null" : "none");
		return;
	}
	begin(l, name);
	json_text(l->f, text);
}

void listing_number(struct listing *l, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	plain(l, name, text);
}

void listing_hex(struct listing *l, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), l->json ? "\"0x%" PRIx64 "\"" : "0x%" PRIx64, value);
	plain(l, name, text);
}
