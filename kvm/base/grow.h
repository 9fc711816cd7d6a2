/* SPDX-License-Identifier: GPL-2.0-only */
/* Makes room in arrays that grow as they are filled. */
#ifndef KVM_BASE_GROW_H
#define KVM_BASE_GROW_H

#include "kvm/types.h"

/*
 * Makes room in @array (from malloc(), or NULL) for @need elements of @element_bytes each; neither
 * is 0. *@room is how many elements it has room for now; if that is too little, it gets at least
 * twice as much. Returns the array, which may have moved, or NULL without memory: then nothing was
 * changed.
 */
void *grow_array(void *array, size_t *room, size_t need, size_t element_bytes);

#endif
