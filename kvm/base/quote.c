/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Quotes text for JSON (RFC 8259), XML 1.0, CI services, terminals and shells. Where a format has
 * no escape for it, a byte that is not UTF-8, or a control character, becomes U+FFFD or a blank.
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

/* Whether the character of @n bytes is a control character: C0, DEL or C1 (U+0080 to U+009F). */
static bool is_control(const unsigned char *p, size_t n)
{
	return n == 1 ? *p < ' ' || *p == 0x7f : n == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

/*
 * Copies characters; those up to U+009F go through @special, which returns whether it has written
 * them in its own way.
 */
static void quote(FILE *f, const char *text, size_t len, bool (*special)(FILE *f, unsigned char c))
{
	const unsigned char *p = (const unsigned char *)text;

	while (len) {
		size_t n = utf8_bytes(p, len);

		if (!n)
			fputs(REPLACEMENT, f);
		else if ((n > 1 && !is_control(p, n)) || !special(f, p[n - 1]))
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
	else if (c < ' ' || c >= 0x7f)
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
	else if ((c < ' ' && c != '\t' && c != '\n') || c >= 0x7f)
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
	if ((c >= ' ' && c < 0x7f) || c == '\t')
		return false;
	fputc(' ', f);
	return true;
}

void quote_line(FILE *f, const char *text, size_t len)
{
	quote(f, text, len, special_line);
}

static bool special_github(FILE *f, unsigned char c)
{
	if (c != '%' && c != '\r' && c != '\n')
		return special_line(f, c);
	fprintf(f, "%%%02X", c);
	return true;
}

void quote_github(FILE *f, const char *text, size_t len)
{
	quote(f, text, len, special_github);
}

/* Returns how many bytes from @p on can be printed as they are, and as what they end. */
static size_t plain_bytes(const unsigned char *p, size_t len, const char *plain, size_t *next)
{
	size_t done = 0;

	*next = 0;
	while (done < len) {
		size_t n = utf8_bytes(p + done, len - done);

		if (!n || (is_control(p + done, n) && (!p[done] || !strchr(plain, p[done])))) {
			*next = n ? n : 1;
			break;
		}
		done += n;
	}
	return done;
}

bool quote_needed(const char *text, size_t len, const char *plain)
{
	size_t next;

	return plain_bytes((const unsigned char *)text, len, plain, &next) < len;
}

void quote_visible(FILE *f, const char *text, size_t len, const char *plain)
{
	const unsigned char *p = (const unsigned char *)text;

	while (len) {
		size_t special, n = plain_bytes(p, len, plain, &special);

		fwrite(p, 1, n, f);
		for (size_t i = 0; i < special; i++)
			fprintf(f, "\\x%02x", p[n + i]);
		p += n + special;
		len -= n + special;
	}
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
