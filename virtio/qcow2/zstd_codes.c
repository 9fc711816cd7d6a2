/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the entropy codes of Zstandard (RFC 8878, section 4) for zstd.c.
 *
 * Both codes are decoded by a table. A Huffman code's table has an entry for each value of the next
 * max_bits bits. FSE's table has an entry for each state: the symbol, and how the next state is
 * found from further bits. Each description states its sizes; what does not add up to a whole table
 * is refused, so that no lookup can miss.
 */
#include "zstd_codes.h"

#include "kvm/types.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define MAX_WEIGHTS 255
#define NR_WEIGHT_SYMBOLS (ZSTD_HUF_MAX_BITS + 1)
#define WEIGHTS_MAX_LOG 6

/* The number of the highest bit set; @value is not 0. */
static unsigned int log2_of(unsigned int value)
{
	return 31 - (unsigned int)__builtin_clz(value);
}

int zstd_take(struct zstd_span *from, size_t len, struct zstd_span *taken)
{
	if (len > from->len)
		return -EINVAL;
	*taken = (struct zstd_span){ from->p, len };
	from->p += len;
	from->len -= len;
	return 0;
}

int zstd_take_le(struct zstd_span *from, size_t len, uint64_t *value)
{
	struct zstd_span bytes;

	if (zstd_take(from, len, &bytes))
		return -EINVAL;
	*value = 0;
	for (size_t i = 0; i < len; i++)
		*value |= (uint64_t)bytes.p[i] << (8 * i);
	return 0;
}

/* ---- bits ---- */

int zstd_bits_open(struct zstd_bits *b, struct zstd_span from)
{
	if (!from.len || !from.p[from.len - 1])
		return -EINVAL;
	*b = (struct zstd_bits){
		.p = from.p,
		.len = from.len,
		.left = (int64_t)(8 * (from.len - 1)) + log2_of(from.p[from.len - 1]),
	};
	return 0;
}

/* The 64 bits from byte @at on; zeros beyond the end. */
static uint64_t word_at(const struct zstd_bits *b, size_t at)
{
	uint64_t word = 0;

	if (b->len - at >= sizeof(word))
		memcpy(&word, b->p + at, sizeof(word));
	else
		memcpy(&word, b->p + at, b->len - at);
	return le64toh(word);
}

/* The @nr <= 32 bits above bit number @from, which may be negative. */
static uint64_t bits_above(const struct zstd_bits *b, int64_t from, unsigned int nr)
{
	uint64_t mask = (1ULL << nr) - 1;

	if (from >= 0)
		return word_at(b, (size_t)from / 8) >> (from % 8) & mask;
	return from <= -(int64_t)nr ? 0 : word_at(b, 0) << -from & mask;
}

uint64_t zstd_bits_read(struct zstd_bits *b, unsigned int nr)
{
	b->left -= nr;
	return bits_above(b, b->left, nr);
}

/* ---- FSE ---- */

/* Puts the symbols on the states (4.1.1): the rare ones last, the others in steps. */
static void spread_symbols(struct zstd_fse *t, const int16_t *counts, unsigned int nr_symbols)
{
	unsigned int size = 1U << t->log, end = size, at = 0;

	for (unsigned int s = 0; s < nr_symbols; s++) {
		if (counts[s] < 0)
			t->states[--end].symbol = (unsigned char)s;
	}
	for (unsigned int s = 0; s < nr_symbols; s++) {
		for (int i = 0; i < counts[s]; i++) {
			t->states[at].symbol = (unsigned char)s;
			do
				at = (at + (size >> 1) + (size >> 3) + 3) & (size - 1);
			while (at >= end);
		}
	}
}

void zstd_fse_build(struct zstd_fse *t, const int16_t *counts, unsigned int nr_symbols,
		    unsigned int log)
{
	unsigned int next[ZSTD_FSE_MAX_SYMBOLS], size = 1U << log;

	t->log = log;
	spread_symbols(t, counts, nr_symbols);
	for (unsigned int s = 0; s < nr_symbols; s++)
		next[s] = counts[s] < 0 ? 1 : (unsigned int)counts[s];
	for (unsigned int i = 0; i < size; i++) {
		unsigned int x = next[t->states[i].symbol]++;

		t->states[i].nr_bits = (unsigned char)(log - log2_of(x));
		t->states[i].next = (uint16_t)((x << t->states[i].nr_bits) - size);
	}
}

void zstd_fse_build_single(struct zstd_fse *t, unsigned char symbol)
{
	t->log = 0;
	t->states[0] = (struct zstd_fse_state){ .symbol = symbol };
}

/* Bits of a table's description, which are read forwards. */
struct forward {
	struct zstd_span from;
	size_t at; /* bits that were read */
};

static unsigned int peek_forward(const struct forward *f, unsigned int nr)
{
	unsigned int value = 0;

	for (unsigned int i = 0; i < 3 && f->at / 8 + i < f->from.len; i++)
		value |= (unsigned int)f->from.p[f->at / 8 + i] << (8 * i);
	return value >> (f->at % 8) & ((1U << nr) - 1);
}

/* A count from -1 to @remaining; small ones take a bit less when not all values are needed. */
static int read_count(struct forward *f, unsigned int remaining)
{
	unsigned int nr_bits = log2_of(remaining + 1) + 1, half = 1U << (nr_bits - 1),
		     short_ones = 2 * half - 1 - (remaining + 1), value = peek_forward(f, nr_bits);

	f->at += nr_bits;
	if ((value & (half - 1)) < short_ones) {
		f->at--;
		return (int)(value & (half - 1)) - 1;
	}
	return (int)(value >= half ? value - short_ones : value) - 1;
}

/* After a count of 0: how many more of them follow, in pieces of up to 3. */
static unsigned int read_zeros(struct forward *f)
{
	unsigned int zeros = 0, piece;

	do {
		piece = peek_forward(f, 2);
		f->at += 2;
		zeros += piece;
	} while (piece == 3 && zeros < ZSTD_FSE_MAX_SYMBOLS);
	return zeros;
}

int zstd_fse_read(struct zstd_fse *t, struct zstd_span *from, unsigned int nr_symbols,
		  unsigned int max_log)
{
	struct forward f = { .from = *from, .at = 4 };
	int16_t counts[ZSTD_FSE_MAX_SYMBOLS] = { 0 };
	struct zstd_span description;
	unsigned int log, remaining, s = 0;

	if (!from->len)
		return -EINVAL;
	log = 5 + (from->p[0] & 15);
	if (log > max_log)
		return -EINVAL;
	for (remaining = 1U << log; remaining && s < nr_symbols; s++) {
		counts[s] = (int16_t)read_count(&f, remaining);
		remaining -= counts[s] < 0 ? 1 : (unsigned int)counts[s];
		if (!counts[s])
			s += read_zeros(&f);
	}
	if (remaining || s > nr_symbols || zstd_take(from, (f.at + 7) / 8, &description))
		return -EINVAL;
	zstd_fse_build(t, counts, nr_symbols, log);
	return 0;
}

/* ---- Huffman codes ---- */

/*
 * Decodes weights by two states that take turns (4.2.1.2). The stream has no count: it ends when
 * the next state would take more bits than there are; the other state's symbol is then the last.
 */
static int decode_weights(struct zstd_span from, unsigned char *weights, unsigned int *nr)
{
	unsigned int state[2], turn = 0;
	struct zstd_bits b;
	struct zstd_fse t;

	if (zstd_fse_read(&t, &from, NR_WEIGHT_SYMBOLS, WEIGHTS_MAX_LOG) ||
	    zstd_bits_open(&b, from))
		return -EINVAL;
	state[0] = zstd_fse_first(&t, &b);
	state[1] = zstd_fse_first(&t, &b);
	if (b.left < 0)
		return -EINVAL;
	for (*nr = 0; *nr < MAX_WEIGHTS - 1; turn ^= 1) {
		weights[(*nr)++] = t.states[state[turn]].symbol;
		state[turn] = zstd_fse_next(&t, state[turn], &b);
		if (b.left < 0) {
			weights[(*nr)++] = t.states[state[turn ^ 1]].symbol;
			return 0;
		}
	}
	return -EINVAL;
}

/* Returns 0, or -EINVAL, also if the weights and the one that they imply make no whole code. */
static int read_weights(struct zstd_span *from, unsigned char *weights, unsigned int *nr)
{
	struct zstd_span packed;
	uint64_t head;

	if (zstd_take_le(from, 1, &head))
		return -EINVAL;
	if (head < 128)
		return zstd_take(from, head, &packed) ? -EINVAL
						      : decode_weights(packed, weights, nr);
	*nr = (unsigned int)head - 127;
	if (zstd_take(from, (*nr + 1) / 2, &packed))
		return -EINVAL;
	for (unsigned int i = 0; i < *nr; i++)
		weights[i] = i % 2 ? packed.p[i / 2] & 15 : packed.p[i / 2] >> 4;
	return 0;
}

/* Appends the last symbol's weight, which is not in the file (4.2.1), and finds max_bits. */
static int complete_weights(struct zstd_huf *h, unsigned char *weights, unsigned int *nr)
{
	unsigned int sum = 0, rest;

	for (unsigned int i = 0; i < *nr; i++) {
		if (weights[i] > ZSTD_HUF_MAX_BITS)
			return -EINVAL;
		sum += 1U << weights[i] >> 1;
	}
	if (!sum || log2_of(sum) + 1 > ZSTD_HUF_MAX_BITS)
		return -EINVAL;
	h->max_bits = log2_of(sum) + 1;
	rest = (1U << h->max_bits) - sum;
	if (rest & (rest - 1))
		return -EINVAL;
	weights[(*nr)++] = (unsigned char)(log2_of(rest) + 1);
	return 0;
}

int zstd_huf_read(struct zstd_huf *h, struct zstd_span *from)
{
	unsigned char weights[MAX_WEIGHTS + 1];
	unsigned int nr, at = 0;

	h->max_bits = 0;
	if (read_weights(from, weights, &nr) || complete_weights(h, weights, &nr)) {
		h->max_bits = 0;
		return -EINVAL;
	}
	for (unsigned int w = 1; w <= h->max_bits; w++) {
		for (unsigned int s = 0; s < nr; s++) {
			for (unsigned int i = 0; weights[s] == w && i < 1U << (w - 1); i++)
				h->words[at++] = (struct zstd_huf_word){
					.symbol = (unsigned char)s,
					.nr_bits = (unsigned char)(h->max_bits + 1 - w),
				};
		}
	}
	return 0;
}

int zstd_huf_decode(const struct zstd_huf *h, struct zstd_span from, unsigned char *to, size_t len)
{
	struct zstd_bits b;

	if (zstd_bits_open(&b, from))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		const struct zstd_huf_word *w =
			&h->words[bits_above(&b, b.left - h->max_bits, h->max_bits)];

		to[i] = w->symbol;
		b.left -= w->nr_bits;
	}
	return b.left ? -EINVAL : 0;
}
