/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds VMCOREINFO, the note that Linux writes for crash dumps, and with it the kernel's page
 * tables and layout.
 *
 * It is an ELF note (Documentation/admin-guide/kdump/vmcoreinfo.rst) whose text has addresses of
 * symbols, and sizes and offsets of structures. The kernel writes it when initcalls run; a kernel
 * that died earlier has only its symbol table.
 */
#include "linux.h"
#include "x86/cpu/x86_bits.h"

#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define KERNEL_MAP 0xffffffff80000000ULL

/* The start of the note: its name, padded to a multiple of four bytes, and its first key. */
static const char note_name[12] = "VMCOREINFO\0";
static const char first_key[] = "OSRELEASE=";
static const char banner_text[] = "Linux version ";

static bool read_note(struct vmcoreinfo *info, const struct gmem *mem, gpa_t name)
{
	Elf64_Nhdr header;
	size_t len;

	if (name < sizeof(header) ||
	    gmem_read(mem, name - sizeof(header), &header, sizeof(header)) ||
	    header.n_namesz != strlen(note_name) + 1 || !header.n_descsz)
		return false;
	len = min_u64(header.n_descsz, VMCOREINFO_MAX_BYTES);
	if (gmem_read(mem, name + sizeof(note_name), info->text, len))
		return false;
	info->text[len] = '\0';
	info->gpa = name - sizeof(header);
	return true;
}

bool vmcoreinfo_find(struct vmcoreinfo *info, const struct gmem *mem, gpa_t *at)
{
	char pattern[sizeof(note_name) + sizeof(first_key) - 1];

	memcpy(pattern, note_name, sizeof(note_name));
	memcpy(pattern + sizeof(note_name), first_key, sizeof(first_key) - 1);
	while (gmem_find(mem, at, pattern, sizeof(pattern))) {
		if (read_note(info, mem, (*at)++))
			return true;
	}
	info->text[0] = '\0';
	return false;
}

size_t vmcoreinfo_note(const struct vmcoreinfo *info, uint8_t *to, size_t room)
{
	size_t len = strlen(info->text);
	Elf64_Nhdr header = { .n_namesz = (uint32_t)strlen(note_name) + 1,
			      .n_descsz = (uint32_t)len };
	size_t bytes = sizeof(header) + sizeof(note_name) + align_up(len, 4);

	if (!len || bytes > room)
		return 0;
	memset(to, 0, bytes);
	memcpy(to, &header, sizeof(header));
	memcpy(to + sizeof(header), note_name, sizeof(note_name));
	memcpy(to + sizeof(header) + sizeof(note_name), info->text, len);
	return bytes;
}

static bool is_hexadecimal(const char *key)
{
	return !strncmp(key, "SYMBOL(", 7) || !strcmp(key, "KERNELOFFSET");
}

bool vmcoreinfo_number(const struct vmcoreinfo *info, const char *key, uint64_t *value)
{
	size_t len = strlen(key);

	for (const char *line = info->text; *line;) {
		const char *next = strchrnul(line, '\n');

		if (!strncmp(line, key, len) && line[len] == '=') {
			char *end;

			*value = strtoull(line + len + 1, &end, is_hexadecimal(key) ? 16 : 0);
			return end != line + len + 1;
		}
		line = *next ? next + 1 : next;
	}
	return false;
}

/*
 * Finds the shift by the kernel's banner: its symbol is its virtual address, its text in memory is
 * at the physical one. They differ by a multiple of 2 MiB (CONFIG_PHYSICAL_ALIGN). The copy of the
 * text in the ring of messages can be anywhere.
 */
static bool shift_of_banner(const struct linux_guest *g, uint64_t *shift)
{
	uint64_t banner;

	if (!g->symbols || !symbols_lookup(g->symbols, "linux_banner", &banner))
		return false;
	for (gpa_t at = 0; gmem_find(g->mem, &at, banner_text, sizeof(banner_text) - 1); at++) {
		*shift = at - banner;
		if (is_aligned(*shift, 2 * MIB))
			return true;
	}
	return false;
}

/*
 * Finds what to add to a symbol's address to get its physical address. The image is mapped at
 * KERNEL_MAP.
 */
static bool image_shift(const struct linux_guest *g, uint64_t *shift)
{
	uint64_t phys_base;

	if (vmcoreinfo_number(&g->info, "NUMBER(phys_base)", &phys_base)) {
		*shift = phys_base - KERNEL_MAP;
		return true;
	}
	return shift_of_banner(g, shift);
}

static bool find_symbol(const struct linux_guest *g, const char *name, uint64_t *addr)
{
	char key[64];

	snprintf(key, sizeof(key), "SYMBOL(%s)", name);
	return vmcoreinfo_number(&g->info, key, addr) ||
	       (g->symbols && symbols_lookup(g->symbols, name, addr));
}

/*
 * Finds the page tables that the kernel began with, whatever a vCPU uses now: it may be in user
 * space with tables of its own (page-table isolation), or KVM may have reset its registers.
 */
static bool first_tables(struct linux_guest *g)
{
	uint64_t top, shift, five_levels = 0;

	vmcoreinfo_number(&g->info, "NUMBER(pgtable_l5_enabled)", &five_levels);
	if (!find_symbol(g, "init_top_pgt", &top) || !image_shift(g, &shift))
		return false;
	g->paging = (struct paging){
		.cr0 = CR0_PG | CR0_WP | CR0_PE,
		.cr3 = (top + shift) & PTE_ADDRESS,
		.cr4 = CR4_PAE | (five_levels ? CR4_LA57 : 0),
		.efer = EFER_LME | EFER_LMA | EFER_NXE,
	};
	g->top = top;
	return true;
}

/* Whether the tables map the kernel's variable @pointer, and it is not NULL. */
static bool reaches(const struct linux_guest *g, const char *pointer)
{
	uint64_t at, value;

	return find_symbol(g, pointer, &at) &&
	       gva_read(g->mem, &g->paging, at, &value, sizeof(value)) == sizeof(value) && value;
}

bool linux_guest_enter(struct linux_guest *g)
{
	g->paging = (struct paging){ .cr3 = 0 };
	return first_tables(g) && (reaches(g, "prb") || reaches(g, "log_buf"));
}

/*
 * The image's size if the symbol at its end is not known. No kernel should be larger; other memory
 * after the image does no harm.
 */
#define USUAL_IMAGE_BYTES (64 * MIB)

static bool find_image(const struct linux_guest *g, struct linux_layout *l)
{
	uint64_t shift, end, most;

	if (!image_shift(g, &shift) ||
	    !(find_symbol(g, "_text", &l->text_vaddr) || find_symbol(g, "_stext", &l->text_vaddr)))
		return false;
	l->text_vaddr = align_down(l->text_vaddr, 4 * KIB);
	l->text_gpa = l->text_vaddr + shift;
	if (!find_symbol(g, "_end", &end) || end <= l->text_vaddr || end - l->text_vaddr > GIB)
		end = l->text_vaddr + USUAL_IMAGE_BYTES;
	/* The guest chose these addresses: take only the part that is memory. */
	for (most = align_up(end - l->text_vaddr, 4 * KIB); most;
	     most = align_down(most / 2, 4 * KIB)) {
		if (gmem_at(g->mem, l->text_gpa, most))
			break;
	}
	l->text_bytes = most;
	return most && l->text_vaddr <= UINT64_MAX - most;
}

/* Whether @base is the direct map: it must map a page of the image, too. */
static bool is_direct_map(const struct linux_guest *g, const struct linux_layout *l, uint64_t base)
{
	struct pagewalk walk;

	if (!is_aligned(base, 4 * KIB) || base < 1ULL << 63)
		return false;
	pagewalk(&walk, g->mem, &g->paging, base + l->text_gpa, WALK_READ);
	return walk.mapped && walk.gpa == l->text_gpa;
}

/* Finds the direct map. Without KASLR it is where Documentation/arch/x86/x86_64/mm.rst has it. */
static void find_direct_map(const struct linux_guest *g, struct linux_layout *l)
{
	uint64_t at, base[3] = { 0, 0xffff888000000000ULL, 0xff11000000000000ULL };

	if (find_symbol(g, "page_offset_base", &at))
		gva_read(g->mem, &g->paging, at, &base[0], sizeof(base[0]));
	for (unsigned int i = 0; i < ARRAY_SIZE(base) && !l->has_direct_map; i++) {
		l->has_direct_map = is_direct_map(g, l, base[i]);
		l->direct_map = base[i];
	}
}

bool linux_find_layout(const struct linux_guest *g, struct linux_layout *l)
{
	*l = (struct linux_layout){ .text_bytes = 0 };
	if (!g->paging.cr3 || !find_image(g, l))
		return false;
	find_direct_map(g, l);
	vmcoreinfo_number(&g->info, "KERNELOFFSET", &l->slide);
	return true;
}

/*
 * Names only the image's code: the memory after it, the later .bss, still contains the
 * decompressor. Uses the banner alone, since the kernel has written no note yet.
 */
bool linux_name_image(struct symbols *s, const struct gmem *mem)
{
	const struct linux_guest g = { .mem = mem, .symbols = s };
	uint64_t shift, start, end;

	if (!shift_of_banner(&g, &shift) || !symbols_lookup(s, "_text", &start) ||
	    !(symbols_lookup(s, "_einittext", &end) || symbols_lookup(s, "_etext", &end)) ||
	    end <= start || end - start > GIB)
		return false;
	symbols_set_image(s, start, start + shift, end - start);
	return true;
}
