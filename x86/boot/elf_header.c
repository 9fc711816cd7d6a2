/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads ELF headers of both classes into one form, for loading kernels and finding their symbols.
 *
 * System V ABI, "ELF-64 Object File Format" and its 32-bit form. The file is not trusted: every
 * header that is read lies inside it. Pure, except for the caller's read(). Thread: any.
 */
#include "elf_header.h"

#include <errno.h>
#include <string.h>

bool elf_header_read(struct elf_file *f, const uint8_t *head, size_t len)
{
	Elf32_Ehdr h;

	f->bits = 0;
	if (len < sizeof(f->header) || head[EI_DATA] != ELFDATA2LSB)
		return false;
	if (head[EI_CLASS] == ELFCLASS64) {
		memcpy(&f->header, head, sizeof(f->header));
		f->bits = 64;
	} else if (head[EI_CLASS] == ELFCLASS32) {
		memcpy(&h, head, sizeof(h));
		f->header = (Elf64_Ehdr){
			.e_type = h.e_type,
			.e_machine = h.e_machine,
			.e_entry = h.e_entry,
			.e_phoff = h.e_phoff,
			.e_phentsize = h.e_phentsize,
			.e_phnum = h.e_phnum,
			.e_shoff = h.e_shoff,
			.e_shentsize = h.e_shentsize,
			.e_shnum = h.e_shnum,
		};
		f->bits = 32;
	}
	return f->bits;
}

/* Reads entry @i of the table at @table, whose entries have @bytes each. */
static int read_entry(const struct elf_file *f, uint64_t table, unsigned int i, void *to,
		      size_t bytes)
{
	uint64_t distance = (uint64_t)i * bytes;

	if (table > f->file_bytes || distance > f->file_bytes - table ||
	    bytes > f->file_bytes - table - distance)
		return -ENOEXEC;
	return f->read(f->ctx, to, bytes, table + distance);
}

int elf_header_segment(const struct elf_file *f, unsigned int i, Elf64_Phdr *p)
{
	Elf32_Phdr p32;
	int err;

	if (f->bits == 64)
		return read_entry(f, f->header.e_phoff, i, p, sizeof(*p));
	err = read_entry(f, f->header.e_phoff, i, &p32, sizeof(p32));
	if (!err)
		*p = (Elf64_Phdr){ p32.p_type,	p32.p_flags,  p32.p_offset, p32.p_vaddr,
				   p32.p_paddr, p32.p_filesz, p32.p_memsz,  p32.p_align };
	return err;
}

int elf_header_section(const struct elf_file *f, unsigned int i, Elf64_Shdr *s)
{
	Elf32_Shdr s32;
	int err;

	if (f->bits == 64)
		return read_entry(f, f->header.e_shoff, i, s, sizeof(*s));
	err = read_entry(f, f->header.e_shoff, i, &s32, sizeof(s32));
	if (!err)
		*s = (Elf64_Shdr){ .sh_type = s32.sh_type,
				   .sh_offset = s32.sh_offset,
				   .sh_size = s32.sh_size,
				   .sh_link = s32.sh_link };
	return err;
}
