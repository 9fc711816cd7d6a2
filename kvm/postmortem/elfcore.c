/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes guest memory into an ELF core file.
 *
 * File layout: ELF header, program headers (the notes, the views, the regions), notes, and from a
 * page boundary on the regions, one after the other. Zero pages have their place in the file, but
 * as holes, which take no room on the disk. A view shares the bytes of the region it lies in.
 */
#include "kvm/elfcore.h"

#include <elf.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_BYTES 4096ULL
#define WRITE_BYTES MIB

static int write_at(int fd, const void *bytes, uint64_t len, uint64_t at)
{
	const uint8_t *from = bytes;

	while (len) {
		ssize_t n = pwrite(fd, from, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENOSPC;
		from += n;
		at += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

static bool is_zero(const uint8_t *page)
{
	return !page[0] && !memcmp(page, page + 1, PAGE_BYTES - 1);
}

/*
 * Moves *from to the next page in [0, bytes) of @hva that is not zero. Returns the length of the
 * pages from there that are not zero, at most as much as is written at once; 0: none.
 */
static uint64_t next_run(const uint8_t *hva, uint64_t bytes, uint64_t *from)
{
	uint64_t end;

	while (*from < bytes && is_zero(hva + *from))
		*from += PAGE_BYTES;
	for (end = *from; end < bytes && end - *from < WRITE_BYTES && !is_zero(hva + end);)
		end += PAGE_BYTES;
	return end - *from;
}

/* A mapped file may have lost its end just now; after a repair, try once more. */
static int write_pages(int fd, const struct elfcore *core, const uint8_t *hva, uint64_t len,
		       uint64_t at)
{
	int err = write_at(fd, hva, len, at);

	if (err == -EFAULT && gmem_repair(core->mem))
		err = write_at(fd, hva, len, at);
	return err;
}

static int write_region(int fd, const struct elfcore *core, const struct gmem_pages *pages,
			unsigned int region, uint64_t file_at, uint64_t *written)
{
	const struct gmem_region *r = &core->mem->region[region];
	uint64_t offset = 0, stretch, from, run;

	while ((stretch = gmem_next_held(pages, core->mem, region, &offset)) > 0) {
		for (from = 0; (run = next_run(r->hva + offset, stretch, &from)) > 0; from += run) {
			int err = write_pages(fd, core, r->hva + offset + from, run,
					      file_at + offset + from);

			if (err)
				return err;
			*written += run;
			if (core->cancel && atomic_load(core->cancel))
				return -ECANCELED;
		}
		offset += stretch;
	}
	return 0;
}

/*
 * Finds where in the file the bytes of [gpa, gpa + bytes) lie. Returns false unless one region has
 * them all.
 */
static bool file_place(const struct gmem *m, uint64_t data_at, gpa_t gpa, uint64_t bytes,
		       uint64_t *at)
{
	for (unsigned int i = 0; i < m->nr_regions; i++) {
		const struct gmem_region *r = &m->region[i];

		if (gpa >= r->gpa && gpa - r->gpa < r->size_bytes) {
			*at = data_at + (gpa - r->gpa);
			return bytes <= r->size_bytes - (gpa - r->gpa);
		}
		data_at += r->size_bytes;
	}
	return false;
}

static Elf64_Phdr load_header(uint64_t vaddr, gpa_t gpa, uint64_t bytes, uint64_t at)
{
	return (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_flags = PF_R | PF_W | PF_X,
		.p_offset = at,
		.p_vaddr = vaddr,
		.p_paddr = gpa,
		.p_filesz = bytes,
		.p_memsz = bytes,
		/*
		 * 0 although all lies on pages: this is how crash(8) distinguishes the core from
		 * one of netdump, in which it looks for no KASLR.
		 */
		.p_align = 0,
	};
}

static int fill_headers(const struct elfcore *core, Elf64_Phdr *ph, uint64_t notes_at,
			uint64_t data_at)
{
	uint64_t at;

	*ph++ = (Elf64_Phdr){
		.p_type = PT_NOTE, .p_offset = notes_at, .p_filesz = core->notes_bytes, .p_align = 4
	};
	for (unsigned int i = 0; i < core->nr_views; i++) {
		const struct elfcore_view *v = &core->view[i];

		if (!file_place(core->mem, data_at, v->gpa, v->bytes, &at))
			return -EINVAL;
		*ph++ = load_header(v->vaddr, v->gpa, v->bytes, at);
	}
	for (unsigned int i = 0; i < core->mem->nr_regions; i++) {
		const struct gmem_region *r = &core->mem->region[i];

		*ph++ = load_header(core->all_vaddr + r->gpa, r->gpa, r->size_bytes, data_at);
		data_at += r->size_bytes;
	}
	return 0;
}

static int write_headers(int fd, const struct elfcore *core, unsigned int nr, uint64_t notes_at,
			 uint64_t data_at)
{
	Elf64_Ehdr eh = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = core->machine,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(eh),
		.e_ehsize = sizeof(eh),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = (Elf64_Half)nr,
	};
	Elf64_Phdr *ph = calloc(nr, sizeof(*ph));
	int err = ph ? fill_headers(core, ph, notes_at, data_at) : -ENOMEM;

	if (!err)
		err = write_at(fd, &eh, sizeof(eh), 0);
	if (!err)
		err = write_at(fd, ph, nr * sizeof(*ph), sizeof(eh));
	if (!err)
		err = write_at(fd, core->notes, core->notes_bytes, notes_at);
	free(ph);
	return err;
}

int elfcore_write(int fd, const struct elfcore *core, uint64_t *written)
{
	unsigned int nr = 1 + core->nr_views + core->mem->nr_regions;
	uint64_t notes_at = sizeof(Elf64_Ehdr) + nr * sizeof(Elf64_Phdr);
	uint64_t data_at = align_up(notes_at + core->notes_bytes, PAGE_BYTES), at = data_at;
	struct gmem_pages pages;
	int err;

	*written = 0;
	if (core->nr_views > ELFCORE_MAX_VIEWS)
		return -EINVAL;
	err = write_headers(fd, core, nr, notes_at, data_at);
	if (!err && ftruncate(fd, (off_t)(data_at + gmem_total_bytes(core->mem))))
		err = -errno;
	gmem_pages_open(&pages);
	for (unsigned int i = 0; i < core->mem->nr_regions && !err; i++) {
		err = write_region(fd, core, &pages, i, at, written);
		at += core->mem->region[i].size_bytes;
	}
	gmem_pages_close(&pages);
	return err;
}
