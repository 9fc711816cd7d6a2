/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The image loader on any file, by the entry that its last byte but one chooses; its seeds are
 * bzImages.
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
