/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocates whole pages of zeroed memory that cost nothing until they are touched: for large
 * objects of which most machines use a part only. calloc(3) would clear them.
 */
#ifndef KVM_PAGES_H
#define KVM_PAGES_H

#include <stddef.h>

/*
 * pages_alloc() returns NULL without memory. pages_free() takes the same @bytes, and NULL.
 * Thread: any.
 */
void *pages_alloc(size_t bytes);
void pages_free(void *pages, size_t bytes);

#endif
