/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The framing of GDB's remote serial protocol ("Debugging with GDB", appendix E.1): `$` body `#`
 * two digits of checksum, `+` and `-` for received and lost, 0x03 for an interrupt; and what bodies
 * are made of. Pure.
 */
#ifndef KVM_GDB_GDB_PACKET_H
#define KVM_GDB_GDB_PACKET_H

#include "kvm/types.h"

#include <sys/types.h>

/* The longest body, in either direction: what we tell as PacketSize. */
#define GDB_BODY_MAX 0x8000
/* A framed reply. */
#define GDB_FRAME_MAX (GDB_BODY_MAX + 4)

enum gdb_event {
	GDB_NOTHING,   /* go on */
	GDB_PACKET,    /* a whole one is in body[0..len); valid until the next byte is fed */
	GDB_BAD,       /* a checksum is wrong: ask for the packet again */
	GDB_LOST,      /* `-`: the other side asks for our last packet again */
	GDB_INTERRUPT, /* 0x03 */
};

struct gdb_parser {
	enum { GDB_BETWEEN, GDB_BODY, GDB_SUM_HIGH, GDB_SUM_LOW } state;
	uint8_t sum;
	int sum_high;
	bool too_long; /* its tail was dropped: it is answered like one that nobody knows */
	size_t len;
	char body[GDB_BODY_MAX + 1]; /* with a NUL behind it; a binary one may have more of them */
};

enum gdb_event gdb_feed(struct gdb_parser *p, uint8_t byte);

/*
 * Takes back the escapes of binary data (}c stands for c ^ 0x20). Returns how many bytes, at most
 * @len, are in @to; -EINVAL: a lone }.
 */
ssize_t gdb_unescape(const char *from, size_t len, uint8_t *to);

/* A body that is put together; what does not fit is left out, and `full` set. */
struct gdb_reply {
	size_t len;
	bool full;
	char body[GDB_BODY_MAX];
};

void gdb_put(struct gdb_reply *r, const char *text);
void gdb_putf(struct gdb_reply *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void gdb_put_hex(struct gdb_reply *r, const void *bytes, size_t len);
/* Escaped. Returns how many of the bytes fitted. */
size_t gdb_put_binary(struct gdb_reply *r, const void *bytes, size_t len);

/* Frames it into @to, of GDB_FRAME_MAX bytes; returns its length. */
size_t gdb_frame(const struct gdb_reply *r, char *to);

/*
 * Readers of a body's text: they advance @at when they succeed. Numbers are hexadecimal, up to 16
 * digits.
 */
bool gdb_take(const char **at, const char *text);
bool gdb_take_number(const char **at, uint64_t *value);
/* Exactly @len bytes of two digits each. */
bool gdb_take_bytes(const char **at, void *bytes, size_t len);

#endif
