/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the Multiboot recogniser.
 *
 * The input is a header without its magic and checksum, which this target corrects: for version 1
 * if its first byte is even. The rest of the file follows it. Half of the inputs are in an ELF
 * file.
 */
#include "boot_fuzz.h"

#include <elf.h>

#define MAX_BYTES 32768
#define HEADER_OFFSET 512
#define TEXT_GPA (2 * MIB)
#define V1_MAGIC 0x1badb002U
#define V2_MAGIC 0xe85250d6U

static void put_elf(uint8_t *file, size_t size)
{
	Elf64_Ehdr e = { .e_type = ET_EXEC,
			 .e_machine = EM_X86_64,
			 .e_entry = TEXT_GPA,
			 .e_phoff = sizeof(e),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 1 };
	Elf64_Phdr p = {
		.p_type = PT_LOAD, .p_paddr = TEXT_GPA, .p_filesz = size, .p_memsz = size
	};

	memcpy(e.e_ident, ELFMAG "\2\1\1", 7);
	memcpy(file, &e, sizeof(e));
	memcpy(file + sizeof(e), &p, sizeof(p));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t file[HEADER_OFFSET + MAX_BYTES];
	uint32_t words[4];

	if (size < 1 + sizeof(words) || size > MAX_BYTES)
		return 0;
	memset(file, 0, HEADER_OFFSET);
	memcpy(file + HEADER_OFFSET, data + 1, size - 1);
	memcpy(words, data + 1, sizeof(words));
	words[0] = data[0] & 1 ? V2_MAGIC : V1_MAGIC;
	if (data[0] & 1)
		words[3] = -(words[0] + words[1] + words[2]);
	else
		words[2] = -(words[0] + words[1]);
	memcpy(file + HEADER_OFFSET, words, sizeof(words));
	if (data[0] & 2)
		put_elf(file, HEADER_OFFSET + size - 1);
	fuzz_image(file, HEADER_OFFSET + size - 1, NULL);
	return 0;
}
