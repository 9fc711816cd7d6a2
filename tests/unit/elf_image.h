/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes a small ELF kernel, two segments and a note in either class, for tests. Tests change its
 * fields by name.
 */
#ifndef TESTS_ELF_IMAGE_H
#define TESTS_ELF_IMAGE_H

#include "kernel_image.h"

#include <elf.h>

#define ELF_TEXT_OFFSET 4096
#define ELF_TEXT_BYTES 8192
#define ELF_IMAGE_BYTES (ELF_TEXT_OFFSET + ELF_TEXT_BYTES)
#define ELF_TEXT_GPA (16 * MIB)
#define ELF_DATA_GPA (18 * MIB)
#define ELF_NOTE_OFFSET 1024
#define ELF_VIRTUAL 0xffffffff80000000ULL
#define ELF_PVH_ENTRY (ELF_TEXT_GPA + 0x40)

enum { PH_TEXT, PH_DATA, PH_NOTE, NR_PH };

struct elf_image {
	uint8_t bytes[ELF_IMAGE_BYTES];
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr[NR_PH];
	struct {
		Elf64_Nhdr nhdr;
		char name[4];
		uint64_t entry;
	} note;
	size_t len;
};

static inline void elf_init(struct elf_image *e)
{
	memset(e, 0, sizeof(*e));
	for (unsigned int i = ELF_TEXT_OFFSET; i < ELF_IMAGE_BYTES; i++)
		e->bytes[i] = (uint8_t)(i * 7 + i / 256 + 1);
	e->len = ELF_IMAGE_BYTES;
	memcpy(e->ehdr.e_ident, ELFMAG "\2\1\1", 7);
	e->ehdr.e_type = ET_EXEC;
	e->ehdr.e_machine = EM_X86_64;
	e->ehdr.e_entry = ELF_TEXT_GPA;
	e->ehdr.e_phoff = sizeof(Elf64_Ehdr);
	e->ehdr.e_phentsize = sizeof(Elf64_Phdr);
	e->ehdr.e_phnum = NR_PH;
	e->phdr[PH_TEXT] = (Elf64_Phdr){ PT_LOAD,	  PF_R | PF_X,
					 ELF_TEXT_OFFSET, ELF_VIRTUAL + ELF_TEXT_GPA,
					 ELF_TEXT_GPA,	  ELF_TEXT_BYTES,
					 ELF_TEXT_BYTES,  4096 };
	e->phdr[PH_DATA] = (Elf64_Phdr){ PT_LOAD,
					 PF_R | PF_W,
					 ELF_TEXT_OFFSET,
					 ELF_VIRTUAL + ELF_DATA_GPA,
					 ELF_DATA_GPA,
					 100,
					 MIB,
					 4096 };
	e->phdr[PH_NOTE] =
		(Elf64_Phdr){ PT_NOTE, PF_R, ELF_NOTE_OFFSET, 0, 0, sizeof(e->note), 0, 4 };
	e->note.nhdr = (Elf64_Nhdr){ 4, 8, 18 };
	memcpy(e->note.name, "Xen", 4);
	e->note.entry = ELF_PVH_ENTRY;
}

/* Converts ehdr and phdr to their 32-bit form. */
static inline void elf_write32(struct elf_image *e)
{
	Elf32_Ehdr h = { .e_type = e->ehdr.e_type,
			 .e_machine = EM_386,
			 .e_entry = (uint32_t)e->ehdr.e_entry,
			 .e_phoff = sizeof(h),
			 .e_phentsize = sizeof(Elf32_Phdr),
			 .e_phnum = NR_PH };

	memcpy(h.e_ident, ELFMAG "\1\1\1", 7);
	memcpy(e->bytes, &h, sizeof(h));
	for (unsigned int i = 0; i < NR_PH; i++) {
		const Elf64_Phdr *p = &e->phdr[i];
		Elf32_Phdr p32 = { p->p_type,
				   (uint32_t)p->p_offset,
				   (uint32_t)p->p_vaddr,
				   (uint32_t)p->p_paddr,
				   (uint32_t)p->p_filesz,
				   (uint32_t)p->p_memsz,
				   p->p_flags,
				   (uint32_t)p->p_align };

		memcpy(e->bytes + sizeof(h) + i * sizeof(p32), &p32, sizeof(p32));
	}
	memcpy(e->bytes + ELF_NOTE_OFFSET, &e->note, sizeof(e->note));
}

static inline void elf_write64(struct elf_image *e)
{
	memcpy(e->bytes, &e->ehdr, sizeof(e->ehdr));
	memcpy(e->bytes + sizeof(e->ehdr), e->phdr, sizeof(e->phdr));
	memcpy(e->bytes + ELF_NOTE_OFFSET, &e->note, sizeof(e->note));
}

static inline int elf_open(struct elf_image *e, struct boot_image *img, const struct boot_how *how)
{
	elf_write64(e);
	return boot_open_fd(img, bytes_fd(e->bytes, e->len), "the-image", how);
}

static inline int elf_open32(struct elf_image *e, struct boot_image *img,
			     const struct boot_how *how)
{
	elf_write32(e);
	return boot_open_fd(img, bytes_fd(e->bytes, e->len), "the-image", how);
}

#endif
