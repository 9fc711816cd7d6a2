/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory of whole pages, zeroed, that costs nothing until it is touched: for large objects of which
 * most machines use a part only. calloc(3) would clear them.
 */
#ifndef KVM_PAGES_H
#define KVM_PAGES_H

#include <stddef.h>

/* NULL: no memory. pages_free() takes the same @bytes, and NULL. Any thread. */
void *pages_alloc(size_t bytes);
void pages_free(void *pages, size_t bytes);

#endif
