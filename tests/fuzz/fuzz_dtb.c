/* SPDX-License-Identifier: GPL-2.0-only */
/* Fuzzes --dtb's file: an accepted tree can be walked to its end, and lies within its bytes. */
#include "x86/tables/fdt.h"

#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const void *fdt, int bytes)
{
	int depth = 0;

	for (int node = 0; node >= 0 && depth >= 0; node = fdt_next_node(fdt, node, &depth)) {
		int property;

		fdt_for_each_property_offset(property, fdt, node)
		{
			const char *name;
			int len;
			const uint8_t *value = fdt_getprop_by_offset(fdt, property, &name, &len);

			if (!value || !name || len < 0)
				abort();
			if (value < (const uint8_t *)fdt || len > bytes ||
			    value + len > (const uint8_t *)fdt + bytes)
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = NULL;
	void *blob = malloc(size ? size : 1); /* aligned, and ASan watches its end */
	int bytes;

	memcpy(blob, data, size);
	bytes = fdt_accept(blob, size, &why);
	if (bytes < 0 ? !why : (size_t)bytes > size)
		abort();
	if (bytes > 0)
		walk(blob, bytes);
	free(blob);
	return 0;
}
