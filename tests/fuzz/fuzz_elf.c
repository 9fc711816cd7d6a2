/* SPDX-License-Identifier: GPL-2.0-only */
/* Fuzzes the ELF recogniser: whatever the input, it begins like an ELF file for x86. */
#include "boot_fuzz.h"

#include <elf.h>

#define MAX_BYTES 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t file[MAX_BYTES];
	Elf64_Ehdr head;

	if (size < sizeof(head) || size > MAX_BYTES)
		return 0;
	memcpy(file, data, size);
	/* these fields have the same offsets in both classes */
	memcpy(&head, file, sizeof(head));
	memcpy(head.e_ident, ELFMAG, SELFMAG);
	head.e_ident[EI_CLASS] = head.e_ident[EI_CLASS] & 1 ? ELFCLASS32 : ELFCLASS64;
	head.e_ident[EI_DATA] = ELFDATA2LSB;
	head.e_type = ET_EXEC;
	head.e_machine = EM_X86_64;
	memcpy(file, &head, sizeof(head));
	fuzz_image(file, size, NULL);
	return 0;
}
