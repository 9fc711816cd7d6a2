/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A queue of bytes in one buffer that wraps, and that grows by doubling up to a limit of its owner.
 * Nothing is allocated before the first byte. Locks: the owner's.
 */
#ifndef KVM_BASE_BYTE_RING_H
#define KVM_BASE_BYTE_RING_H

#include "kvm/types.h"

#define BYTE_RING_MIN_BYTES 4096

struct byte_ring {
	uint8_t *data;
	size_t cap;  /* a power of two, or 0 */
	size_t head; /* index of the oldest byte */
	size_t len;
};

/*
 * Makes room for @len more bytes, allocating at most @max_bytes (a power of two) in all. Returns
 * false without memory, or if that is not enough.
 */
bool byte_ring_reserve(struct byte_ring *r, size_t len, size_t max_bytes);

static inline size_t byte_ring_room(const struct byte_ring *r)
{
	return r->cap - r->len;
}

/* Appends a byte. There must be room. */
static inline void byte_ring_put(struct byte_ring *r, uint8_t byte)
{
	r->data[(r->head + r->len) & (r->cap - 1)] = byte;
	r->len++;
}

/* Appends bytes. There must be room for all. */
void byte_ring_write(struct byte_ring *r, const uint8_t *bytes, size_t len);

/*
 * Returns the contiguous bytes that begin @skip bytes after the oldest; *@len is 0 if there are
 * none.
 */
const uint8_t *byte_ring_peek(const struct byte_ring *r, size_t skip, size_t *len);

/* Drops the @len oldest bytes, at most all. */
void byte_ring_drop(struct byte_ring *r, size_t len);

/* Frees the memory; the ring is then empty, and usable again. */
void byte_ring_free(struct byte_ring *r);

#endif
