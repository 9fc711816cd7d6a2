/* SPDX-License-Identifier: GPL-2.0-only */
/* Makes room in arrays that grow as they are filled. */
#ifndef KVM_BASE_GROW_H
#define KVM_BASE_GROW_H

#include "kvm/types.h"

/*
 * Makes room in @array, from malloc() or NULL, for @need elements of @element_bytes each (neither
 * is 0); it has room for *@room of them, and gets at least twice as much when that is too little.
 * Returns the array, which may have moved, or NULL: then there is no memory, and nothing was
 * changed.
 */
void *grow_array(void *array, size_t *room, size_t need, size_t element_bytes);

#endif
