/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recognises an ELF kernel: a vmlinux, or another program that is linked for a bare machine.
 *
 * Only the ELF header, the program headers (elf_header.c) and the notes are read, since a file with
 * debug information has hundreds of megabytes. A segment goes to its physical address (p_paddr);
 * memory beyond its bytes in the file is zero.
 *
 * Entries:
 * - PVH: the address in Xen's note 18 (XEN_ELFNOTE_PHYS32_ENTRY, 4 or 8 bytes).
 * - Multiboot: the address that multiboot.c finds.
 * - Linux: e_entry, 64-bit or 32-bit by the file's class. e_entry may be virtual; then the segment
 *   that contains it translates it.
 *
 * The file is not trusted. Each segment lies in the file and in memory that belongs to kernels, and
 * each entry inside a segment.
 */
#include "bootparts.h"
#include "elf_header.h"

#include <errno.h>
#include <string.h>

#define XEN_ELFNOTE_GUEST_OS 6
#define XEN_ELFNOTE_PHYS32_ENTRY 18
#define MAX_PROGRAM_HEADERS 128
#define NOTES_MAX_BYTES 8192 /* per segment; Linux has about 500 */

static int read_image(void *ctx, void *to, uint64_t len, uint64_t offset)
{
	return boot_read(ctx, to, len, offset);
}

/* The file of @img, whose header is in @head. */
static bool open_elf(struct elf_file *f, struct boot_image *img, const struct boot_head *head)
{
	*f = (struct elf_file){ .read = read_image, .ctx = img, .file_bytes = img->file_bytes };
	return elf_header_read(f, head->bytes, head->len);
}

static int take_segment(struct boot_image *img, const Elf64_Phdr *p, unsigned int i)
{
	const struct boot_segment s = { p->p_offset, p->p_filesz, p->p_paddr, p->p_memsz,
					p->p_flags & PF_W };

	if (p->p_type == PT_INTERP)
		return boot_refuse(
			img,
			"a program for a Linux system (it names a dynamic linker), not a kernel");
	if (p->p_type != PT_LOAD || !s.mem_bytes)
		return 0;
	if (s.file_bytes > s.mem_bytes)
		return boot_refuse(
			img, "segment %u has more bytes in the file than in memory; " DAMAGED, i);
	if (s.offset > img->file_bytes || s.file_bytes > img->file_bytes - s.offset)
		return boot_refuse(
			img,
			"truncated: segment %u ends at 0x%llx, the file has 0x%llx bytes; copy or build it again",
			i, s.offset + (unsigned long long)s.file_bytes,
			(unsigned long long)img->file_bytes);
	return boot_add_segment(img, &s);
}

static bool in_segment(uint64_t address, uint64_t start, uint64_t bytes)
{
	return address >= start && address - start < bytes;
}

/* Takes the segments; @entry becomes the place of e_entry in memory. */
static int take_segments(struct boot_image *img, const struct elf_file *f, uint64_t *entry)
{
	uint64_t linked = f->header.e_entry;

	for (unsigned int i = 0; i < f->header.e_phnum; i++) {
		Elf64_Phdr p;
		int err = elf_header_segment(f, i, &p);

		if (err)
			return boot_refuse(
				img,
				"truncated: its program headers lie outside the file; copy or build it again");
		err = take_segment(img, &p, i);
		if (err)
			return err;
		if (p.p_type == PT_LOAD && in_segment(linked, p.p_vaddr, p.p_memsz))
			*entry = p.p_paddr + (linked - p.p_vaddr);
	}
	if (!img->nr_segments)
		return boot_refuse(
			img,
			"an ELF file without anything to load (no PT_LOAD); use the kernel itself");
	if (boot_is_loaded(img, linked))
		*entry = linked;
	return 0;
}

/*
 * Takes one note at @at. Returns where the next begins, or 0 at the end or if the note is invalid.
 */
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
	struct elf_file f;
	struct elf_note note;
	Elf64_Phdr p;

	if (boot_read(img, head.bytes, min_u64(head.len, img->file_bytes), 0) ||
	    !open_elf(&f, img, &head) || f.header.e_phentsize != elf_header_segment_bytes(&f))
		return;
	for (unsigned int i = 0; i < f.header.e_phnum && i < MAX_PROGRAM_HEADERS; i++) {
		size_t len;

		if (elf_header_segment(&f, i, &p))
			return;
		len = min_u64(p.p_filesz, sizeof(notes));
		if (p.p_type != PT_NOTE || boot_read(img, notes, len, p.p_offset))
			continue;
		for (size_t at = 0; (at = next_note(notes, len, at, &note));) {
			if (each(ctx, &note))
				return;
		}
	}
}

/* Since 4.19 Linux has notes by its own name; with support for Xen, one that names the system. */
static bool is_linux_note(void *ctx, const struct elf_note *note)
{
	bool *is_linux = ctx;

	*is_linux = !strcmp(note->name, "Linux") ||
		    (!strcmp(note->name, "Xen") && note->type == XEN_ELFNOTE_GUEST_OS &&
		     !memcmp(note->desc, "linux", sizeof("linux")));
	return *is_linux;
}

bool elf_is_linux(struct boot_image *img)
{
	bool is_linux = false;

	elf_each_note(img, is_linux_note, &is_linux);
	return is_linux;
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

static int check_header(struct boot_image *img, const struct boot_head *head, struct elf_file *f)
{
	const Elf64_Ehdr *h = &f->header;
	bool unused;

	if (!open_elf(f, img, head))
		return boot_refuse(
			img,
			"a damaged ELF file (its header is incomplete or invalid); copy or build it again");
	img->elf_bits = f->bits;
	if ((h->e_type != ET_EXEC && h->e_type != ET_DYN) ||
	    (h->e_machine != EM_X86_64 && h->e_machine != EM_386))
		return boot_refuse(img, "not a kernel for this machine, but %s",
				   filetype_describe(head->bytes, head->len, &unused));
	if (h->e_phentsize != elf_header_segment_bytes(f) || !h->e_phnum ||
	    h->e_phnum > MAX_PROGRAM_HEADERS)
		return boot_refuse(
			img,
			"an ELF file with %u program headers of %u bytes, which cannot be loaded; use the kernel itself",
			h->e_phnum, h->e_phentsize);
	return 0;
}

static int check_entries(struct boot_image *img, uint64_t entry)
{
	elf_each_note(img, take_pvh_note, img);
	if (boot_has(img, BOOT_PVH) && !boot_is_loaded(img, img->start_gpa[BOOT_PVH]))
		return boot_refuse(img, "its PVH entry 0x%llx is outside its segments; " DAMAGED,
				   (unsigned long long)img->start_gpa[BOOT_PVH]);
	if (!boot_is_loaded(img, entry))
		return boot_refuse(img, "its entry point is outside its segments; " DAMAGED);
	boot_add_start(img, img->elf_bits == 64 ? BOOT_LINUX64 : BOOT_LINUX32, entry);
	return 0;
}

int elf_recognise(struct boot_image *img, const struct boot_head *head)
{
	uint64_t entry = UINT64_MAX;
	struct elf_file f;
	int err;

	if (head->len < SELFMAG || memcmp(head->bytes, ELFMAG, SELFMAG) != 0)
		return 0;
	img->format = BOOT_ELF;
	err = check_header(img, head, &f);
	if (!err)
		err = take_segments(img, &f, &entry);
	if (!err)
		err = check_entries(img, entry);
	if (!err)
		err = multiboot_recognise(img, head);
	return err < 0 ? err : 1;
}
