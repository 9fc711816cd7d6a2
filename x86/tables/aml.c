/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes AML into a bounded buffer, for the DSDT.
 *
 * Models ACPI 6.5, 20.2 (encoding of names, data objects, package lengths) and 6.4 (resource
 * descriptors), as far as our DSDT needs it. acpi.c calls it while the machine is built; it
 * allocates nothing. Thread: setup.
 *
 * A term that contains others begins with its own length. The length takes one to four bytes,
 * depending on its value, which is known only when the term ends. One byte is reserved at the
 * term's beginning; if the length needs more, the term's content is moved up when it ends. Our
 * devices are shorter than 64 bytes, so in practice only \_SB moves.
 *
 * Invariant: len <= cap_bytes, and once overflow is set nothing more is written. Marks are offsets,
 * so they stay valid when inner terms move. Not supported: expressions, locals, control flow,
 * fields, 64-bit address descriptors.
 */
#include "aml.h"

#include <assert.h>
#include <string.h>

enum {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_NAME = 0x08,
	AML_BYTE = 0x0a,
	AML_WORD = 0x0b,
	AML_DWORD = 0x0c,
	AML_STRING = 0x0d,
	AML_QWORD = 0x0e,
	AML_SCOPE = 0x10,
	AML_BUFFER = 0x11,
	AML_PACKAGE = 0x12,
	AML_METHOD = 0x14,
	AML_DUAL_NAME = 0x2e,
	AML_MULTI_NAME = 0x2f,
	AML_EXT = 0x5b,
	AML_EXT_DEVICE = 0x82,
	AML_NOTIFY = 0x86,
};

enum {
	RES_TAG_IRQ = 0x22, /* small, two bytes: edge, active high, exclusive */
	RES_TAG_IRQ_FLAGS = 0x23,
	RES_TAG_IO = 0x47,
	RES_TAG_END = 0x79,
	RES_TAG_MEMORY32 = 0x86,
	RES_TAG_INTERRUPT = 0x89,
};

#define NAME_SEG_BYTES 4
#define PKG_LENGTH_MAX ((1U << 28) - 1)

void aml_init(struct aml *a, void *buf, size_t cap_bytes)
{
	*a = (struct aml){ .buf = buf, .cap_bytes = cap_bytes };
}

static bool has_room(struct aml *a, size_t len)
{
	if (a->overflow || a->cap_bytes - a->len < len)
		a->overflow = true;
	return !a->overflow;
}

void aml_bytes(struct aml *a, const void *bytes, size_t len)
{
	if (!has_room(a, len))
		return;
	memcpy(a->buf + a->len, bytes, len);
	a->len += len;
}

void aml_align(struct aml *a, size_t align)
{
	size_t fill = align_up(a->len, align) - a->len;

	if (!has_room(a, fill))
		return;
	memset(a->buf + a->len, 0, fill);
	a->len += fill;
}

static void put(struct aml *a, uint8_t byte)
{
	if (!has_room(a, 1))
		return;
	a->buf[a->len++] = byte;
}

static void put_le(struct aml *a, uint64_t value, unsigned int nr_bytes)
{
	for (unsigned int i = 0; i < nr_bytes; i++)
		put(a, (uint8_t)(value >> (8 * i)));
}

static void insert(struct aml *a, size_t at, const uint8_t *bytes, size_t len)
{
	if (len == 0 || !has_room(a, len))
		return;
	memmove(a->buf + at + len, a->buf + at, a->len - at);
	memcpy(a->buf + at, bytes, len);
	a->len += len;
}

/* Reserves the byte of a length. The mark is its offset. */
static size_t open_length(struct aml *a)
{
	size_t mark = a->len;

	put(a, 0);
	return mark;
}

/* 20.2.4: the length counts its own bytes. Returns their number. */
static unsigned int encode_length(uint8_t out[4], size_t content_bytes)
{
	unsigned int n = 1;
	size_t total;

	if (content_bytes + 1 < 64) {
		out[0] = (uint8_t)(content_bytes + 1);
		return 1;
	}
	do {
		n++;
		total = content_bytes + n;
	} while (n < 4 && total >> (4 + 8 * (n - 1)));
	out[0] = (uint8_t)((n - 1) << 6 | (total & 0xf));
	for (unsigned int i = 1; i < n; i++)
		out[i] = (uint8_t)(total >> (4 + 8 * (i - 1)));
	return n;
}

void aml_end(struct aml *a, size_t mark)
{
	uint8_t length[4];
	unsigned int n;
	size_t content;

	if (a->overflow)
		return;
	assert(mark < a->len);
	content = a->len - mark - 1;
	if (content > PKG_LENGTH_MAX - sizeof(length)) {
		a->overflow = true;
		return;
	}
	n = encode_length(length, content);
	insert(a, mark + 1, length + 1, n - 1);
	a->buf[mark] = length[0];
}

static void put_segment(struct aml *a, const char *name, size_t len)
{
	char segment[NAME_SEG_BYTES] = { '_', '_', '_', '_' };

	assert(len >= 1 && len <= NAME_SEG_BYTES);
	memcpy(segment, name, len);
	aml_bytes(a, segment, sizeof(segment));
}

static unsigned int nr_segments(const char *path)
{
	unsigned int n = *path ? 1 : 0;

	for (; *path; path++)
		n += *path == '.';
	return n;
}

void aml_path(struct aml *a, const char *path)
{
	unsigned int n;

	while (*path == '\\' || *path == '^')
		put(a, (uint8_t)*path++);
	n = nr_segments(path);
	assert(n <= UINT8_MAX);
	if (n == 0) {
		put(a, AML_ZERO);
	} else if (n == 2) {
		put(a, AML_DUAL_NAME);
	} else if (n > 2) {
		put(a, AML_MULTI_NAME);
		put(a, (uint8_t)n);
	}
	for (; n > 0; n--) {
		size_t len = strcspn(path, ".");

		put_segment(a, path, len);
		path += len + 1;
	}
}

size_t aml_scope(struct aml *a, const char *path)
{
	size_t mark;

	put(a, AML_SCOPE);
	mark = open_length(a);
	aml_path(a, path);
	return mark;
}

size_t aml_device(struct aml *a, const char *name)
{
	size_t mark;

	put(a, AML_EXT);
	put(a, AML_EXT_DEVICE);
	mark = open_length(a);
	put_segment(a, name, strlen(name));
	return mark;
}

size_t aml_method(struct aml *a, const char *name, unsigned int nr_args)
{
	size_t mark;

	assert(nr_args <= 7);
	put(a, AML_METHOD);
	mark = open_length(a);
	put_segment(a, name, strlen(name));
	put(a, (uint8_t)nr_args);
	return mark;
}

size_t aml_package(struct aml *a, uint8_t nr_elements)
{
	size_t mark;

	put(a, AML_PACKAGE);
	mark = open_length(a);
	put(a, nr_elements);
	return mark;
}

void aml_name(struct aml *a, const char *name)
{
	put(a, AML_NAME);
	put_segment(a, name, strlen(name));
}

static void put_sized(struct aml *a, uint8_t prefix, uint64_t value, unsigned int nr_bytes)
{
	put(a, prefix);
	put_le(a, value, nr_bytes);
}

void aml_integer(struct aml *a, uint64_t value)
{
	if (value <= 1)
		put(a, value ? AML_ONE : AML_ZERO);
	else if (value <= UINT8_MAX)
		put_sized(a, AML_BYTE, value, 1);
	else if (value <= UINT16_MAX)
		put_sized(a, AML_WORD, value, 2);
	else if (value <= UINT32_MAX)
		put_sized(a, AML_DWORD, value, 4);
	else
		put_sized(a, AML_QWORD, value, 8);
}

void aml_string(struct aml *a, const char *ascii)
{
	put(a, AML_STRING);
	aml_bytes(a, ascii, strlen(ascii) + 1);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool aml_is_eisa_id(const char *id)
{
	if (strlen(id) != 7)
		return false;
	for (unsigned int i = 0; i < 3; i++) {
		if (id[i] < 'A' || id[i] > 'Z')
			return false;
	}
	for (unsigned int i = 3; i < 7; i++) {
		if (hex_digit(id[i]) < 0)
			return false;
	}
	return true;
}

/*
 * Three letters of five bits each and four hexadecimal digits, stored with the most significant
 * byte first.
 */
void aml_eisa_id(struct aml *a, const char *id)
{
	uint32_t packed = 0;

	assert(aml_is_eisa_id(id));
	for (unsigned int i = 0; i < 3; i++)
		packed = packed << 5 | (uint32_t)(id[i] - 'A' + 1);
	for (unsigned int i = 3; i < 7; i++)
		packed = packed << 4 | (uint32_t)hex_digit(id[i]);
	put_sized(a, AML_DWORD, __builtin_bswap32(packed), 4);
}

void aml_notify(struct aml *a, const char *path, uint64_t value)
{
	put(a, AML_NOTIFY);
	aml_path(a, path);
	aml_integer(a, value);
}

/* The buffer's size lies between its length and its bytes: a byte constant is reserved for it. */
size_t aml_resources(struct aml *a)
{
	size_t mark;

	put(a, AML_BUFFER);
	mark = open_length(a);
	put(a, AML_BYTE);
	put(a, 0);
	return mark;
}

void aml_resources_end(struct aml *a, size_t mark)
{
	size_t size_at = mark + 2;
	size_t size_bytes;

	put(a, RES_TAG_END);
	put(a, 0); /* a checksum of 0 is always right */
	if (a->overflow)
		return;
	size_bytes = a->len - size_at - 1;
	a->buf[size_at] = (uint8_t)size_bytes;
	if (size_bytes > UINT8_MAX) {
		uint8_t high = (uint8_t)(size_bytes >> 8);

		if (size_bytes > UINT16_MAX) {
			a->overflow = true;
			return;
		}
		a->buf[mark + 1] = AML_WORD;
		insert(a, size_at + 1, &high, 1);
	}
	aml_end(a, mark);
}

void aml_res_io(struct aml *a, uint16_t port, uint8_t nr_ports)
{
	put(a, RES_TAG_IO);
	put(a, 1); /* decodes 16 bits */
	put_le(a, port, 2);
	put_le(a, port, 2);
	put(a, 1);
	put(a, nr_ports);
}

void aml_res_irq(struct aml *a, unsigned int irq, bool edge, bool shared)
{
	bool plain = edge && !shared;

	assert(irq < 16);
	put(a, plain ? RES_TAG_IRQ : RES_TAG_IRQ_FLAGS);
	put_le(a, 1U << irq, 2);
	if (!plain)
		put(a, (uint8_t)((edge ? 1 : 0) | (shared ? 1 << 4 : 0)));
}

void aml_res_interrupt(struct aml *a, uint32_t gsi, bool edge, bool shared)
{
	put(a, RES_TAG_INTERRUPT);
	put_le(a, 6, 2);
	/* bit 0: the device consumes it */
	put(a, (uint8_t)(1 | (edge ? 1 << 1 : 0) | (shared ? 1 << 3 : 0)));
	put(a, 1); /* one number follows */
	put_le(a, gsi, 4);
}

void aml_res_memory32(struct aml *a, uint32_t gpa, uint32_t size_bytes)
{
	put(a, RES_TAG_MEMORY32);
	put_le(a, 9, 2);
	put(a, 1); /* writable */
	put_le(a, gpa, 4);
	put_le(a, size_bytes, 4);
}
