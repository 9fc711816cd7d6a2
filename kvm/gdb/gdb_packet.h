/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames, parses and builds packets of GDB's remote serial protocol ("Debugging with GDB", appendix
 * E.1): `$` body `#` two digits of checksum, `+` and `-` for received and lost, 0x03 for an
 * interrupt. Pure.
 */
#ifndef KVM_GDB_GDB_PACKET_H
#define KVM_GDB_GDB_PACKET_H

#include "kvm/types.h"

#include <sys/types.h>

/* The longest body in either direction; the server reports it as PacketSize. */
#define GDB_BODY_MAX 0x8000
/* The longest framed reply. */
#define GDB_FRAME_MAX (GDB_BODY_MAX + 4)

enum gdb_event {
	GDB_NOTHING,   /* feed the next byte */
	GDB_PACKET,    /* a whole packet is in body[0..len), valid until the next byte is fed */
	GDB_BAD,       /* a checksum is wrong: request the packet again */
	GDB_LOST,      /* `-`: the client requests our last packet again */
	GDB_INTERRUPT, /* 0x03 */
};

struct gdb_parser {
	enum { GDB_BETWEEN, GDB_BODY, GDB_SUM_HIGH, GDB_SUM_LOW } state;
	uint8_t sum;
	int sum_high;
	bool too_long; /* its end was dropped: the reply is that to an unknown packet */
	size_t len;
	char body[GDB_BODY_MAX + 1]; /* and a NUL; a binary body may have further NULs */
};

/*
 * Whether a debugger may begin a connection with @byte. A web page's request begins with a letter,
 * and packets may follow in what it posts.
 */
bool gdb_may_begin(uint8_t byte);
enum gdb_event gdb_feed(struct gdb_parser *p, uint8_t byte);

/*
 * Undoes the escapes of binary data (}c means c ^ 0x20). Returns how many bytes, at most @len, are
 * in @to, or -EINVAL for a lone }.
 */
ssize_t gdb_unescape(const char *from, size_t len, uint8_t *to);

/* A body under construction; what does not fit is left out and sets `full`. */
struct gdb_reply {
	size_t len;
	bool full;
	char body[GDB_BODY_MAX];
};

void gdb_put(struct gdb_reply *r, const char *text);
void gdb_putf(struct gdb_reply *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void gdb_put_hex(struct gdb_reply *r, const void *bytes, size_t len);
/* Puts the bytes escaped. Returns how many of them fitted. */
size_t gdb_put_binary(struct gdb_reply *r, const void *bytes, size_t len);

/* Frames the reply into @to, of GDB_FRAME_MAX bytes. Returns the length. */
size_t gdb_frame(const struct gdb_reply *r, char *to);

/*
 * Read a body's text, and advance @at when they succeed. Numbers are hexadecimal, of up to 16
 * digits.
 */
bool gdb_take(const char **at, const char *text);
bool gdb_take_number(const char **at, uint64_t *value);
/* Reads exactly @len bytes of two digits each. */
bool gdb_take_bytes(const char **at, void *bytes, size_t len);

#endif
