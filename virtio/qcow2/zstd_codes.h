/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two entropy codes of Zstandard (RFC 8878, section 4): tables of Huffman codes and of finite
 * state entropy (FSE), and the bit streams that both are read from, backwards.
 *
 * The input is not trusted. Bits before a stream's first byte read as zeros and `left` falls below
 * zero; the caller looks at `left` before what it has read has any effect outside of its tables.
 */
#ifndef VIRTIO_QCOW2_ZSTD_CODES_H
#define VIRTIO_QCOW2_ZSTD_CODES_H

#include <stddef.h>
#include <stdint.h>

/* A part of the input, consumed from its beginning. */
struct zstd_span {
	const unsigned char *p;
	size_t len;
};

/* Moves @len bytes from the beginning of @from to @taken. Returns 0, or -EINVAL: it has less. */
int zstd_take(struct zstd_span *from, size_t len, struct zstd_span *taken);

/* Takes @len <= 8 bytes, little-endian. Returns 0 or -EINVAL. */
int zstd_take_le(struct zstd_span *from, size_t len, uint64_t *value);

/* ---- bits, backwards (4.1: "Bitstream") ---- */

struct zstd_bits {
	const unsigned char *p;
	size_t len;
	int64_t left; /* bits not yet read; negative: more were read than there are */
};

/* Begins below the highest bit that is set in the last byte. Returns 0, or -EINVAL: none is. */
int zstd_bits_open(struct zstd_bits *b, struct zstd_span from);

/* The next @nr <= 32 bits; the first one read is the highest. */
uint64_t zstd_bits_read(struct zstd_bits *b, unsigned int nr);

/* ---- FSE (4.1) ---- */

#define ZSTD_FSE_MAX_LOG 9
#define ZSTD_FSE_MAX_SYMBOLS 53

struct zstd_fse {
	unsigned int log; /* the table has 1 << log states */
	struct zstd_fse_state {
		uint16_t next;
		unsigned char symbol, nr_bits;
	} states[1 << ZSTD_FSE_MAX_LOG];
};

/* The table of @nr_symbols <= ZSTD_FSE_MAX_SYMBOLS; -1 stands for "less than one". */
void zstd_fse_build(struct zstd_fse *t, const int16_t *counts, unsigned int nr_symbols,
		    unsigned int log);

/* The table in which one symbol needs no bits. */
void zstd_fse_build_single(struct zstd_fse *t, unsigned char symbol);

/*
 * Reads a table's description from the beginning of @from (4.1.1). Returns 0, or -EINVAL, also for
 * more than 1 << @max_log states or symbols from @nr_symbols on.
 */
int zstd_fse_read(struct zstd_fse *t, struct zstd_span *from, unsigned int nr_symbols,
		  unsigned int max_log);

static inline unsigned int zstd_fse_first(const struct zstd_fse *t, struct zstd_bits *b)
{
	return (unsigned int)zstd_bits_read(b, t->log);
}

static inline unsigned int zstd_fse_next(const struct zstd_fse *t, unsigned int state,
					 struct zstd_bits *b)
{
	return t->states[state].next + (unsigned int)zstd_bits_read(b, t->states[state].nr_bits);
}

/* ---- Huffman codes (4.2) ---- */

#define ZSTD_HUF_MAX_BITS 11

struct zstd_huf {
	unsigned int max_bits; /* 0: there is no code */
	struct zstd_huf_word {
		unsigned char symbol, nr_bits;
	} words[1 << ZSTD_HUF_MAX_BITS]; /* indexed by the next max_bits bits */
};

/* Reads a code's description from the beginning of @from (4.2.1). Returns 0 or -EINVAL. */
int zstd_huf_read(struct zstd_huf *h, struct zstd_span *from);

/* Decodes a stream to exactly @len bytes. Returns 0 or -EINVAL. */
int zstd_huf_decode(const struct zstd_huf *h, struct zstd_span from, unsigned char *to, size_t len);

#endif
