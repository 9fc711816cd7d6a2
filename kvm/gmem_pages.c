/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds the pages of guest memory that hold data, without touching any.
 *
 * /proc/self/pagemap shows for each page whether it is present or in swap
 * (Documentation/admin-guide/mm/pagemap.rst). It does not show two kinds of pages that hold data:
 *  - a page of a mapped file that has not been read yet;
 *  - a page of shared memory that only another process has touched.
 */
#include "kvm/gmem.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES 4096ULL
/* How many pages one query covers. */
#define ASK_PAGES 1024U
#define PAGEMAP_HELD (3ULL << 62) /* present, swapped */

void gmem_pages_open(struct gmem_pages *p)
{
	p->pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

void gmem_pages_close(struct gmem_pages *p)
{
	if (p->pagemap_fd >= 0)
		close(p->pagemap_fd);
	p->pagemap_fd = -1;
}

/*
 * Without the pagemap, mincore(2) shows all pages except those in swap. If that fails too, every
 * page counts as holding data.
 */
static void ask(const struct gmem_pages *p, const uint8_t *hva, unsigned int nr,
		bool held[ASK_PAGES])
{
	uint64_t entry[ASK_PAGES];
	unsigned char there[ASK_PAGES];
	size_t bytes = nr * sizeof(entry[0]);
	off_t at = (off_t)((uintptr_t)hva / PAGE_BYTES * sizeof(entry[0]));

	if (p->pagemap_fd >= 0 && pread(p->pagemap_fd, entry, bytes, at) == (ssize_t)bytes) {
		for (unsigned int i = 0; i < nr; i++)
			held[i] = entry[i] & PAGEMAP_HELD;
		return;
	}
	if (mincore((void *)(uintptr_t)hva, nr * PAGE_BYTES, there))
		memset(there, 1, sizeof(there));
	for (unsigned int i = 0; i < nr; i++)
		held[i] = there[i] & 1;
}

static void add_files(const struct gmem *m, const uint8_t *hva, unsigned int nr,
		      bool held[ASK_PAGES])
{
	for (unsigned int f = 0; f < m->nr_files; f++) {
		const uint8_t *from = m->file[f].hva, *end = from + m->file[f].size_bytes;

		for (unsigned int i = 0; i < nr; i++) {
			if (hva + i * PAGE_BYTES >= from && hva + i * PAGE_BYTES < end)
				held[i] = true;
		}
	}
}

/*
 * Finds the next data of shared memory: its file knows its holes, whichever process touched the
 * rest.
 */
static uint64_t next_data(const struct gmem_region *r, uint64_t *offset)
{
	off_t from = lseek(r->fd, (off_t)*offset, SEEK_DATA), end;

	if (from < 0 || (uint64_t)from >= r->size_bytes)
		return 0;
	end = lseek(r->fd, from, SEEK_HOLE);
	*offset = align_down((uint64_t)from, PAGE_BYTES);
	if (end <= from)
		return PAGE_BYTES;
	return min_u64(align_up((uint64_t)end, PAGE_BYTES), r->size_bytes) - *offset;
}

uint64_t gmem_next_held(const struct gmem_pages *p, const struct gmem *m, unsigned int region,
			uint64_t *offset)
{
	const struct gmem_region *r = &m->region[region];
	bool held[ASK_PAGES];

	if (r->backing == GMEM_SHARED)
		return *offset < r->size_bytes ? next_data(r, offset) : 0;
	for (uint64_t from = align_down(*offset, PAGE_BYTES); from < r->size_bytes;) {
		uint64_t bytes = min_u64(r->size_bytes - from, ASK_PAGES * PAGE_BYTES);
		unsigned int nr = (unsigned int)(bytes / PAGE_BYTES), first = 0, end;

		ask(p, r->hva + from, nr, held);
		add_files(m, r->hva + from, nr, held);
		while (first < nr && !held[first])
			first++;
		for (end = first; end < nr && held[end];)
			end++;
		if (first < nr) {
			*offset = from + first * PAGE_BYTES;
			return (end - first) * PAGE_BYTES;
		}
		from += bytes;
	}
	return 0;
}
