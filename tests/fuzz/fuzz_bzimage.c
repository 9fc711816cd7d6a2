/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the image loader with any file; its seeds are bzImages. The file's last byte but one
 * chooses the entry.
 */
#include "boot_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct boot_how how = { .load_gpa = BOOT_LOAD_ANYWHERE };

	if (size >= 2)
		how.wish = (enum boot_wish)(data[size - 2] % 5);
	fuzz_image(data, size, &how);
	return 0;
}
