/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the headers of an ELF file of either class (ELF header, program and section headers) in the
 * form of the 64-bit class.
 */
#ifndef X86_BOOT_ELF_HEADER_H
#define X86_BOOT_ELF_HEADER_H

#include "kvm/types.h"

#include <elf.h>

struct elf_file {
	/* Set by the caller: reads @len bytes at @offset, which lie in the file; 0 or -errno. */
	int (*read)(void *ctx, void *to, uint64_t len, uint64_t offset);
	void *ctx;
	uint64_t file_bytes;

	unsigned int bits; /* 64 or 32; 0: not read yet */
	Elf64_Ehdr header;
};

/* Sizes of the class's headers in the file, to compare with e_phentsize and e_shentsize. */
static inline size_t elf_header_segment_bytes(const struct elf_file *f)
{
	return f->bits == 64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
}

static inline size_t elf_header_section_bytes(const struct elf_file *f)
{
	return f->bits == 64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
}

/*
 * Takes bits and header from @head, the file's first @len bytes. Returns false if it is incomplete,
 * has another byte order or an unknown class. The caller checks the magic number.
 */
bool elf_header_read(struct elf_file *f, const uint8_t *head, size_t len);

/*
 * Reads the @i'th program or section header. Returns 0, the result of read(), or -ENOEXEC if it
 * lies outside the file. The caller checks what the header names, and how many headers there are.
 */
int elf_header_segment(const struct elf_file *f, unsigned int i, Elf64_Phdr *p);
int elf_header_section(const struct elf_file *f, unsigned int i, Elf64_Shdr *s);

#endif
