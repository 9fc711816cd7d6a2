/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unpacks DEFLATE data (RFC 1951) for compressed qcow2 clusters. Blocks are stored, or coded with a
 * fixed or a transmitted pair of Huffman codes. The input is not trusted. One number guards its
 * end: bits beyond the end read as zeros, `left` falls below zero, and every user checks `left`
 * before the bits that it took have any effect. The output's end is no error: unpacking stops
 * there.
 *
 * Refused is what zlib refuses: codes with too many words or (except a single word of one bit) too
 * few, more than 286 and 30 symbols, no word for the end of a block, distances to before the
 * beginning.
 */
#include "inflate.h"

#include "kvm/types.h"

#include <errno.h>
#include <string.h>

#define MAX_BITS 15
#define FAST_BITS 10
#define NR_LITERALS 288
#define NR_DISTANCES 32
#define NR_LENGTHS 19
#define END_OF_BLOCK 256

struct stream {
	const unsigned char *in, *in_end;
	uint64_t bits; /* the next bits, lowest first */
	int left;      /* how many bits; negative: more were taken than there are */
	unsigned char *out;
	size_t done, size;
};

/* A canonical Huffman code. */
struct code {
	/* indexed by the next bits: symbol << 4 | length; 0: a longer word, or none */
	uint16_t fast[1 << FAST_BITS];
	uint16_t count[MAX_BITS + 1]; /* words of each length */
	uint16_t symbol[NR_LITERALS]; /* in the order of their words */
};

/* ---- bits ---- */

/* Provides at least 56 bits, or all that are left. */
static void refill(struct stream *s)
{
	while (s->left < 56 && s->in < s->in_end) {
		s->bits |= (uint64_t)*s->in++ << s->left;
		s->left += 8;
	}
}

/* Takes up to 16 bits. */
static unsigned int take(struct stream *s, unsigned int nr)
{
	unsigned int value = (unsigned int)(s->bits & ((1ULL << nr) - 1));

	s->bits >>= nr;
	s->left -= (int)nr;
	return value;
}

/* ---- codes (3.2.2) ---- */

static unsigned int reversed(unsigned int word, unsigned int nr_bits)
{
	unsigned int r = 0;

	for (; nr_bits; nr_bits--, word >>= 1)
		r = r << 1 | (word & 1);
	return r;
}

static void fill_fast(struct code *c)
{
	unsigned int word = 0, index = 0;

	memset(c->fast, 0, sizeof(c->fast));
	for (unsigned int len = 1; len <= FAST_BITS; len++, word <<= 1) {
		for (unsigned int i = 0; i < c->count[len]; i++, word++, index++) {
			for (unsigned int k = reversed(word, len); k < 1 << FAST_BITS;
			     k += 1U << len)
				c->fast[k] = (uint16_t)(c->symbol[index] << 4 | len);
		}
	}
}

static int make_code(struct code *c, const unsigned char *lengths, unsigned int nr)
{
	unsigned int place[MAX_BITS + 2] = { 0 };
	int unused = 1; /* unused words of this length */

	memset(c->count, 0, sizeof(c->count));
	for (unsigned int i = 0; i < nr; i++)
		c->count[lengths[i]]++;
	c->count[0] = 0;
	for (unsigned int len = 1; len <= MAX_BITS; len++) {
		unused = 2 * unused - c->count[len];
		if (unused < 0)
			return -EINVAL;
		place[len + 1] = place[len] + c->count[len];
	}
	if (unused && place[MAX_BITS + 1] > c->count[1])
		return -EINVAL;
	for (unsigned int i = 0; i < nr; i++) {
		if (lengths[i])
			c->symbol[place[lengths[i]]++] = (uint16_t)i;
	}
	fill_fast(c);
	return 0;
}

static int long_symbol(struct stream *s, const struct code *c)
{
	unsigned int word = 0, first = 0, index = 0;

	for (unsigned int len = 1; len <= MAX_BITS; len++) {
		word = word << 1 | (s->bits >> (len - 1) & 1);
		if (word - first < c->count[len]) {
			take(s, len);
			return c->symbol[index + word - first];
		}
		index += c->count[len];
		first = (first + c->count[len]) << 1;
	}
	return -EINVAL;
}

/* Call it after refill(). Returns -EINVAL if no word begins like this. */
static int next_symbol(struct stream *s, const struct code *c)
{
	unsigned int found = c->fast[s->bits & ((1 << FAST_BITS) - 1)];

	if (!found)
		return long_symbol(s, c);
	take(s, found & 15);
	return (int)(found >> 4);
}

/* ---- blocks ---- */

/*
 * 3.2.5: 8 lengths without extra bits, then 4 for each number of extra bits; the last symbol is the
 * longest length alone.
 */
static size_t match_length(struct stream *s, unsigned int symbol)
{
	unsigned int k = symbol - END_OF_BLOCK - 1, extra = k / 4 - 1;

	if (k < 8)
		return 3 + k;
	if (k == 28)
		return 258;
	return 3 + ((4 + k % 4) << extra) + take(s, extra);
}

/* 4 distances without extra bits, then 2 for each number of extra bits. */
static size_t match_distance(struct stream *s, unsigned int symbol)
{
	unsigned int extra = symbol / 2 - 1;

	if (symbol < 4)
		return 1 + symbol;
	return 1 + ((2 + symbol % 2) << extra) + take(s, extra);
}

static int match(struct stream *s, unsigned int symbol, const struct code *distances)
{
	size_t len = match_length(s, symbol), distance;
	int d = next_symbol(s, distances);

	if (d < 0 || d >= 30)
		return -EINVAL;
	distance = match_distance(s, (unsigned int)d);
	if (s->left < 0 || distance > s->done)
		return -EINVAL;
	len = min_u64(len, s->size - s->done);
	if (distance >= len) {
		memcpy(s->out + s->done, s->out + s->done - distance, len);
		s->done += len;
		return 0;
	}
	/* the source may overlap the output: the match then repeats itself */
	for (; len; len--, s->done++)
		s->out[s->done] = s->out[s->done - distance];
	return 0;
}

static int coded_block(struct stream *s, const struct code *literals, const struct code *distances)
{
	int err = 0;

	while (!err && s->done < s->size) {
		int symbol;

		refill(s); /* a match takes 48 bits at most */
		symbol = next_symbol(s, literals);
		if (s->left < 0 || symbol < 0 || symbol > 285)
			return -EINVAL;
		if (symbol == END_OF_BLOCK)
			return 0;
		if (symbol < END_OF_BLOCK)
			s->out[s->done++] = (unsigned char)symbol;
		else
			err = match(s, (unsigned int)symbol, distances);
	}
	return err;
}

static int stored_block(struct stream *s)
{
	unsigned int len;
	size_t nr;

	take(s, (unsigned int)s->left % 8);
	refill(s);
	len = take(s, 16);
	if ((take(s, 16) ^ len) != 0xffff || s->left < 0)
		return -EINVAL;
	s->in -= s->left / 8; /* return the bytes that were read ahead */
	s->left = 0;
	s->bits = 0;
	nr = min_u64(len, s->size - s->done);
	if (nr > (size_t)(s->in_end - s->in))
		return -EINVAL;
	memcpy(s->out + s->done, s->in, nr);
	s->done += nr;
	s->in += nr;
	return 0;
}

static int fixed_block(struct stream *s)
{
	unsigned char lengths[NR_LITERALS];
	struct code literals, distances;

	memset(lengths, 8, 144);
	memset(lengths + 144, 9, 112);
	memset(lengths + 256, 7, 24);
	memset(lengths + 280, 8, 8);
	make_code(&literals, lengths, NR_LITERALS);
	memset(lengths, 5, NR_DISTANCES);
	make_code(&distances, lengths, NR_DISTANCES);
	return coded_block(s, &literals, &distances);
}

/* Returns how often which length is repeated: symbols 16 to 18 repeat. */
static unsigned int repeats(struct stream *s, unsigned int symbol)
{
	switch (symbol) {
	case 16:
	case 17:
		return 3 + take(s, symbol - 14);
	case 18:
		return 11 + take(s, 7);
	default:
		return 1;
	}
}

static int read_lengths(struct stream *s, const struct code *c, unsigned char *lengths,
			unsigned int nr)
{
	for (unsigned int i = 0; i < nr;) {
		unsigned int times, length;
		int symbol;

		refill(s);
		symbol = next_symbol(s, c);
		if (symbol < 0 || (symbol == 16 && !i))
			return -EINVAL;
		times = repeats(s, (unsigned int)symbol);
		if (s->left < 0 || times > nr - i)
			return -EINVAL;
		length = symbol < 16 ? (unsigned int)symbol : symbol == 16 ? lengths[i - 1] : 0;
		memset(lengths + i, (int)length, times);
		i += times;
	}
	return 0;
}

static int transmitted_block(struct stream *s)
{
	static const unsigned char order[NR_LENGTHS] = { 16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
							 11, 4,	 12, 3, 13, 2, 14, 1, 15 };
	unsigned char lengths[NR_LITERALS + NR_DISTANCES] = { 0 };
	unsigned int nr_literals = 257 + take(s, 5), nr_distances = 1 + take(s, 5),
		     nr = 4 + take(s, 4);
	struct code literals, distances;
	int err;

	if (nr_literals > 286 || nr_distances > 30)
		return -EINVAL;
	for (unsigned int i = 0; i < nr; i++) {
		refill(s);
		lengths[order[i]] = (unsigned char)take(s, 3);
	}
	err = make_code(&literals, lengths, NR_LENGTHS);
	if (!err)
		err = read_lengths(s, &literals, lengths, nr_literals + nr_distances);
	if (err || !lengths[END_OF_BLOCK])
		return -EINVAL;
	err = make_code(&literals, lengths, nr_literals);
	if (!err)
		err = make_code(&distances, lengths + nr_literals, nr_distances);
	return err ? err : coded_block(s, &literals, &distances);
}

ssize_t inflate_raw(const void *in, size_t in_bytes, void *out, size_t out_bytes)
{
	struct stream s = { .in = in, .out = out, .size = out_bytes };
	unsigned int last;
	int err;

	s.in_end = s.in + in_bytes;
	do {
		unsigned int type;

		refill(&s);
		last = take(&s, 1);
		type = take(&s, 2);
		if (s.left < 0 || type == 3)
			return -EINVAL;
		if (type == 0)
			err = stored_block(&s);
		else
			err = type == 1 ? fixed_block(&s) : transmitted_block(&s);
	} while (!err && !last && s.done < s.size);
	return err ? err : (ssize_t)s.done;
}
