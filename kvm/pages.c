/* SPDX-License-Identifier: GPL-2.0-only */
/* Pages from the host's kernel, see pages.h. */
#include "kvm/pages.h"

#include <sys/mman.h>

void *pages_alloc(size_t bytes)
{
	void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return pages == MAP_FAILED ? NULL : pages;
}

void pages_free(void *pages, size_t bytes)
{
	if (pages)
		munmap(pages, bytes);
}
