// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the addresses of a stripped kernel's symbols from the kernel's own symbol table: kallsyms
 * VMLINUX NAME..., one "ADDRESS NAME" a line.
 *
 * It is linked with the launcher's library, which finds the table in a guest's memory; here the
 * file is that memory.
 */
#include "x86/linux/linux.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MEMORY_BYTES (256 * MIB)

int main(int argc, char **argv)
{
	FILE *f = argc > 2 ? fopen(argv[1], "rb") : NULL;
	struct symbols *s = symbols_create();
	struct gmem mem;
	gpa_t at = 0;

	gmem_init(&mem);
	if (!f || !s || gmem_add(&mem, 0, MEMORY_BYTES, GMEM_NORMAL) ||
	    !fread(gmem_at(&mem, 0, MEMORY_BYTES), 1, MEMORY_BYTES, f) ||
	    kallsyms_load(s, &mem, &at)) {
		fprintf(stderr,
			"usage: kallsyms VMLINUX NAME..., of an unpacked kernel with CONFIG_KALLSYMS\n");
		return 1;
	}
	symbols_finish(s);
	for (int i = 2; i < argc; i++) {
		uint64_t addr;

		if (!symbols_lookup(s, argv[i], &addr))
			return 1;
		printf("%016" PRIx64 " %s\n", addr, argv[i]);
	}
	symbols_destroy(s);
	gmem_fini(&mem);
	fclose(f);
	return 0;
}
