/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the DEFLATE decoder with an untrusted stream. The first two bytes are the output's size.
 *
 * Input and output have their exact size, so that ASan sees accesses beyond them. With half the
 * room, the first half comes out; or no error, if it is full before the error.
 */
#include "virtio/qcow2/inflate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t room, half;
	unsigned char *in, *whole, *part;
	ssize_t got, again;

	if (size < 3)
		return 0;
	room = 1 + (data[0] | (size_t)data[1] << 8);
	half = (room + 1) / 2;
	size -= 2;
	in = malloc(size);
	whole = malloc(room);
	part = malloc(half);
	memcpy(in, data + 2, size);
	got = inflate_raw(in, size, whole, room);
	again = inflate_raw(in, size, part, half);
	if (got > (ssize_t)room || again > (ssize_t)half)
		abort();
	if (got >= 0 && (again != (got < (ssize_t)half ? got : (ssize_t)half) ||
			 memcmp(whole, part, (size_t)again)))
		abort();
	free(in);
	free(whole);
	free(part);
	return 0;
}
