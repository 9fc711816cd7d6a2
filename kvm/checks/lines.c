/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Splits a console's bytes into lines and removes the escape sequences of ECMA-48: ESC [ parameters
 * final; ESC ] text up to BEL or ESC \; and ESC intermediates final. A newline ends each of them,
 * so that a broken sequence costs one line and no more.
 */
#include "lines.h"

#include <string.h>

enum { GROUND, ESCAPE, CSI, STRING, STRING_ESCAPE };

#define ESC 0x1b
#define BEL 0x07

static void end_line(struct lines *l)
{
	l->text[l->len] = '\0';
	l->line(l->ctx, l->text, l->len);
	l->len = 0;
	l->state = GROUND;
}

static void plain(struct lines *l, uint8_t byte)
{
	if (byte == ESC) {
		l->state = ESCAPE;
		return;
	}
	if ((byte < ' ' && byte != '\t') || byte == 0x7f || l->len == LINES_MAX_BYTES)
		return;
	l->text[l->len++] = (char)byte;
}

static unsigned int after_escape(uint8_t byte)
{
	if (byte == '[')
		return CSI;
	if (byte == ']' || byte == 'P' || byte == 'X' || byte == '^' || byte == '_')
		return STRING;
	return byte == ESC || (byte >= ' ' && byte <= '/') ? ESCAPE : GROUND;
}

static unsigned int in_string(unsigned int state, uint8_t byte)
{
	if (byte == BEL || (state == STRING_ESCAPE && byte == '\\'))
		return GROUND;
	return byte == ESC ? STRING_ESCAPE : STRING;
}

void lines_feed(struct lines *l, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = bytes[i];

		if (byte == '\n')
			end_line(l);
		else if (l->state == GROUND)
			plain(l, byte);
		else if (l->state == ESCAPE)
			l->state = after_escape(byte);
		else if (l->state == CSI)
			l->state = byte == ESC ? ESCAPE : byte >= '@' && byte <= '~' ? GROUND : CSI;
		else
			l->state = in_string(l->state, byte);
	}
}

const char *lines_partial(struct lines *l)
{
	l->text[l->len] = '\0';
	return l->text;
}

void lines_end(struct lines *l)
{
	if (l->len)
		end_line(l);
}

static const char *skip_bracket(const char *p, const char *inside)
{
	size_t n;

	if (*p != '[')
		return p;
	n = strspn(p + 1, inside);
	return n && p[n + 1] == ']' ? p + n + 2 : p;
}

const char *lines_message(const char *line)
{
	const char *p = line, *stamp;

	if (*p == '<') {
		size_t n = strspn(p + 1, "0123456789");

		if (n && p[n + 1] == '>')
			p += n + 2;
	}
	stamp = skip_bracket(p, " .0123456789");
	if (stamp == p)
		return p;
	p = skip_bracket(stamp, " TC0123456789");
	return *p == ' ' ? p + 1 : p;
}
