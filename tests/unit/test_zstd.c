/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the Zstandard decoder: a frame for each kind of block and header, every place to end early,
 * and what a frame may not state.
 *
 * tests/tools/zstd_check.py checks it against libzstd.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virtio/qcow2/zstd.h"

#include "kvm/types.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "\x28\xb5\x2f\xfd"
#define WINDOW "\x00\x00" /* no size; a window of 1 KiB */

/* Made by zstd(1): Huffman codes with compressed weights, and sequences with all three tables. */
static const unsigned char packed[] = {
	0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x68, 0xf5, 0x03, 0x00, 0x82, 0x85, 0x10, 0x12, 0xa0, 0xbb,
	0x01, 0x00, 0x71, 0x89, 0xb6, 0x9b, 0x21, 0x0b, 0x0f, 0x67, 0x37, 0x3d, 0xca, 0xfd, 0x5f,
	0x35, 0x98, 0x98, 0x29, 0x04, 0x62, 0x8e, 0xcc, 0x44, 0x14, 0x60, 0xe9, 0xf6, 0x0d, 0xd3,
	0xd5, 0xc8, 0x35, 0x91, 0xe6, 0xbb, 0xc3, 0x90, 0x72, 0xd7, 0xed, 0x37, 0xd2, 0x54, 0x15,
	0x66, 0xe8, 0x4d, 0xb7, 0x75, 0xdf, 0x83, 0x43, 0x6f, 0xb2, 0x7d, 0xf0, 0x66, 0xf6, 0xc6,
	0xd7, 0x72, 0xee, 0x19, 0x20, 0x40, 0x8c, 0x04, 0xae, 0x0e, 0xad, 0x06, 0x61, 0x83, 0x2b,
	0x14, 0x6c, 0x27, 0x8c, 0x61, 0x7a, 0xd4, 0x38, 0x44, 0x58, 0x53, 0x11, 0x04, 0xa0, 0x0b,
	0x0c, 0xb8, 0x5e, 0xa4, 0x16, 0xdc, 0x03, 0x1a, 0x10, 0xe6, 0x54, 0x28, 0x58, 0x7d, 0x47,
	0x70, 0x5c, 0x6a, 0xf5, 0x43, 0x88, 0x6a, 0x25, 0x83, 0x34, 0x81, 0x32, 0xb4, 0xfd, 0x0b
};
static const char packed_text[] =
	"to be or not to be, that is to be; to be or not to be, that is to be; "
	"whether it is nobler to bear the slings or to take arms to end them, to be or not"
	"whether it is nobler to bear the slings or to take arms to end them, to be or not"
	"ABBEEECCCCCCCCCEBBAAABBBBEEEEECCCEEEBBBBAAAAABEECCCCCCCEEEEEBAABBBEEEECCCCCC"
	"EEBBBBAAAABBBBBECCCCCEEEEBBBBBABBEEECCCCCCCCC";

/* Input and output have their exact size, so that ASan sees accesses beyond them. */
static ssize_t unpack(const void *in, size_t in_bytes, size_t out_bytes, const char *text)
{
	unsigned char *from = malloc(in_bytes ? in_bytes : 1),
		      *to = malloc(out_bytes ? out_bytes : 1);
	ssize_t n;

	memcpy(from, in, in_bytes);
	n = zstd_unpack(from, in_bytes, to, out_bytes);
	assert_true(n <= (ssize_t)out_bytes);
	if (n > 0 && text)
		assert_memory_equal(to, text, n);
	free(from);
	free(to);
	return n;
}

static void test_packed(void **state)
{
	size_t len = strlen(packed_text);

	(void)state;
	assert_int_equal(unpack(packed, sizeof(packed), len, packed_text), len);
	assert_int_equal(unpack(packed, sizeof(packed), len + 9, packed_text), len);
	for (size_t room = 0; room < len; room++)
		assert_int_equal(unpack(packed, sizeof(packed), room, NULL), -EINVAL);
	for (size_t cut = 0; cut < sizeof(packed); cut++)
		assert_int_equal(unpack(packed, cut, len, NULL), -EINVAL);
}

#define FRAME(bytes) MAGIC bytes, sizeof(MAGIC bytes) - 1

/* A block's header: length << 3 | type << 1 | last, in three bytes. */
static const struct {
	const char *what, *bytes;
	size_t len;
	const char *text; /* NULL: refused */
} frames[] = {
	{ "raw", FRAME(WINDOW "\x29\0\0hello"), "hello" },
	{ "raw, with its size", FRAME("\x20\x05\x29\0\0hello"), "hello" },
	{ "two raw", FRAME(WINDOW "\x10\0\0he\x19\0\0llo"), "hello" },
	{ "empty", FRAME(WINDOW "\x01\0\0"), "" },
	{ "RLE", FRAME(WINDOW "\x1b\0\0a"), "aaa" },
	{ "literals alone", FRAME(WINDOW "\x1d\0\0\x08z\0"), "z" },
	{ "RLE literals", FRAME(WINDOW "\x1d\0\0\x21z\0"), "zzzz" },
	/* no literals; tables of one symbol: length 1, offset 1 << 0 = the last one, 1; length 3 */
	{ "a match", FRAME(WINDOW "\x45\0\0\x08z\x01\x54\x01\0\0\x01"), "zzzz" },
	{ "a match without a state's end", FRAME(WINDOW "\x45\0\0\x08z\x01\x54\x01\0\0\0"), NULL },
	{ "a match with bits left", FRAME(WINDOW "\x45\0\0\x08z\x01\x54\x01\0\0\x02"), NULL },
	{ "more literals than there are", FRAME(WINDOW "\x45\0\0\x08z\x01\x54\x02\0\0\x01"), NULL },
	/* offset code 1 and its bit: 2, the one before the last, 4 */
	{ "a match from before the output", FRAME(WINDOW "\x45\0\0\x08z\x01\x54\x01\x01\0\x02"),
	  NULL },
	{ "an offset of 0", FRAME(WINDOW "\x45\0\0\x08z\x01\x54\0\x01\0\x03"), NULL },
	{ "a symbol that no length has", FRAME(WINDOW "\x45\0\0\x08z\x01\x54\x24\0\0\x01"), NULL },
	{ "the table before, which is none", FRAME(WINDOW "\x2d\0\0\x08z\x01\xfc\x01"), NULL },
	{ "reserved modes", FRAME(WINDOW "\x45\0\0\x08z\x01\x55\x01\0\0\x01"), NULL },
	{ "no sequence, and bytes left", FRAME(WINDOW "\x25\0\0\x08z\0\0"), NULL },
	{ "Huffman's code before, which is none", FRAME(WINDOW "\x2d\0\0\x13\0\x01\x01\0"), NULL },
	/* weights of 4 bits: 0, or one above 11, or a sum that the last cannot complete */
	{ "no weights", FRAME(WINDOW "\x3d\0\0\x12\xc0\0\x80\0\x01\0"), NULL },
	{ "a weight of 12", FRAME(WINDOW "\x3d\0\0\x12\xc0\0\x80\xc0\x01\0"), NULL },
	{ "weights 3, 1", FRAME(WINDOW "\x3d\0\0\x12\xc0\0\x81\x31\x01\0"), NULL },
	{ "another magic number", "\x29\xb5\x2f\xfd" WINDOW "\x01\0\0", 9, NULL },
	{ "a reserved flag", FRAME("\x08\0\x01\0\0"), NULL },
	{ "a dictionary", FRAME("\x01\0\x07\x01\0\0"), NULL },
	{ "another size than it states", FRAME("\x20\x06\x29\0\0hello"), NULL },
	{ "a reserved block", FRAME(WINDOW "\x2f\0\0hello"), NULL },
	{ "a block above the window", FRAME(WINDOW "\x0b\x20\0a"), NULL },
};

static void test_frames(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
		ssize_t n = unpack(frames[i].bytes, frames[i].len, 2000, frames[i].text),
			want = frames[i].text ? (ssize_t)strlen(frames[i].text) : -EINVAL;

		if (n != want)
			fail_msg("%s gives %zd, not %zd", frames[i].what, n, want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
