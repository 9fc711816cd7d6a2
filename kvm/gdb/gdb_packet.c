/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames and unframes GDB's packets, see gdb_packet.h.
 *
 * The input is untrusted: each byte is one step of a state machine of four states, and a body that
 * is too long loses its end instead of overrunning the buffer.
 */
#include "gdb_packet.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define INTERRUPT 0x03
#define ESCAPE '}'
#define ESCAPE_XOR 0x20

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void begin(struct gdb_parser *p)
{
	p->state = GDB_BODY;
	p->sum = 0;
	p->len = 0;
	p->too_long = false;
}

static enum gdb_event between(struct gdb_parser *p, uint8_t byte)
{
	if (byte == '$')
		begin(p);
	if (byte == '-')
		return GDB_LOST;
	return byte == INTERRUPT ? GDB_INTERRUPT : GDB_NOTHING;
}

static void in_body(struct gdb_parser *p, uint8_t byte)
{
	if (byte == '#') {
		p->body[p->len] = '\0';
		p->state = GDB_SUM_HIGH;
	} else if (byte == '$') {
		begin(p); /* the last packet's end was lost: bodies have this byte escaped */
	} else {
		p->sum += byte;
		p->too_long = p->too_long || p->len == GDB_BODY_MAX;
		if (!p->too_long)
			p->body[p->len++] = (char)byte;
	}
}

static enum gdb_event end(struct gdb_parser *p, uint8_t byte)
{
	int low = digit_value((char)byte);

	p->state = GDB_BETWEEN;
	if (low < 0 || p->sum_high < 0 || (p->sum_high << 4 | low) != p->sum)
		return GDB_BAD;
	if (p->too_long)
		p->len = 0;
	p->body[p->len] = '\0';
	return GDB_PACKET;
}

bool gdb_may_begin(uint8_t byte)
{
	return byte == '+' || byte == '-' || byte == '$' || byte == INTERRUPT;
}

enum gdb_event gdb_feed(struct gdb_parser *p, uint8_t byte)
{
	switch (p->state) {
	case GDB_BODY:
		in_body(p, byte);
		return GDB_NOTHING;
	case GDB_SUM_HIGH:
		p->sum_high = digit_value((char)byte);
		p->state = GDB_SUM_LOW;
		return GDB_NOTHING;
	case GDB_SUM_LOW:
		return end(p, byte);
	default:
		return between(p, byte);
	}
}

ssize_t gdb_unescape(const char *from, size_t len, uint8_t *to)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		bool escaped = from[i] == ESCAPE;

		if (escaped && ++i == len)
			return -EINVAL;
		to[n++] = (uint8_t)(escaped ? from[i] ^ ESCAPE_XOR : from[i]);
	}
	return (ssize_t)n;
}

static void put_char(struct gdb_reply *r, char c)
{
	if (r->len < sizeof(r->body))
		r->body[r->len++] = c;
	else
		r->full = true;
}

void gdb_put(struct gdb_reply *r, const char *text)
{
	while (*text)
		put_char(r, *text++);
}

void gdb_putf(struct gdb_reply *r, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	gdb_put(r, text);
}

void gdb_put_hex(struct gdb_reply *r, const void *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *b = bytes;

	for (size_t i = 0; i < len; i++) {
		put_char(r, digits[b[i] >> 4]);
		put_char(r, digits[b[i] & 15]);
	}
}

size_t gdb_put_binary(struct gdb_reply *r, const void *bytes, size_t len)
{
	const char *b = bytes;
	size_t i;

	for (i = 0; i < len && r->len + 2 <= sizeof(r->body); i++) {
		bool escaped = strchr("#$*}", b[i]) && b[i];

		if (escaped)
			put_char(r, ESCAPE);
		put_char(r, (char)(escaped ? b[i] ^ ESCAPE_XOR : b[i]));
	}
	return i;
}

size_t gdb_frame(const struct gdb_reply *r, char *to)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t sum = 0;
	size_t n = 0;

	to[n++] = '$';
	for (size_t i = 0; i < r->len; i++) {
		sum += (uint8_t)r->body[i];
		to[n++] = r->body[i];
	}
	to[n++] = '#';
	to[n++] = digits[sum >> 4];
	to[n++] = digits[sum & 15];
	return n;
}

bool gdb_take(const char **at, const char *text)
{
	size_t len = strlen(text);

	if (strncmp(*at, text, len) != 0)
		return false;
	*at += len;
	return true;
}

bool gdb_take_number(const char **at, uint64_t *value)
{
	const char *p = *at;
	uint64_t sum = 0;

	while (digit_value(*p) >= 0) {
		if (p - *at == 16)
			return false;
		sum = sum << 4 | (unsigned int)digit_value(*p++);
	}
	if (p == *at)
		return false;
	*at = p;
	*value = sum;
	return true;
}

bool gdb_take_bytes(const char **at, void *bytes, size_t len)
{
	const char *p = *at;
	uint8_t *b = bytes;

	for (size_t i = 0; i < len; i++, p += 2) {
		if (digit_value(p[0]) < 0 || digit_value(p[1]) < 0)
			return false;
		b[i] = (uint8_t)(digit_value(p[0]) << 4 | digit_value(p[1]));
	}
	*at = p;
	return true;
}
