/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the DEFLATE decoder: one stream for each kind of block, every malformation, every place to
 * end early.
 *
 * tests/tools/inflate_check.py checks it against zlib.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virtio/qcow2/inflate.h"

#include "kvm/types.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Made by zlib; the last one has an empty block first. */
static const unsigned char stored[] = { 0x01, 0x05, 0x00, 0xfa, 0xff, 'h', 'e', 'l', 'l', 'o' };
static const unsigned char fixed[] = { 0x2b, 0xc9, 0x57, 0x48, 0x4a, 0x55, 0xc8, 0x2f, 0x52, 0xc8,
				       0xcb, 0x2f, 0x51, 0x28, 0x01, 0x71, 0x74, 0x14, 0x4a, 0x32,
				       0x12, 0x4b, 0x14, 0x32, 0x8b, 0x21, 0x5c, 0x00 };
static const unsigned char transmitted[] = { 0x55, 0x8d, 0xc1, 0x09, 0x00, 0x30, 0x0c, 0x02,
					     0x67, 0xf3, 0x8a, 0xfb, 0xaf, 0xd4, 0x46, 0x5a,
					     0xa1, 0x3e, 0x02, 0x9a, 0x13, 0x05, 0xb6, 0xd7,
					     0x93, 0x41, 0x12, 0x24, 0x4d, 0x7e, 0xee, 0x58,
					     0x8d, 0x28, 0x99, 0x2f, 0x21, 0xdd, 0x7e, 0x48,
					     0xdd, 0x3e, 0x2e, 0x18, 0xab, 0x7f, 0x68, 0x03 };
static const unsigned char two[] = { 0x00, 0x00, 0x00, 0xff, 0xff, 0x01, 0x05, 0x00,
				     0xfa, 0xff, 'h',  'e',  'l',  'l',	 'o' };

static const struct {
	const unsigned char *in;
	size_t len;
	const char *text;
} streams[] = {
	{ stored, sizeof(stored), "hello" },
	{ fixed, sizeof(fixed), "to be or not to be, that is to be" },
	{ transmitted, sizeof(transmitted),
	  "ABBEEECCCCCCCCCEBBAAABBBBEEEEECCCEEEBBBBAAAAABEECCCCCCCEEEEEBAABBBEEEECCCCCCEEBBBAAAABBBBBECCCCCEEEEBBBBBABBEEECCCCCCCCC" },
	{ two, sizeof(two), "hello" },
};

/* Input and output have their exact size, so that ASan sees accesses beyond them. */
static ssize_t unpack(const void *in, size_t in_bytes, size_t out_bytes, const char *text)
{
	unsigned char *from = malloc(in_bytes ? in_bytes : 1),
		      *to = malloc(out_bytes ? out_bytes : 1);
	ssize_t n;

	memcpy(from, in, in_bytes);
	n = inflate_raw(from, in_bytes, to, out_bytes);
	assert_true(n <= (ssize_t)out_bytes);
	if (n > 0 && text)
		assert_memory_equal(to, text, n);
	free(from);
	free(to);
	return n;
}

static void test_each_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
		size_t len = strlen(streams[i].text);

		assert_int_equal(unpack(streams[i].in, streams[i].len, len + 9, streams[i].text),
				 len);
		for (size_t out = 1; out <= len; out++)
			assert_int_equal(
				unpack(streams[i].in, streams[i].len, out, streams[i].text), out);
	}
}

static void test_truncated(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
		for (size_t len = 0; len < streams[i].len; len++)
			assert_int_equal(unpack(streams[i].in, len, 1000, NULL), -EINVAL);
	}
}

/*
 * A stream as a string of bits, as in the RFC: numbers lowest bit first; '|' is only a separator.
 */
static ssize_t unpack_bits(const char *bits)
{
	unsigned char in[64] = { 0 };
	unsigned int nr = 0;

	for (; *bits; bits++) {
		if (*bits == '|')
			continue;
		in[nr / 8] |= (unsigned char)((*bits - '0') << nr % 8);
		nr++;
	}
	assert_true(nr <= 8 * sizeof(in));
	return unpack(in, sizeof(in), 1000, NULL);
}

#define FIXED "1|10|"
#define A "10010001|" /* 'a' */

static void test_malformed(void **state)
{
	static const struct {
		const char *bits;
		ssize_t want;
	} list[] = {
		{ "1|11|", -EINVAL },					     /* no such block */
		{ "1|00|00000|1000000000000000|0111111111111110", -EINVAL }, /* lengths differ */
		{ FIXED A "0000000", 1 },				     /* "a" */
		{ FIXED A "0000001|00000|0000000", 4 },			     /* and 3 from 1 back */
		{ FIXED A "0000001|00001|0000000", -EINVAL },		     /* from 2 back */
		/* from before the output */
		{ FIXED "0000001|00000|0000000", -EINVAL },
		{ FIXED A "11000101|00000|0000000", 259 },     /* the longest */
		{ FIXED A "11000110|00000|0000000", -EINVAL }, /* symbol 286 */
		{ FIXED A "0000001|11110|0000000", -EINVAL },  /* distance 30 */
		{ "1|01|01111|00000|0000", -EINVAL },	       /* 287 literals */
		{ "1|01|00000|01111|0000", -EINVAL },	       /* 31 distances */
		/* 3 words of one bit */
		{ "1|01|00000|00000|0000|100|100|100|000", -EINVAL },
		/* 2 words of two bits */
		{ "1|01|00000|00000|0000|000|000|010|010", -EINVAL },
		{ "1|01|00000|00000|0000|100|000|000|100|1", -EINVAL }, /* repeats nothing */
		/* 276 lengths */
		{ "1|01|00000|00000|0000|000|000|100|100|1|1111111|1|1111111", -EINVAL },
		{ "1|01|00000|00000|0000|000|000|100|100|1|1111111|1|1010111",
		  -EINVAL }, /* no end of block */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		if (unpack_bits(list[i].bits) != list[i].want)
			fail_msg("%s gives %zd", list[i].bits, unpack_bits(list[i].bits));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_kind),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
