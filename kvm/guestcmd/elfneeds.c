/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads an ELF file's interpreter and libraries, see elfneeds.h.
 *
 * The file is untrusted: every offset and length is checked against the file's size before it is
 * used, and a string counts only if it ends within the file.
 *
 * The loadable segments turn the dynamic section's addresses into file offsets. Section headers are
 * not used, because stripped files have none.
 */
#include "elfneeds.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#if __BYTE_ORDER == __LITTLE_ENDIAN
#define HOST_DATA ELFDATA2LSB
#else
#define HOST_DATA ELFDATA2MSB
#endif

struct elf_file {
	const uint8_t *bytes;
	uint64_t len;
	Elf64_Ehdr header;
};

static bool inside(const struct elf_file *f, uint64_t offset, uint64_t len)
{
	return offset <= f->len && len <= f->len - offset;
}

/* Returns the string at @offset, or NULL. */
static const char *string_at(const struct elf_file *f, uint64_t offset)
{
	if (!inside(f, offset, 1) || !memchr(f->bytes + offset, '\0', f->len - offset))
		return NULL;
	return (const char *)f->bytes + offset;
}

uint16_t elf_machine(const uint8_t *bytes, size_t len)
{
	uint16_t machine = 0;

	if (len < offsetof(Elf64_Ehdr, e_machine) + sizeof(machine) ||
	    memcmp(bytes, ELFMAG, SELFMAG) != 0 || bytes[EI_CLASS] != ELFCLASS64 ||
	    bytes[EI_DATA] != HOST_DATA)
		return 0;
	memcpy(&machine, bytes + offsetof(Elf64_Ehdr, e_machine), sizeof(machine));
	return machine;
}

static bool program_header(const struct elf_file *f, unsigned int i, Elf64_Phdr *p)
{
	uint64_t offset = i * sizeof(*p);

	if (f->header.e_phentsize != sizeof(*p) ||
	    !inside(f, f->header.e_phoff, offset + sizeof(*p)))
		return false;
	memcpy(p, f->bytes + f->header.e_phoff + offset, sizeof(*p));
	return true;
}

static bool find_segment(const struct elf_file *f, uint32_t type, Elf64_Phdr *p)
{
	for (unsigned int i = 0; i < f->header.e_phnum && program_header(f, i, p); i++) {
		if (p->p_type == type)
			return inside(f, p->p_offset, p->p_filesz);
	}
	return false;
}

/* Returns where in the file @address is, or the file's size if no segment has it. */
static uint64_t offset_of(const struct elf_file *f, uint64_t address)
{
	Elf64_Phdr p;

	for (unsigned int i = 0; i < f->header.e_phnum && program_header(f, i, &p); i++) {
		if (p.p_type == PT_LOAD && address >= p.p_vaddr &&
		    address - p.p_vaddr < p.p_filesz && inside(f, p.p_offset, p.p_filesz))
			return p.p_offset + (address - p.p_vaddr);
	}
	return f->len;
}

static bool dynamic_entry(const struct elf_file *f, const Elf64_Phdr *dynamic, uint64_t i,
			  Elf64_Dyn *d)
{
	if (i >= dynamic->p_filesz / sizeof(*d))
		return false;
	memcpy(d, f->bytes + dynamic->p_offset + i * sizeof(*d), sizeof(*d));
	return d->d_tag != DT_NULL;
}

/* Returns the value of the first entry with this tag, or 0. */
static uint64_t dynamic_value(const struct elf_file *f, const Elf64_Phdr *dynamic, int64_t tag)
{
	Elf64_Dyn d;

	for (uint64_t i = 0; dynamic_entry(f, dynamic, i, &d); i++) {
		if (d.d_tag == tag)
			return d.d_un.d_val;
	}
	return 0;
}

static int add_string(struct strlist *list, const struct elf_file *f, uint64_t table,
		      uint64_t offset)
{
	const char *text = offset <= f->len - table ? string_at(f, table + offset) : NULL;

	if (!text || !*text)
		return -ENOEXEC;
	return strlist_has(list, text, strlen(text)) ? 0 : strlist_add(list, text, strlen(text));
}

static int read_dynamic(struct elf_needs *needs, const struct elf_file *f,
			const Elf64_Phdr *dynamic)
{
	uint64_t table = offset_of(f, dynamic_value(f, dynamic, DT_STRTAB));
	uint64_t run_path = dynamic_value(f, dynamic, DT_RUNPATH);
	int err = 0;
	Elf64_Dyn d;

	if (!run_path)
		run_path = dynamic_value(f, dynamic, DT_RPATH);
	if (run_path)
		err = add_string(&needs->run_path, f, table, run_path);
	for (uint64_t i = 0; !err && dynamic_entry(f, dynamic, i, &d); i++) {
		if (d.d_tag == DT_NEEDED)
			err = add_string(&needs->library, f, table, d.d_un.d_val);
	}
	return err;
}

int elf_needs_read(struct elf_needs *needs, const uint8_t *bytes, size_t len)
{
	struct elf_file f = { .bytes = bytes, .len = len };
	Elf64_Phdr p;
	int err = 0;

	*needs = (struct elf_needs){ .machine = elf_machine(bytes, len) };
	if (!needs->machine || len < sizeof(f.header))
		return -ENOEXEC;
	memcpy(&f.header, bytes, sizeof(f.header));
	if (find_segment(&f, PT_INTERP, &p))
		err = add_string(&needs->interp, &f, p.p_offset, 0);
	if (!err && find_segment(&f, PT_DYNAMIC, &p))
		err = read_dynamic(needs, &f, &p);
	return err;
}

void elf_needs_free(struct elf_needs *needs)
{
	strlist_free(&needs->interp);
	strlist_free(&needs->library);
	strlist_free(&needs->run_path);
}
