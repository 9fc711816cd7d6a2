/* SPDX-License-Identifier: GPL-2.0-only */
/* Doubles arrays that are full, so that the time to fill one is in proportion to its length. */
#include "grow.h"

#include <stdlib.h>

#define FIRST_BYTES 512

void *grow_array(void *array, size_t *room, size_t need, size_t element_bytes)
{
	size_t more = *room ? *room : FIRST_BYTES / element_bytes + 1, bytes;

	if (need <= *room)
		return array;
	while (more < need) {
		if (__builtin_mul_overflow(more, 2, &more))
			return NULL;
	}
	if (__builtin_mul_overflow(more, element_bytes, &bytes))
		return NULL;
	array = realloc(array, bytes);
	if (array)
		*room = more;
	return array;
}
