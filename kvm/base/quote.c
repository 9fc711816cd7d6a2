/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Quotes text for JSON (RFC 8259), XML 1.0 and plain lines. Each byte that is not UTF-8 becomes
 * U+FFFD, and so does each character that XML does not have.
 */
#include "quote.h"

#include "kvm/types.h"

#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

/*
 * Returns how many bytes the character at @p has, or 0 if it is not one by RFC 3629: no surrogates,
 * nothing overlong, nothing beyond U+10FFFF.
 */
static size_t utf8_bytes(const unsigned char *p, size_t left)
{
	unsigned int c, n;

	if (p[0] < 0x80)
		return 1;
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n > left)
		return 0;
	c = p[0] & (0xffU >> (n + 1));
	for (unsigned int i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0;
	if ((c >= 0xd800 && c <= 0xdfff) || c == 0xfffe || c == 0xffff)
		return 0;
	return n;
}

/*
 * Copies characters; those of one byte go through @special, which returns whether it has written
 * them in its own way.
 */
static void quote(FILE *f, const char *text, size_t len, bool (*special)(FILE *f, unsigned char c))
{
	const unsigned char *p = (const unsigned char *)text;

	while (len) {
		size_t n = utf8_bytes(p, len);

		if (!n)
			fputs(REPLACEMENT, f);
		else if (n > 1 || !special(f, *p))
			fwrite(p, 1, n, f);
		n = n ? n : 1;
		p += n;
		len -= n;
	}
}

static bool special_json(FILE *f, unsigned char c)
{
	if (c == '"' || c == '\\')
		fprintf(f, "\\%c", c);
	else if (c == '\n')
		fputs("\\n", f);
	else if (c < ' ' || c == 0x7f)
		fprintf(f, "\\u%04x", c);
	else
		return false;
	return true;
}

void quote_json(FILE *f, const char *text, size_t len)
{
	fputc('"', f);
	quote(f, text, len, special_json);
	fputc('"', f);
}

static bool special_xml(FILE *f, unsigned char c)
{
	static const char special[] = "<>&\"'",
			  entity[][8] = { "&lt;", "&gt;", "&amp;", "&quot;", "&apos;" };
	const char *at = c ? strchr(special, c) : NULL;

	if (at)
		fputs(entity[at - special], f);
	else if (c < ' ' && c != '\t' && c != '\n')
		fputs(REPLACEMENT, f);
	else
		return false;
	return true;
}

void quote_xml(FILE *f, const char *text, size_t len)
{
	quote(f, text, len, special_xml);
}

static bool special_attribute(FILE *f, unsigned char c)
{
	if (c != '\t' && c != '\n')
		return special_xml(f, c);
	fprintf(f, "&#%u;", c);
	return true;
}

void quote_xml_attribute(FILE *f, const char *text, size_t len)
{
	quote(f, text, len, special_attribute);
}

static bool special_line(FILE *f, unsigned char c)
{
	if ((c >= ' ' && c != 0x7f) || c == '\t')
		return false;
	fputc(' ', f);
	return true;
}

void quote_line(FILE *f, const char *text, size_t len)
{
	quote(f, text, len, special_line);
}

void quote_shell(FILE *f, const char *word)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-/=:,@%";

	if (*word && strspn(word, plain) == strlen(word)) {
		fputs(word, f);
		return;
	}
	fputc('\'', f);
	for (; *word; word++)
		fputs(*word == '\'' ? "'\\''" : (const char[]){ *word, '\0' }, f);
	fputc('\'', f);
}
