/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the headers of an ELF file of either class: the ELF header, program and section headers,
 * each as the 64-bit class has it.
 */
#ifndef X86_BOOT_ELF_HEADER_H
#define X86_BOOT_ELF_HEADER_H

#include "kvm/types.h"

#include <elf.h>

struct elf_file {
	/* The caller's: reads @len bytes at @offset, which lie in the file. Returns 0 or -errno. */
	int (*read)(void *ctx, void *to, uint64_t len, uint64_t offset);
	void *ctx;
	uint64_t file_bytes;

	unsigned int bits; /* 64 or 32; 0: not read */
	Elf64_Ehdr header;
};

/* Sizes of the class's headers in the file, for comparing with e_phentsize and e_shentsize. */
static inline size_t elf_header_segment_bytes(const struct elf_file *f)
{
	return f->bits == 64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
}

static inline size_t elf_header_section_bytes(const struct elf_file *f)
{
	return f->bits == 64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
}

/*
 * Takes bits and header from @head, the file's first @len bytes. Returns false when it is cut, of
 * another byte order or of an unknown class. The magic number is the caller's to check.
 */
bool elf_header_read(struct elf_file *f, const uint8_t *head, size_t len);

/*
 * The @i'th program or section header. Returns 0, what read() returned, or -ENOEXEC: it lies
 * outside the file. What the header itself names is not checked, nor how many headers there are.
 */
int elf_header_segment(const struct elf_file *f, unsigned int i, Elf64_Phdr *p);
int elf_header_section(const struct elf_file *f, unsigned int i, Elf64_Shdr *s);

#endif
