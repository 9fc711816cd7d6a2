/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Searches guest memory for bytes.
 *
 * A machine of many GiB has touched few of them. Pages that the host has never allocated are zeros:
 * the search does not read them, because that would allocate them. (A page that was swapped out
 * counts as never touched.)
 */
#include "kvm/gmem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_BYTES 4096ULL
/* How many pages one mincore() call covers. */
#define ASK_PAGES 4096U

/*
 * Finds the next stretch of allocated pages at or after *@at, in a region of @size bytes at @hva.
 * Returns its length in bytes, and its start in *@at; 0 if there is none.
 */
static uint64_t next_stretch(const uint8_t *hva, uint64_t size, uint64_t *at)
{
	unsigned char there[ASK_PAGES];

	for (uint64_t from = align_down(*at, PAGE_BYTES); from < size;) {
		uint64_t bytes = min_u64(size - from, ASK_PAGES * PAGE_BYTES);
		unsigned int nr = (unsigned int)(bytes / PAGE_BYTES), first = 0, end;

		if (mincore((void *)(uintptr_t)(hva + from), bytes, there) < 0)
			memset(there, 1, sizeof(there));
		while (first < nr && !(there[first] & 1))
			first++;
		for (end = first; end < nr && there[end] & 1;)
			end++;
		if (first < nr) {
			*at = max_u64(*at, from + first * PAGE_BYTES);
			return from + end * PAGE_BYTES - *at;
		}
		from += bytes;
	}
	return 0;
}

/* Whether the page that begins at @offset is allocated, so that a match may continue in it. */
static bool goes_on(const struct gmem_region *r, uint64_t offset)
{
	unsigned char there = 0;

	return offset < r->size_bytes && is_aligned(offset, PAGE_BYTES) &&
	       !mincore(r->hva + offset, PAGE_BYTES, &there) && there & 1;
}

static bool find_in_region(const struct gmem_region *r, gpa_t *at, const void *pattern, size_t len)
{
	uint64_t offset = *at > r->gpa ? *at - r->gpa : 0, stretch;

	while (offset < r->size_bytes &&
	       (stretch = next_stretch(r->hva, r->size_bytes, &offset)) > 0) {
		/*
		 * A match may end in the next stretch. But to read a byte of a page that is not
		 * allocated would allocate it, and with it the next 2 MiB, and so on to the end of
		 * memory.
		 */
		uint64_t ahead = goes_on(r, offset + stretch) ? min_u64(len - 1, PAGE_BYTES) : 0;
		uint64_t look = min_u64(stretch + ahead, r->size_bytes - offset);
		const uint8_t *found = memmem(r->hva + offset, look, pattern, len);

		if (found) {
			*at = r->gpa + (uint64_t)(found - r->hva);
			return true;
		}
		offset += stretch;
	}
	return false;
}

bool gmem_find(const struct gmem *m, gpa_t *at, const void *pattern, size_t len)
{
	for (unsigned int i = 0; i < m->nr_regions; i++) {
		const struct gmem_region *r = &m->region[i];

		if (*at < r->gpa + r->size_bytes && find_in_region(r, at, pattern, len))
			return true;
	}
	return false;
}
