/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Queues the bytes of consoles: output that waits for the host, input that waits for the guest.
 *
 * The capacity is a power of two, so that an index wraps by a mask. Invariants: len <= cap, and
 * head == 0 whenever the ring is empty, so that a queue that is emptied now and then is written out
 * in one piece. The queue has no lock of its own, and knows nothing of descriptors.
 */
#include "byte_ring.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool grow(struct byte_ring *r, size_t cap)
{
	uint8_t *data = malloc(cap);
	size_t first = r->cap - r->head;

	if (!data)
		return false;
	if (r->len) {
		if (first > r->len)
			first = r->len;
		memcpy(data, r->data + r->head, first);
		memcpy(data + first, r->data, r->len - first);
	}
	free(r->data);
	r->data = data;
	r->cap = cap;
	r->head = 0;
	return true;
}

bool byte_ring_reserve(struct byte_ring *r, size_t len, size_t max_bytes)
{
	size_t cap = r->cap ? r->cap : BYTE_RING_MIN_BYTES;

	if (len <= byte_ring_room(r))
		return true;
	if (r->len > max_bytes || len > max_bytes - r->len)
		return false;
	while (cap - r->len < len)
		cap *= 2;
	return grow(r, cap);
}

void byte_ring_write(struct byte_ring *r, const uint8_t *bytes, size_t len)
{
	size_t at, first;

	assert(len <= byte_ring_room(r));
	if (!len)
		return;
	at = (r->head + r->len) & (r->cap - 1);
	first = r->cap - at < len ? r->cap - at : len;
	memcpy(r->data + at, bytes, first);
	memcpy(r->data, bytes + first, len - first);
	r->len += len;
}

const uint8_t *byte_ring_peek(const struct byte_ring *r, size_t skip, size_t *len)
{
	size_t at, left;

	*len = 0;
	if (skip >= r->len)
		return NULL;
	at = (r->head + skip) & (r->cap - 1);
	left = r->len - skip;
	*len = r->cap - at < left ? r->cap - at : left;
	return r->data + at;
}

void byte_ring_drop(struct byte_ring *r, size_t len)
{
	if (len >= r->len) {
		r->head = 0;
		r->len = 0;
		return;
	}
	r->head = (r->head + len) & (r->cap - 1);
	r->len -= len;
}

void byte_ring_free(struct byte_ring *r)
{
	free(r->data);
	*r = (struct byte_ring){ 0 };
}
