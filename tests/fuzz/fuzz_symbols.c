/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the symbol tables with an untrusted vmlinux or System.map.
 *
 * A symbol that is found is printable and fits; KASLR's slide is a multiple of 2 MiB below 1 GiB.
 */
#include "x86/linux/symbols.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct symbols_anchors anchors = { .lstar = 0xffffffffa1c00000, .page_fault = 0x100000 };
	struct symbols *s = symbols_create();
	uint64_t addr = 0, moved;
	char text[40];

	if (!symbols_parse(s, data, size)) {
		for (size_t i = 0; i + 8 <= size && i < 256; i += 8) {
			memcpy(&addr, data + i, 8);
			symbols_text(s, addr, text, sizeof(text));
			for (const char *c = text; *c; c++) {
				if (*c <= ' ' || *c > '~')
					abort();
			}
			symbols_return_text(s, addr, text, sizeof(text));
		}
		if (symbols_lookup(s, "entry_SYSCALL_64", &addr) &&
		    symbols_find_slide(s, &anchors) &&
		    symbols_lookup(s, "entry_SYSCALL_64", &moved) &&
		    ((moved - addr) & (2 * MIB - 1) || moved - addr >= GIB))
			abort();
	}
	symbols_destroy(s);
	return 0;
}
