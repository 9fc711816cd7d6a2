/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes page walks with tables and control registers from the input.
 *
 * The input is CR0, CR3, CR4, EFER, RFLAGS, the address (8 bytes each), a byte of flags, then the
 * guest's memory from 0. A walk ends, is consistent, and can be printed.
 */
#include "x86/cpu/pagewalk.h"

#include <stdlib.h>
#include <string.h>

#define RAM_BYTES (64 * KIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct pagewalk *w)
{
	if (w->nr > WALK_MAX_LEVELS || (w->result == WALK_OK && !w->mapped) ||
	    w->level > WALK_MAX_LEVELS)
		abort();
	if (w->page_bytes && (w->gpa & (w->page_bytes - 1)) != (w->gva & (w->page_bytes - 1)))
		abort();
}

static void print(const struct pagewalk *w, const struct gmem *mem, const struct pagewalk *like)
{
	char buf[4096];
	FILE *f = fmemopen(buf, sizeof(buf), "w");

	pagewalk_print(f, w, mem, like);
	fclose(f);
}

static void walk_all(const struct gmem *mem, const struct paging *p, uint64_t gva)
{
	struct pagewalk w, last;
	uint8_t buf[8192];

	pagewalk(&last, mem, p, gva ^ 0x1000, WALK_READ);
	for (int access = WALK_READ; access <= WALK_FETCH; access++) {
		pagewalk(&w, mem, p, gva, (enum walk_access)access);
		check(&w);
		if (walk_error_code(&w, p, (enum walk_access)access) > 31)
			abort();
	}
	print(&w, mem, &last);
	if (gva_read(mem, p, gva, buf, sizeof(buf)) > sizeof(buf))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gmem mem;
	uint64_t value[6];
	struct paging p;

	if (size < sizeof(value) + 1)
		return 0;
	memcpy(value, data, sizeof(value));
	data += sizeof(value);
	size -= sizeof(value) + 1;
	p = (struct paging){ value[0], value[1],    value[2],	 value[3],
			     value[4], data[0] & 1, data[0] >> 1 };
	gmem_init(&mem);
	if (gmem_add(&mem, 0, RAM_BYTES, GMEM_NORMAL))
		abort();
	gmem_write(&mem, 0, data + 1, min_u64(size, RAM_BYTES));
	walk_all(&mem, &p, value[5]);
	gmem_fini(&mem);
	return 0;
}
