/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unpacks Zstandard frames (RFC 8878) for compressed qcow2 clusters: the frame's header, its
 * blocks, and in each block the literals and the sequences that copy them and earlier output.
 *
 * The whole output is in memory, so it is the window, too: an offset may reach back to its first
 * byte. A block's literals are unpacked into the last bytes of the output, from where the sequences
 * move them forward; as the frame must fit, the output never overtakes the literals that are
 * left. Each copy checks that.
 */
#include "zstd.h"

#include "zstd_codes.h"

#include "kvm/types.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define MAGIC 0xfd2fb528
#define BLOCK_MAX_BYTES (128U << 10)
#define REPEATED_OFFSETS 3

enum { RAW, RLE, COMPRESSED, TREELESS }; /* a block's and its literals' types */

/* What a sequence's three numbers are coded with. */
enum { LITERALS_LENGTH, OFFSET, MATCH_LENGTH, NR_KINDS };
enum { PREDEFINED, SINGLE, DESCRIBED, REPEAT };

static const struct kind {
	unsigned int nr_symbols, max_log, predefined_log;
	int16_t predefined[ZSTD_FSE_MAX_SYMBOLS]; /* 3.1.1.3.2.2 */
} kinds[NR_KINDS] = {
	[LITERALS_LENGTH] = { 36,
			      9,
			      6,
			      { 4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1,  1,  2,  2,
				2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1 } },
	[OFFSET] = { 32, 8, 5, { 1, 1, 1, 1, 1, 1, 2, 2, 2, 1,	1,  1,	1,  1, 1,
				 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1 } },
	[MATCH_LENGTH] = { 53, 9, 6, { 1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1,	 1,  1,	 1,  1,	 1,  1, 1,
				       1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,	 1,  1,	 1,  1,	 1,  1, 1,
				       1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1 } },
};

struct frame {
	struct zstd_span in;
	unsigned char *out;
	size_t done, size;
	size_t block_max_bytes;
	bool has_content_size;
	uint64_t content_bytes;
	/* A block's literals that are left are out[literals] up to out[literals_end - 1]. */
	size_t literals, literals_end;
	uint32_t recent[REPEATED_OFFSETS];
	struct zstd_huf huf;
	struct zstd_fse fse[NR_KINDS];
	bool has_fse[NR_KINDS];
};

/* ---- literals (3.1.1.3.1) ---- */

/* Unpacks four streams, which share the output evenly. */
static int four_streams(const struct frame *f, struct zstd_span from, unsigned char *to, size_t len)
{
	size_t quarter = (len + 3) / 4;
	struct zstd_span stream;
	uint64_t bytes[3];

	if (len < 3 * quarter)
		return -EINVAL;
	for (int i = 0; i < 3; i++) {
		if (zstd_take_le(&from, 2, &bytes[i]))
			return -EINVAL;
	}
	for (int i = 0; i < 3; i++, to += quarter) {
		if (zstd_take(&from, bytes[i], &stream) ||
		    zstd_huf_decode(&f->huf, stream, to, quarter))
			return -EINVAL;
	}
	return zstd_huf_decode(&f->huf, from, to, len - 3 * quarter);
}

/* @format 0 is one stream; @bits is how wide the header's two sizes are. */
static int packed_literals(struct frame *f, struct zstd_span *in, unsigned int type,
			   unsigned int format)
{
	static const unsigned char header_bytes[] = { 3, 3, 4, 5 }, bits[] = { 10, 10, 14, 18 };
	struct zstd_span packed;
	uint64_t head, mask = (1ULL << bits[format]) - 1, packed_bytes;
	size_t len;

	if (zstd_take_le(in, header_bytes[format], &head))
		return -EINVAL;
	len = head >> 4 & mask;
	packed_bytes = head >> (4 + bits[format]) & mask;
	if (len > f->block_max_bytes || len > f->size - f->done ||
	    zstd_take(in, packed_bytes, &packed))
		return -EINVAL;
	f->literals = f->literals_end - len;
	if (type == COMPRESSED && zstd_huf_read(&f->huf, &packed))
		return -EINVAL;
	if (!f->huf.max_bits)
		return -EINVAL;
	return format ? four_streams(f, packed, f->out + f->literals, len)
		      : zstd_huf_decode(&f->huf, packed, f->out + f->literals, len);
}

static int plain_literals(struct frame *f, struct zstd_span *in, unsigned int type,
			  unsigned int format)
{
	static const unsigned char header_bytes[] = { 1, 2, 1, 3 };
	struct zstd_span bytes;
	uint64_t head;
	size_t len;

	if (zstd_take_le(in, header_bytes[format], &head))
		return -EINVAL;
	len = head >> (format & 1 ? 4 : 3);
	if (len > f->block_max_bytes || len > f->size - f->done ||
	    zstd_take(in, type == RLE ? 1 : len, &bytes))
		return -EINVAL;
	f->literals = f->literals_end - len;
	if (type == RLE)
		memset(f->out + f->literals, bytes.p[0], len);
	else
		memcpy(f->out + f->literals, bytes.p, len);
	return 0;
}

static int read_literals(struct frame *f, struct zstd_span *in)
{
	unsigned int type, format;

	if (!in->len)
		return -EINVAL;
	type = in->p[0] & 3;
	format = in->p[0] >> 2 & 3;
	f->literals_end = f->size;
	return type == COMPRESSED || type == TREELESS ? packed_literals(f, in, type, format)
						      : plain_literals(f, in, type, format);
}

/* ---- sequences (3.1.1.3.2) ---- */

/*
 * Lengths up to @direct stand for themselves; above it each symbol has a base and further bits: the
 * base is the one before plus the values that the symbol before has room for.
 */
static uint32_t length_of(struct zstd_bits *b, unsigned int symbol, unsigned int direct,
			  const unsigned char *extra)
{
	uint32_t base = direct;

	if (symbol < direct)
		return symbol;
	for (; symbol > direct; symbol--, extra++)
		base += 1U << *extra;
	return base + (uint32_t)zstd_bits_read(b, *extra);
}

static uint32_t literals_length(struct zstd_bits *b, unsigned int symbol)
{
	static const unsigned char extra[] = { 1, 1, 1, 1,  2,	2,  3,	3,  4,	6,
					       7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

	return length_of(b, symbol, 16, extra);
}

static uint32_t match_length(struct zstd_bits *b, unsigned int symbol)
{
	static const unsigned char extra[] = { 1, 1, 1, 1,  2,	2,  3,	3,  4,	4, 5,
					       7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

	return 3 + length_of(b, symbol, 32, extra);
}

/*
 * The offset that @value stands for (3.1.1.5): itself less 3, or one of the last three, which are
 * counted from the second when there are no literals. Makes it the most recent one. 0: none.
 */
static uint32_t offset_of(struct frame *f, uint64_t value, bool no_literals)
{
	uint32_t *recent = f->recent, offset;
	unsigned int which = (unsigned int)value - 1 + no_literals;

	if (value > REPEATED_OFFSETS)
		offset = (uint32_t)(value - REPEATED_OFFSETS);
	else if (which == REPEATED_OFFSETS)
		offset = recent[0] - 1;
	else
		offset = recent[which];
	if (value > REPEATED_OFFSETS || which > 1)
		recent[2] = recent[1];
	if (value > REPEATED_OFFSETS || which > 0)
		recent[1] = recent[0];
	recent[0] = offset;
	return offset;
}

/* Copies literals to the output's end; they may overlap it. */
static int put_literals(struct frame *f, size_t len)
{
	if (len > f->literals_end - f->literals)
		return -EINVAL;
	memmove(f->out + f->done, f->out + f->literals, len);
	f->done += len;
	f->literals += len;
	return 0;
}

/* Copies what was put @offset bytes before the output's end; it may reach into itself. */
static int put_match(struct frame *f, uint32_t offset, size_t len)
{
	unsigned char *to = f->out + f->done;

	if (!offset || offset > f->done || len > f->literals - f->done)
		return -EINVAL;
	f->done += len;
	if (offset >= len) {
		memcpy(to, to - offset, len);
		return 0;
	}
	for (; len; len--, to++)
		*to = to[-(ptrdiff_t)offset];
	return 0;
}

static int read_table(struct frame *f, unsigned int kind, unsigned int mode, struct zstd_span *in)
{
	const struct kind *k = &kinds[kind];
	uint64_t symbol;
	int err = 0;

	switch (mode) {
	case PREDEFINED:
		zstd_fse_build(&f->fse[kind], k->predefined, k->nr_symbols, k->predefined_log);
		break;
	case SINGLE:
		if (zstd_take_le(in, 1, &symbol) || symbol >= k->nr_symbols)
			return -EINVAL;
		zstd_fse_build_single(&f->fse[kind], (unsigned char)symbol);
		break;
	case DESCRIBED:
		err = zstd_fse_read(&f->fse[kind], in, k->nr_symbols, k->max_log);
		break;
	default: /* REPEAT */
		err = f->has_fse[kind] ? 0 : -EINVAL;
	}
	f->has_fse[kind] = !err;
	return err;
}

static int read_nr_sequences(struct zstd_span *in, uint64_t *nr)
{
	uint64_t low;
	int err = zstd_take_le(in, 1, nr);

	if (err || *nr < 128)
		return err;
	if (*nr == 255) {
		err = zstd_take_le(in, 2, nr);
		*nr += 0x7f00;
		return err;
	}
	err = zstd_take_le(in, 1, &low);
	*nr = (*nr - 128) << 8 | (err ? 0 : low);
	return err;
}

/* The bits of a number come in the order offset, match, literals; those of the states do not. */
static int run_sequences(struct frame *f, struct zstd_bits *b, uint64_t nr)
{
	unsigned int state[NR_KINDS];

	for (unsigned int kind = 0; kind < NR_KINDS; kind++)
		state[kind] = zstd_fse_first(&f->fse[kind], b);
	for (; nr; nr--) {
		unsigned int symbol = f->fse[OFFSET].states[state[OFFSET]].symbol;
		uint64_t value = (1ULL << symbol) + zstd_bits_read(b, symbol);
		uint32_t match, literals, offset;

		symbol = f->fse[MATCH_LENGTH].states[state[MATCH_LENGTH]].symbol;
		match = match_length(b, symbol);
		symbol = f->fse[LITERALS_LENGTH].states[state[LITERALS_LENGTH]].symbol;
		literals = literals_length(b, symbol);
		offset = offset_of(f, value, !literals);
		if (b->left < 0 || put_literals(f, literals) || put_match(f, offset, match))
			return -EINVAL;
		if (nr == 1)
			break;
		state[LITERALS_LENGTH] =
			zstd_fse_next(&f->fse[LITERALS_LENGTH], state[LITERALS_LENGTH], b);
		state[MATCH_LENGTH] = zstd_fse_next(&f->fse[MATCH_LENGTH], state[MATCH_LENGTH], b);
		state[OFFSET] = zstd_fse_next(&f->fse[OFFSET], state[OFFSET], b);
	}
	return b->left ? -EINVAL : 0;
}

static int read_sequences(struct frame *f, struct zstd_span in)
{
	struct zstd_bits b;
	uint64_t nr, modes;

	if (read_nr_sequences(&in, &nr))
		return -EINVAL;
	if (!nr)
		return in.len ? -EINVAL : 0;
	if (zstd_take_le(&in, 1, &modes) || modes & 3)
		return -EINVAL;
	for (unsigned int kind = 0; kind < NR_KINDS; kind++) {
		if (read_table(f, kind, modes >> (6 - 2 * kind) & 3, &in))
			return -EINVAL;
	}
	return zstd_bits_open(&b, in) ? -EINVAL : run_sequences(f, &b, nr);
}

/* ---- blocks (3.1.1.2) and frames (3.1.1.1) ---- */

static int compressed_block(struct frame *f, struct zstd_span in)
{
	size_t start = f->done;

	if (read_literals(f, &in) || read_sequences(f, in) ||
	    put_literals(f, f->literals_end - f->literals))
		return -EINVAL;
	return f->done - start > f->block_max_bytes ? -EINVAL : 0;
}

static int block(struct frame *f, bool *last)
{
	struct zstd_span content;
	unsigned int type;
	uint64_t head;
	size_t len;

	if (zstd_take_le(&f->in, 3, &head))
		return -EINVAL;
	*last = head & 1;
	type = head >> 1 & 3;
	len = head >> 3;
	if (len > f->block_max_bytes || zstd_take(&f->in, type == RLE ? 1 : len, &content))
		return -EINVAL;
	if (type == COMPRESSED)
		return compressed_block(f, content);
	if (type > COMPRESSED || len > f->size - f->done)
		return -EINVAL;
	if (type == RLE)
		memset(f->out + f->done, content.p[0], len);
	else
		memcpy(f->out + f->done, content.p, len);
	f->done += len;
	return 0;
}

/* The window's size limits a block's. */
static uint64_t window_bytes(uint64_t descriptor)
{
	uint64_t base = 1ULL << (10 + (descriptor >> 3));

	return base + base / 8 * (descriptor & 7);
}

static int read_header(struct frame *f)
{
	static const unsigned char id_bytes[] = { 0, 1, 2, 4 }, size_bytes[] = { 0, 2, 4, 8 };
	uint64_t magic, flags, window = 0, dictionary, content = 0;
	bool single_segment;
	size_t len;

	if (zstd_take_le(&f->in, 4, &magic) || magic != MAGIC || zstd_take_le(&f->in, 1, &flags) ||
	    flags & 8)
		return -EINVAL;
	single_segment = flags & 0x20;
	if (!single_segment && zstd_take_le(&f->in, 1, &window))
		return -EINVAL;
	if (zstd_take_le(&f->in, id_bytes[flags & 3], &dictionary) || dictionary)
		return -EINVAL;
	len = size_bytes[flags >> 6];
	if (!len && single_segment)
		len = 1;
	if (zstd_take_le(&f->in, len, &content))
		return -EINVAL;
	f->content_bytes = content + (len == 2 ? 256 : 0);
	f->has_content_size = len;
	f->block_max_bytes =
		min_u64(single_segment ? f->content_bytes : window_bytes(window), BLOCK_MAX_BYTES);
	return 0;
}

ssize_t zstd_unpack(const void *in, size_t in_bytes, void *out, size_t out_bytes)
{
	struct frame f;
	bool last = false;

	f.in = (struct zstd_span){ in, in_bytes };
	f.out = out;
	f.done = 0;
	f.size = out_bytes;
	f.recent[0] = 1;
	f.recent[1] = 4;
	f.recent[2] = 8;
	f.huf.max_bits = 0;
	memset(f.has_fse, 0, sizeof(f.has_fse));
	if (read_header(&f))
		return -EINVAL;
	while (!last) {
		if (block(&f, &last))
			return -EINVAL;
	}
	if (f.has_content_size && f.done != f.content_bytes)
		return -EINVAL;
	return (ssize_t)f.done;
}
