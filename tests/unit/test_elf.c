/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests ELF kernels: what is read from them, what is refused, and what their entries receive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "elf_image.h"
#include "x86/layout.h"

#include <errno.h>
#include <stdlib.h>

#define MEM_BYTES (64 * MIB)

static const struct boot_how by64 = { .wish = BOOT_WISH_64, .load_gpa = BOOT_LOAD_ANYWHERE };
static const struct boot_how by32 = { .wish = BOOT_WISH_32, .load_gpa = BOOT_LOAD_ANYWHERE };

static void segments_and_entries_are_found(void **state)
{
	struct elf_image e;
	struct boot_image img;

	(void)state;
	elf_init(&e);
	assert_int_equal(elf_open(&e, &img, NULL), 0);
	assert_int_equal(img.format, BOOT_ELF);
	assert_int_equal(img.elf_bits, 64);
	assert_int_equal(img.nr_segments, 2);
	assert_int_equal(img.load_gpa, ELF_TEXT_GPA);
	assert_int_equal(img.runtime_bytes, ELF_DATA_GPA + MIB - ELF_TEXT_GPA);
	assert_int_equal(img.start, BOOT_PVH);
	assert_int_equal(img.start_gpa[BOOT_PVH], ELF_PVH_ENTRY);
	boot_close(&img);
	assert_int_equal(elf_open(&e, &img, &by64), 0);
	assert_int_equal(img.start, BOOT_LINUX64);
	assert_int_equal(img.start_gpa[BOOT_LINUX64], ELF_TEXT_GPA);
	boot_close(&img);
}

static void without_a_note_the_elf_entry_is_taken(void **state)
{
	struct elf_image e;
	struct boot_image img;

	(void)state;
	elf_init(&e);
	e.note.nhdr.n_type = 17;
	e.ehdr.e_entry = ELF_VIRTUAL + ELF_TEXT_GPA + 16; /* virtual: translated */
	assert_int_equal(elf_open(&e, &img, NULL), 0);
	assert_int_equal(img.start, BOOT_LINUX64);
	assert_int_equal(img.start_gpa[BOOT_LINUX64], ELF_TEXT_GPA + 16);
	boot_close(&img);
	e.ehdr.e_entry = ELF_TEXT_GPA;
	for (unsigned int i = 0; i < NR_PH; i++)
		e.phdr[i].p_vaddr = 0xc0000000 + e.phdr[i].p_paddr;
	assert_int_equal(elf_open32(&e, &img, NULL), 0);
	assert_int_equal(img.elf_bits, 32);
	assert_int_equal(img.start, BOOT_LINUX32);
	assert_int_equal(img.start_gpa[BOOT_LINUX32], ELF_TEXT_GPA);
	boot_close(&img);
}

static void note_may_have_4_bytes(void **state)
{
	struct elf_image e;
	struct boot_image img;

	(void)state;
	elf_init(&e);
	e.note.nhdr.n_descsz = 4;
	e.note.entry |= 0xffffffffULL << 32;
	assert_int_equal(elf_open(&e, &img, NULL), 0);
	assert_int_equal(img.start_gpa[BOOT_PVH], ELF_PVH_ENTRY);
	boot_close(&img);
	e.note.nhdr.n_descsz = 2;
	assert_int_equal(elf_open(&e, &img, NULL), 0);
	assert_int_equal(img.start, BOOT_LINUX64);
	boot_close(&img);
}

/* A note's lengths come from the file: no length leads outside of it or into an endless loop. */
static void nonsense_in_notes_is_left_alone(void **state)
{
	static const uint32_t lengths[] = { 0, 1, 0x7fffffff, 0xfffffffe, 0xffffffff };
	struct elf_image e;
	struct boot_image img;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(lengths) * ARRAY_SIZE(lengths); i++) {
		elf_init(&e);
		e.note.nhdr.n_namesz = lengths[i % ARRAY_SIZE(lengths)];
		e.note.nhdr.n_descsz = lengths[i / ARRAY_SIZE(lengths)];
		assert_int_equal(elf_open(&e, &img, NULL), 0);
		assert_int_equal(img.start, BOOT_LINUX64);
		boot_close(&img);
	}
	elf_init(&e);
	e.phdr[PH_NOTE].p_offset = UINT64_MAX - 4;
	assert_int_equal(elf_open(&e, &img, NULL), 0);
	boot_close(&img);
}

struct bad {
	uint64_t value;
	size_t offset, width; /* in struct elf_image */
	const char *said;
};
#define IN(field) offsetof(struct elf_image, field), sizeof(((struct elf_image *)0)->field)

static const struct bad bad[] = {
	{ EM_AARCH64, IN(ehdr.e_machine), "another kind of processor" },
	{ ET_REL, IN(ehdr.e_type), "ELF object or module" },
	{ ET_CORE, IN(ehdr.e_type), "that is not a kernel" },
	{ 0, IN(ehdr.e_phnum), "0 program headers" },
	{ 0xffff, IN(ehdr.e_phnum), "65535 program headers" },
	{ 55, IN(ehdr.e_phentsize), "of 55 bytes" },
	{ ELF_IMAGE_BYTES, IN(ehdr.e_phoff), "program headers lie outside" },
	{ UINT64_MAX - 60, IN(ehdr.e_phoff), "program headers lie outside" },
	{ 3, IN(ehdr.e_ident[EI_CLASS]), "damaged ELF" },
	{ ELFDATA2MSB, IN(ehdr.e_ident[EI_DATA]), "damaged ELF" },
	{ PT_INTERP, IN(phdr[PH_DATA].p_type), "a program for a Linux system" },
	{ MIB + 1, IN(phdr[PH_DATA].p_filesz), "more bytes in the file than in memory" },
	{ ELF_TEXT_OFFSET + 1, IN(phdr[PH_TEXT].p_offset), "truncated: segment 0 ends at 0x3001" },
	{ UINT64_MAX, IN(phdr[PH_TEXT].p_offset), "truncated: segment 0" },
	{ 1, IN(phdr[PH_TEXT].p_memsz), "more bytes in the file" },
	{ UINT64_MAX, IN(phdr[PH_DATA].p_memsz), "but a kernel may only use memory" },
	{ UINT64_MAX - MIB + 1, IN(phdr[PH_DATA].p_paddr), "but a kernel may only use memory" },
	{ MMIO_HOLE_GPA - MIB + 1, IN(phdr[PH_DATA].p_paddr), "but a kernel may only use memory" },
	{ 0xa0000, IN(phdr[PH_TEXT].p_paddr), "0x2000 bytes at 0xa0000, but" },
	{ BOOT_DATA_GPA - 0x1000, IN(phdr[PH_TEXT].p_paddr), "0x2000 bytes at 0xf000, but" },
	{ BOOT_DATA_END - 1, IN(phdr[PH_TEXT].p_paddr), "0x2000 bytes at 0x2ffff, but" },
	{ ELF_TEXT_GPA + ELF_TEXT_BYTES - 1, IN(phdr[PH_DATA].p_paddr),
	  "segments that overlap, at 0x1001fff" },
	{ ELF_TEXT_GPA - MIB + 1, IN(phdr[PH_DATA].p_paddr), "segments that overlap" },
	{ ELF_TEXT_GPA + ELF_TEXT_BYTES, IN(ehdr.e_entry), "entry point is outside" },
	{ ELF_TEXT_GPA - 1, IN(note.entry), "PVH entry 0xffffff is outside" },
};

static void bad_fields_are_refused_by_name(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		struct elf_image e;
		struct boot_image img;
		struct said s;
		int err;

		elf_init(&e);
		memcpy((uint8_t *)&e + bad[i].offset, &bad[i].value, bad[i].width);
		said_begin(&s);
		err = elf_open(&e, &img, NULL);
		said_end(&s);
		assert_one_line_with(&s, "kvm: the-image: ", bad[i].said);
		assert_int_equal(err, -ENOEXEC);
	}
}

static void low_segments_are_the_guests_own(void **state)
{
	struct elf_image e;
	struct boot_image img;

	(void)state;
	elf_init(&e);
	e.phdr[PH_TEXT].p_paddr = 0x8000;
	e.note.entry = 0x8000;
	e.ehdr.e_entry = 0x8000;
	assert_int_equal(elf_open(&e, &img, NULL), 0);
	assert_int_equal(img.load_gpa, 0x8000);
	boot_close(&img);
}

static void every_truncation_is_refused(void **state)
{
	struct elf_image e;
	struct boot_image img;
	struct said s;

	(void)state;
	elf_init(&e);
	for (e.len = SELFMAG; e.len < ELF_IMAGE_BYTES; e.len += e.len < 512 ? 1 : 97) {
		said_begin(&s);
		assert_int_equal(elf_open(&e, &img, NULL), -ENOEXEC);
		said_end(&s);
		assert_one_line_with(&s, "the-image", "copy or build it again");
	}
}

static void an_entry_it_has_not_is_refused(void **state)
{
	struct elf_image e;
	struct boot_image img;
	struct said s;

	(void)state;
	elf_init(&e);
	said_begin(&s);
	assert_int_equal(elf_open(&e, &img, &by32), -ENOEXEC);
	said_end(&s);
	assert_one_line_with(&s, "the-image", "has no entry for --entry 32; it has pvh, 64");
}

/* ---- placed ---- */

struct bench {
	struct gmem mem;
	struct boot_image img;
	struct boot_entry entry;
	struct boot_config config;
};

static void load(struct bench *b, struct elf_image *e, const struct boot_how *how)
{
	gmem_init(&b->mem);
	assert_int_equal(gmem_add(&b->mem, 0, MEM_BYTES, GMEM_NORMAL), 0);
	assert_int_equal(elf_open(e, &b->img, how), 0);
	b->config.cmdline = "console=ttyS0";
	b->config.rsdp = ACPI_GPA;
	assert_int_equal(boot_load(&b->img, &b->mem, &b->config, &b->entry), 0);
	boot_close(&b->img);
}

static uint64_t u64(const struct bench *b, gpa_t gpa)
{
	uint64_t value = 0;

	assert_int_equal(gmem_read(&b->mem, gpa, &value, sizeof(value)), 0);
	return value;
}

static uint32_t u32(const struct bench *b, gpa_t gpa)
{
	return (uint32_t)u64(b, gpa);
}

static void pvh_is_handed_start_info(void **state)
{
	struct bench b = { 0 };
	struct elf_image e;
	int fd = bytes_fd("initrd", 6);
	struct fd_path name;
	const char *initrds[] = { fd_path(&name, fd) };
	gpa_t info, mods, map;

	(void)state;
	b.config.initrds = initrds;
	b.config.nr_initrds = 1;
	elf_init(&e);
	load(&b, &e, NULL);
	assert_int_equal(b.entry.mode, CPU_PROT32);
	assert_int_equal(b.entry.rip, ELF_PVH_ENTRY);
	info = b.entry.rbx;
	assert_int_equal(u32(&b, info), 0x336ec578);
	assert_int_equal(u32(&b, info + 4), 1);
	assert_int_equal(u32(&b, info + 12), 1);
	mods = u64(&b, info + 16);
	assert_int_equal(u64(&b, mods), MEM_BYTES - 4096);
	assert_int_equal(u64(&b, mods + 8), 6);
	assert_memory_equal(gmem_at(&b.mem, u64(&b, mods), 6), "initrd", 6);
	assert_string_equal(gmem_at(&b.mem, u64(&b, info + 24), 14), "console=ttyS0");
	assert_int_equal(u64(&b, info + 32), ACPI_GPA);
	map = u64(&b, info + 40);
	assert_int_equal(u32(&b, info + 48), 5);
	assert_int_equal(u64(&b, map + 3 * 24), MIB);
	assert_int_equal(u64(&b, map + 3 * 24 + 8), MEM_BYTES - MIB);
	assert_int_equal(u32(&b, map + 3 * 24 + 16), 1);
	close(fd);
	gmem_fini(&b.mem);
}

/* Adds a note by which a vmlinux says that it is Linux. */
static void make_linux(struct elf_image *e)
{
	static const struct {
		Elf64_Nhdr nhdr;
		char name[8];
		uint32_t lto;
	} note = { { 6, 4, 0x101 }, "Linux", 0 };

	memcpy(e->bytes + ELF_NOTE_OFFSET + sizeof(e->note), &note, sizeof(note));
	e->phdr[PH_NOTE].p_filesz += sizeof(note);
}

/* Linux takes one module as its initrd. Others, such as Xen, give each module a meaning. */
static void pvh_modules_are_joined_for_linux_only(void **state)
{
	int fd = bytes_fd("initrd", 6);
	struct fd_path name;
	const char *initrds[] = { fd_path(&name, fd), fd_path(&name, fd) };

	(void)state;
	for (int is_linux = 0; is_linux < 2; is_linux++) {
		struct bench b = { .config = { .initrds = initrds, .nr_initrds = 2 } };
		struct elf_image e;
		gpa_t mods;

		elf_init(&e);
		if (is_linux)
			make_linux(&e);
		load(&b, &e, NULL);
		assert_int_equal(b.entry.rip, ELF_PVH_ENTRY);
		assert_int_equal(u32(&b, b.entry.rbx + 12), is_linux ? 1 : 2);
		mods = u64(&b, b.entry.rbx + 16);
		assert_int_equal(u64(&b, mods), MEM_BYTES - 8192);
		assert_int_equal(u64(&b, mods + 8), is_linux ? 4096 + 6 : 6);
		if (!is_linux) {
			assert_int_equal(u64(&b, mods + 32), MEM_BYTES - 4096);
			assert_int_equal(u64(&b, mods + 40), 6);
			assert_string_equal(gmem_at(&b.mem, u64(&b, mods + 48), 32), initrds[1]);
		}
		gmem_fini(&b.mem);
	}
	close(fd);
}

static void module_names_without_room_are_refused(void **state)
{
	char path[4096];
	int fd = bytes_fd("initrd", 6);
	const char *initrds[BOOT_MAX_INITRDS];
	struct bench b = { .config = { .initrds = initrds, .nr_initrds = BOOT_MAX_INITRDS } };
	struct elf_image e;
	struct said s;

	(void)state;
	memset(path, '/', sizeof(path));
	snprintf(path + sizeof(path) - 20, 20, "proc/self/fd/%d", fd);
	for (unsigned int i = 0; i < BOOT_MAX_INITRDS; i++)
		initrds[i] = path;
	elf_init(&e);
	gmem_init(&b.mem);
	assert_int_equal(gmem_add(&b.mem, 0, MEM_BYTES, GMEM_NORMAL), 0);
	assert_int_equal(elf_open(&e, &b.img, NULL), 0);
	said_begin(&s);
	assert_int_equal(boot_load(&b.img, &b.mem, &b.config, &b.entry), -E2BIG);
	said_end(&s);
	assert_one_line_with(&s, "the-image", "module names and memory map together");
	boot_close(&b.img);
	gmem_fini(&b.mem);
	close(fd);
}

static void device_tree_goes_with_the_64_bit_entry(void **state)
{
	const struct boot_how with_dtb = { .load_gpa = BOOT_LOAD_ANYWHERE, .dtb = true };
	struct elf_image e;
	struct boot_image img;
	struct said s;

	(void)state;
	elf_init(&e);
	assert_int_equal(elf_open(&e, &img, &with_dtb), 0);
	assert_int_equal(img.start, BOOT_LINUX64);
	assert_int_equal(boot_check_dtb(&img), 0);
	boot_close(&img);
	assert_int_equal(elf_open(&e, &img, NULL), 0);
	said_begin(&s);
	assert_int_equal(boot_check_dtb(&img), -EOPNOTSUPP);
	said_end(&s);
	assert_one_line_with(&s, "the-image", "takes no device tree, started by its PVH entry");
	boot_close(&img);
}

/* A segment may lie between 192K and 639K, but not where the device tree does. */
static void device_tree_lies_over_no_segment(void **state)
{
	static const struct {
		gpa_t gpa;
		int err;
	} rows[] = {
		{ DTB_GPA, -EOPNOTSUPP },
		{ 0x40000, -EOPNOTSUPP },
		{ DTB_GPA + DTB_NODE_MAX_BYTES - 4096, -EOPNOTSUPP },
		{ DTB_GPA + DTB_NODE_MAX_BYTES, 0 },
		{ 0x8000, 0 },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct elf_image e;
		struct boot_image img;
		struct said s;

		elf_init(&e);
		e.phdr[PH_DATA].p_paddr = rows[i].gpa;
		e.phdr[PH_DATA].p_memsz = 4096;
		assert_int_equal(elf_open(&e, &img, &by64), 0);
		said_begin(&s);
		assert_int_equal(boot_check_dtb(&img), rows[i].err);
		said_end(&s);
		if (rows[i].err)
			assert_one_line_with(&s, "the-image", "where the device tree lies");
		boot_close(&img);
	}
}

static void vmlinux_gets_a_zero_page(void **state)
{
	struct bench b = { 0 };
	struct elf_image e;
	const struct boot_params *zp;

	(void)state;
	elf_init(&e);
	load(&b, &e, &by64);
	assert_int_equal(b.entry.mode, CPU_LONG64);
	assert_int_equal(b.entry.rip, ELF_TEXT_GPA);
	assert_int_equal(b.entry.rsi, ZERO_PAGE_GPA);
	zp = gmem_at(&b.mem, ZERO_PAGE_GPA, sizeof(*zp));
	assert_int_equal(zp->hdr.header, 0x53726448);
	assert_int_equal(zp->hdr.boot_flag, 0xaa55);
	assert_int_equal(zp->hdr.version, 0x20f);
	assert_int_equal(zp->hdr.type_of_loader, 0xff);
	assert_int_equal(zp->hdr.cmd_line_ptr, CMDLINE_GPA);
	assert_int_equal(zp->acpi_rsdp_addr, ACPI_GPA);
	assert_int_equal(zp->e820_entries, 5);
	gmem_fini(&b.mem);
}

static void placed_bytes_are_the_files(struct bench *b, const struct elf_image *e)
{
	assert_memory_equal(gmem_at(&b->mem, ELF_TEXT_GPA, ELF_TEXT_BYTES),
			    e->bytes + ELF_TEXT_OFFSET, ELF_TEXT_BYTES);
	assert_memory_equal(gmem_at(&b->mem, ELF_DATA_GPA, 100), e->bytes + ELF_TEXT_OFFSET, 100);
	for (unsigned int i = 100; i < MIB; i++)
		assert_int_equal(*(uint8_t *)gmem_at(&b->mem, ELF_DATA_GPA + i, 1), 0);
}

static void small_segments_are_read_and_bss_is_zero(void **state)
{
	struct bench b = { 0 };
	struct elf_image e;

	(void)state;
	elf_init(&e);
	load(&b, &e, NULL);
	assert_int_equal(b.mem.nr_files, 0);
	placed_bytes_are_the_files(&b, &e);
	gmem_fini(&b.mem);
}

/*
 * A segment of 2 MiB and some bytes at both ends: mapped except for those bytes, and zero after its
 * end.
 */
/*
 * Loads a large segment with @flags: @nr_mapped files are mapped, and in any case its bytes are
 * there and zeros after them.
 */
static void assert_large_segment(unsigned int flags, unsigned int nr_mapped)
{
	const uint64_t offset = ELF_IMAGE_BYTES - 24, bytes = 2 * MIB + 1000, skew = offset % 4096;
	struct elf_image e;
	uint8_t *content = malloc(offset + bytes + 4096);
	struct gmem mem;
	struct boot_image img;
	struct boot_config config = { 0 };
	struct boot_entry entry;
	int fd;

	elf_init(&e);
	e.phdr[PH_DATA].p_offset = offset;
	e.phdr[PH_DATA].p_paddr = ELF_DATA_GPA + skew;
	e.phdr[PH_DATA].p_filesz = bytes;
	e.phdr[PH_DATA].p_memsz = bytes + 4096;
	e.phdr[PH_DATA].p_flags = flags;
	elf_write64(&e);
	memset(content, 0x5a, offset + bytes + 4096); /* the file continues after the segment */
	memcpy(content, e.bytes, ELF_IMAGE_BYTES);
	fd = bytes_fd(content, offset + bytes + 4096);
	gmem_init(&mem);
	assert_int_equal(gmem_add(&mem, 0, MEM_BYTES, GMEM_NORMAL), 0);
	assert_int_equal(boot_open_fd(&img, fd, "the-image", NULL), 0);
	assert_int_equal(boot_load(&img, &mem, &config, &entry), 0);
	assert_int_equal(mem.nr_files, nr_mapped);
	assert_memory_equal(gmem_at(&mem, ELF_DATA_GPA + skew, bytes), content + offset, bytes);
	for (unsigned int i = 0; i < 4096; i++)
		assert_int_equal(*(uint8_t *)gmem_at(&mem, ELF_DATA_GPA + skew + bytes + i, 1), 0);
	boot_close(&img);
	gmem_fini(&mem);
	free(content);
}

static void large_segments_are_mapped(void **state)
{
	(void)state;
	assert_large_segment(PF_R | PF_X, 1);
	assert_large_segment(PF_R, 1);
}

static void what_is_written_is_not_mapped(void **state)
{
	(void)state;
	assert_large_segment(PF_R | PF_W, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_and_entries_are_found),
		cmocka_unit_test(without_a_note_the_elf_entry_is_taken),
		cmocka_unit_test(note_may_have_4_bytes),
		cmocka_unit_test(nonsense_in_notes_is_left_alone),
		cmocka_unit_test(bad_fields_are_refused_by_name),
		cmocka_unit_test(low_segments_are_the_guests_own),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(an_entry_it_has_not_is_refused),
		cmocka_unit_test(pvh_is_handed_start_info),
		cmocka_unit_test(pvh_modules_are_joined_for_linux_only),
		cmocka_unit_test(module_names_without_room_are_refused),
		cmocka_unit_test(device_tree_goes_with_the_64_bit_entry),
		cmocka_unit_test(device_tree_lies_over_no_segment),
		cmocka_unit_test(vmlinux_gets_a_zero_page),
		cmocka_unit_test(small_segments_are_read_and_bss_is_zero),
		cmocka_unit_test(large_segments_are_mapped),
		cmocka_unit_test(what_is_written_is_not_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
