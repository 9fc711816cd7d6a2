/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gets pages from the host's kernel, see pages.h; under AddressSanitizer from its heap, so that it
 * finds leaks and overruns.
 */
#include "kvm/pages.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef __has_feature
#define CLANG_ASAN __has_feature(address_sanitizer)
#else
#define CLANG_ASAN 0
#endif

#if defined(__SANITIZE_ADDRESS__) || CLANG_ASAN

#define PAGE_BYTES 4096

void *pages_alloc(size_t bytes)
{
	size_t whole = (bytes + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1);
	void *pages = aligned_alloc(PAGE_BYTES, whole);

	return pages ? memset(pages, 0, whole) : NULL;
}

void pages_free(void *pages, size_t bytes)
{
	(void)bytes;
	free(pages);
}

#else

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

#endif
