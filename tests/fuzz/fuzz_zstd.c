/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the Zstandard decoder with an untrusted frame. The first two bytes are the output's size.
 *
 * Input and output have their exact size, so that ASan sees accesses beyond them. What came out
 * must come out again with just that room, and must not with a byte less.
 */
#include "virtio/qcow2/zstd.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ssize_t unpack(const uint8_t *in, size_t size, size_t room, unsigned char **out)
{
	*out = malloc(room ? room : 1);
	return zstd_unpack(in, size, *out, room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *in, *whole, *again, *less;
	ssize_t got;

	if (size < 3)
		return 0;
	in = malloc(size - 2);
	memcpy(in, data + 2, size - 2);
	got = unpack(in, size - 2, 1 + (data[0] | (size_t)data[1] << 8), &whole);
	if (got > 0) {
		if (unpack(in, size - 2, (size_t)got, &again) != got ||
		    memcmp(whole, again, (size_t)got) ||
		    unpack(in, size - 2, (size_t)got - 1, &less) >= 0)
			abort();
		free(again);
		free(less);
	}
	free(whole);
	free(in);
	return 0;
}
