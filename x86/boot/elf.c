/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recognising an ELF kernel: a vmlinux, or what else is linked for a bare machine.
 *
 * System V ABI, "ELF-64 Object File Format" and its 32-bit form, both read into one shape. Only the ELF header, the program
 * headers and the notes are read: with debug information such a file has hundreds of megabytes. A segment goes to its physical
 * address (p_paddr); what it has in memory beyond the file is zero there.
 *
 * Entries: the address in Xen's note 18 (XEN_ELFNOTE_PHYS32_ENTRY, 4 or 8 bytes) is PVH's; one of a Multiboot header is
 * multiboot.c's; else e_entry is Linux's, 64-bit or 32-bit by the file's class. e_entry may be virtual: then it is
 * translated by the segment that it lies in.
 *
 * The file is not trusted: each segment lies in the file and in kernels' memory, each entry inside a segment.
 */
#include "bootparts.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#define XEN_ELFNOTE_PHYS32_ENTRY 18
#define MAX_PROGRAM_HEADERS 128
#define NOTES_MAX_BYTES 8192 /* of a segment; Linux has some 500 */
#define DAMAGED "the file is damaged, copy or build it again"

/* Either class. */
struct elf_header {
	uint16_t type, machine, nr, entry_bytes;
	uint64_t entry, table;
};

struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, file_bytes, mem_bytes;
};

static bool take_header(const struct boot_image *img, const struct boot_head *head, struct elf_header *h)
{
	if (img->elf_bits == 64) {
		Elf64_Ehdr e;

		memcpy(&e, head->bytes, sizeof(e));
		*h = (struct elf_header){ e.e_type,	 e.e_machine, e.e_phnum,
					  e.e_phentsize, e.e_entry,   e.e_phoff };
		return h->entry_bytes == sizeof(Elf64_Phdr);
	} else {
		Elf32_Ehdr e;

		memcpy(&e, head->bytes, sizeof(e));
		*h = (struct elf_header){ e.e_type,	 e.e_machine, e.e_phnum,
					  e.e_phentsize, e.e_entry,   e.e_phoff };
		return h->entry_bytes == sizeof(Elf32_Phdr);
	}
}

/* The @i'th program header, or -ENOEXEC when it is not in the file. */
static int read_segment(struct boot_image *img, const struct elf_header *h, unsigned int i,
			struct elf_segment *s)
{
	Elf64_Phdr p64;
	Elf32_Phdr p32;
	int err;

	if (h->table > img->file_bytes) /* so that the sum below cannot wrap */
		return -ENOEXEC;
	if (img->elf_bits == 64) {
		err = boot_read(img, &p64, sizeof(p64), h->table + i * sizeof(p64));
		if (!err)
			*s = (struct elf_segment){ p64.p_type,	p64.p_flags,  p64.p_offset, p64.p_vaddr,
						   p64.p_paddr, p64.p_filesz, p64.p_memsz };
	} else {
		err = boot_read(img, &p32, sizeof(p32), h->table + i * sizeof(p32));
		if (!err)
			*s = (struct elf_segment){ p32.p_type,	p32.p_flags,  p32.p_offset, p32.p_vaddr,
						   p32.p_paddr, p32.p_filesz, p32.p_memsz };
	}
	return err;
}

static int take_segment(struct boot_image *img, const struct elf_segment *s, unsigned int i)
{
	const struct boot_segment segment = { s->offset, s->file_bytes, s->paddr, s->mem_bytes,
					      s->flags & PF_W };

	if (s->type == PT_INTERP)
		return boot_refuse(img,
				   "a program for a Linux system (it names a dynamic linker), not a kernel");
	if (s->type != PT_LOAD || !s->mem_bytes)
		return 0;
	if (s->file_bytes > s->mem_bytes)
		return boot_refuse(img, "segment %u has more bytes in the file than in memory; " DAMAGED, i);
	if (s->offset > img->file_bytes || s->file_bytes > img->file_bytes - s->offset)
		return boot_refuse(
			img,
			"truncated: segment %u ends at 0x%llx, the file has 0x%llx bytes; copy or build "
			"it again",
			i, s->offset + (unsigned long long)s->file_bytes,
			(unsigned long long)img->file_bytes);
	return boot_add_segment(img, &segment);
}

static bool in_segment(uint64_t address, uint64_t start, uint64_t bytes)
{
	return address >= start && address - start < bytes;
}

static bool is_loaded(const struct boot_image *img, uint64_t gpa)
{
	for (unsigned int i = 0; i < img->nr_segments; i++) {
		if (in_segment(gpa, img->segment[i].gpa, img->segment[i].mem_bytes))
			return true;
	}
	return false;
}

/* Segments, and in @entry where e_entry is in memory. */
static int take_segments(struct boot_image *img, const struct elf_header *h, uint64_t *entry)
{
	for (unsigned int i = 0; i < h->nr; i++) {
		struct elf_segment s;
		int err = read_segment(img, h, i, &s);

		if (err)
			return boot_refuse(img,
					   "truncated: its program headers lie outside the file; copy or "
					   "build it again");
		err = take_segment(img, &s, i);
		if (err)
			return err;
		if (s.type == PT_LOAD && in_segment(h->entry, s.vaddr, s.mem_bytes))
			*entry = s.paddr + (h->entry - s.vaddr);
	}
	if (!img->nr_segments)
		return boot_refuse(
			img, "an ELF file without anything to load (no PT_LOAD); use the kernel itself");
	if (is_loaded(img, h->entry))
		*entry = h->entry;
	return 0;
}

/* One note at @at; returns where the next begins, 0 at the end or at nonsense. */
static size_t next_note(const uint8_t *notes, size_t len, size_t at, struct elf_note *note)
{
	Elf64_Nhdr n; /* the same in both classes */
	size_t name_bytes, desc_bytes;

	if (len - at < sizeof(n))
		return 0;
	memcpy(&n, notes + at, sizeof(n));
	at += sizeof(n);
	if (n.n_namesz > len - at)
		return 0;
	memset(note, 0, sizeof(*note));
	name_bytes = min_u64(n.n_namesz, sizeof(note->name) - 1);
	memcpy(note->name, notes + at, name_bytes);
	at = min_u64(len, align_up(at + n.n_namesz, 4));
	if (n.n_descsz > len - at)
		return 0;
	note->type = n.n_type;
	note->desc_bytes = n.n_descsz;
	desc_bytes = min_u64(n.n_descsz, sizeof(note->desc));
	memcpy(note->desc, notes + at, desc_bytes);
	return min_u64(len, align_up(at + n.n_descsz, 4));
}

void elf_each_note(struct boot_image *img, elf_note_fn each, void *ctx)
{
	uint8_t notes[NOTES_MAX_BYTES];
	struct boot_head head = { .len = sizeof(Elf64_Ehdr) };
	struct elf_header h;
	struct elf_segment s;
	struct elf_note note;

	if (boot_read(img, head.bytes, min_u64(head.len, img->file_bytes), 0) || !take_header(img, &head, &h))
		return;
	for (unsigned int i = 0; i < h.nr && i < MAX_PROGRAM_HEADERS; i++) {
		size_t len;

		if (read_segment(img, &h, i, &s))
			return;
		len = min_u64(s.file_bytes, sizeof(notes));
		if (s.type != PT_NOTE || boot_read(img, notes, len, s.offset))
			continue;
		for (size_t at = 0; (at = next_note(notes, len, at, &note));) {
			if (each(ctx, &note))
				return;
		}
	}
}

static bool take_pvh_note(void *ctx, const struct elf_note *note)
{
	struct boot_image *img = ctx;
	uint64_t entry = 0;

	if (strcmp(note->name, "Xen") != 0 || note->type != XEN_ELFNOTE_PHYS32_ENTRY ||
	    (note->desc_bytes != 4 && note->desc_bytes != 8))
		return false;
	memcpy(&entry, note->desc, note->desc_bytes);
	boot_add_start(img, BOOT_PVH, entry);
	return true;
}

static int check_header(struct boot_image *img, const struct boot_head *head, struct elf_header *h)
{
	bool whole, unused;

	if (head->len < sizeof(Elf64_Ehdr) || head->bytes[EI_DATA] != ELFDATA2LSB ||
	    (head->bytes[EI_CLASS] != ELFCLASS32 && head->bytes[EI_CLASS] != ELFCLASS64))
		return boot_refuse(
			img, "a damaged ELF file (its header is cut or nonsense); copy or build it again");
	img->elf_bits = head->bytes[EI_CLASS] == ELFCLASS64 ? 64 : 32;
	whole = take_header(img, head, h);
	if ((h->type != ET_EXEC && h->type != ET_DYN) || (h->machine != EM_X86_64 && h->machine != EM_386))
		return boot_refuse(img, "not a kernel for this machine but %s",
				   filetype_describe(head->bytes, head->len, &unused));
	if (!whole || !h->nr || h->nr > MAX_PROGRAM_HEADERS)
		return boot_refuse(
			img, "an ELF file with %u program headers of %u bytes: nothing that can be loaded",
			h->nr, h->entry_bytes);
	return 0;
}

static int check_entries(struct boot_image *img, uint64_t entry)
{
	elf_each_note(img, take_pvh_note, img);
	if (boot_has(img, BOOT_PVH) && !is_loaded(img, img->start_gpa[BOOT_PVH]))
		return boot_refuse(img, "its PVH entry 0x%llx lies in none of its segments; " DAMAGED,
				   (unsigned long long)img->start_gpa[BOOT_PVH]);
	if (!is_loaded(img, entry))
		return boot_refuse(img, "its entry point lies in none of its segments; " DAMAGED);
	boot_add_start(img, img->elf_bits == 64 ? BOOT_LINUX64 : BOOT_LINUX32, entry);
	return 0;
}

int elf_recognise(struct boot_image *img, const struct boot_head *head)
{
	uint64_t entry = UINT64_MAX;
	struct elf_header h = { 0 };
	int err;

	if (head->len < SELFMAG || memcmp(head->bytes, ELFMAG, SELFMAG) != 0)
		return 0;
	img->format = BOOT_ELF;
	err = check_header(img, head, &h);
	if (!err)
		err = take_segments(img, &h, &entry);
	if (!err)
		err = check_entries(img, entry);
	if (!err)
		err = multiboot_recognise(img, head);
	return err < 0 ? err : 1;
}
