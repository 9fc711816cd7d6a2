/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests Multiboot headers of both versions: found, checked, refused with the reason; and the
 * information written for them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "elf_image.h"
#include "x86/layout.h"

#include <errno.h>
#include <stdlib.h>

#define V1_MAGIC 0x1badb002U
#define V2_MAGIC 0xe85250d6U
#define HEADER_OFFSET 0x800
#define FLAT_GPA 0x100000U

/* A file with a header at HEADER_OFFSET: flat, or in an ELF file without a note. */
struct image {
	struct elf_image elf;
	uint32_t header[16];
	unsigned int nr; /* number of words */
	bool is_elf;
};

static void init(struct image *m, bool is_elf)
{
	elf_init(&m->elf);
	m->elf.note.nhdr.n_type = 0;
	m->is_elf = is_elf;
	m->nr = 0;
}

static void put_v1(struct image *m, uint32_t flags)
{
	const uint32_t header[] = { V1_MAGIC,
				    flags,
				    -(V1_MAGIC + flags),
				    FLAT_GPA + HEADER_OFFSET,
				    FLAT_GPA,
				    FLAT_GPA + 0x2000,
				    FLAT_GPA + 0x5000,
				    FLAT_GPA + 0x40 };

	memcpy(m->header, header, sizeof(header));
	m->nr = ARRAY_SIZE(header);
}

static void put_v2(struct image *m, const uint32_t *tags, unsigned int nr)
{
	uint32_t bytes = 16 + nr * 4;
	const uint32_t header[] = { V2_MAGIC, 0, bytes, -(V2_MAGIC + bytes) };

	memcpy(m->header, header, sizeof(header));
	memcpy(m->header + 4, tags, nr * sizeof(tags[0]));
	m->nr = 4 + nr;
}

static int open_image(struct image *m, struct boot_image *img)
{
	if (m->is_elf)
		elf_write64(&m->elf);
	memcpy(m->elf.bytes + HEADER_OFFSET, m->header, m->nr * 4);
	return boot_open_fd(img, bytes_fd(m->elf.bytes, m->elf.len), "the-image", NULL);
}

static void refused(struct image *m, const char *what)
{
	struct boot_image img;
	struct said s;
	int err;

	said_begin(&s);
	err = open_image(m, &img);
	said_end(&s);
	assert_one_line_with(&s, "kvm: the-image: ", what);
	assert_int_equal(err, -ENOEXEC);
}

static void v1_in_an_elf_file(void **state)
{
	struct boot_image img;
	struct image m;

	(void)state;
	init(&m, true);
	put_v1(&m, 3);
	assert_int_equal(open_image(&m, &img), 0);
	assert_int_equal(img.format, BOOT_ELF);
	assert_int_equal(img.start, BOOT_MULTIBOOT1);
	assert_int_equal(img.start_gpa[BOOT_MULTIBOOT1], ELF_TEXT_GPA);
	assert_int_equal(img.multiboot_offset[0], HEADER_OFFSET);
	assert_false(img.wants_video);
	boot_close(&img);
	put_v1(&m, 4);
	assert_int_equal(open_image(&m, &img), 0);
	assert_true(img.wants_video);
	boot_close(&img);
}

static void v1_with_addresses(void **state)
{
	struct boot_image img;
	struct image m;

	(void)state;
	for (int is_elf = 0; is_elf < 2; is_elf++) {
		init(&m, is_elf);
		put_v1(&m, 1U << 16);
		assert_int_equal(open_image(&m, &img), 0);
		assert_int_equal(img.format, BOOT_MULTIBOOT);
		assert_int_equal(img.nr_segments, 1);
		assert_int_equal(img.segment[0].offset, 0);
		assert_int_equal(img.segment[0].gpa, FLAT_GPA);
		assert_int_equal(img.segment[0].file_bytes, 0x2000);
		assert_int_equal(img.segment[0].mem_bytes, 0x5000);
		assert_int_equal(img.start_gpa[BOOT_MULTIBOOT1], FLAT_GPA + 0x40);
		boot_close(&img);
	}
	m.header[5] = 0; /* load_end_addr: to the end of the file */
	m.header[6] = 0; /* bss_end_addr: none */
	assert_int_equal(open_image(&m, &img), 0);
	assert_int_equal(img.segment[0].file_bytes, ELF_IMAGE_BYTES);
	assert_int_equal(img.segment[0].mem_bytes, ELF_IMAGE_BYTES);
	boot_close(&img);
}

static void v1_bad_headers(void **state)
{
	static const struct {
		unsigned int word;
		uint32_t value;
		const char *said;
	} bad[] = {
		{ 3, FLAT_GPA - 1, "do not fit the header's place" },
		{ 4, FLAT_GPA - 0x1000, "do not fit the header's place" },
		{ 3, UINT32_MAX, "do not fit the header's place" },
		{ 5, FLAT_GPA - 1, "truncated" },
		{ 5, FLAT_GPA + ELF_IMAGE_BYTES + 1, "truncated" },
		{ 6, UINT32_MAX, "but a kernel may only use memory" },
		{ 7, FLAT_GPA - 1, "entry 0xfffff is outside" },
		{ 7, FLAT_GPA + 0x5000, "entry 0x105000 is outside" },
	};
	struct image m;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		init(&m, false);
		put_v1(&m, 1U << 16);
		m.header[bad[i].word] = bad[i].value;
		refused(&m, bad[i].said);
	}
	init(&m, true);
	put_v1(&m, 1U << 3);
	refused(&m, "demands undefined features (flags 0x8)");
	init(&m, false);
	put_v1(&m, 0);
	refused(&m, "without addresses");
}

/*
 * A header is in the first 8 KiB, at a multiple of 4, with the right sum; elsewhere it does not
 * count.
 */
static void v1_is_looked_for_where_it_may_be(void **state)
{
	struct boot_image img;
	struct image m;

	(void)state;
	init(&m, true);
	put_v1(&m, 0);
	m.header[2]++;
	assert_int_equal(open_image(&m, &img), 0);
	assert_int_equal(img.start, BOOT_LINUX64);
	boot_close(&img);
	for (unsigned int at = 8192 - 12; at <= 8192 - 8; at += 4) {
		init(&m, true);
		put_v1(&m, 0);
		memcpy(m.elf.bytes + at, m.header, 12);
		m.nr = 0;
		assert_int_equal(open_image(&m, &img), 0);
		assert_int_equal(img.start, at == 8192 - 12 ? BOOT_MULTIBOOT1 : BOOT_LINUX64);
		boot_close(&img);
	}
}

static void v2_in_an_elf_file(void **state)
{
	static const uint32_t tags[] = { 1, 16, 3, 6, 3, 12, ELF_TEXT_GPA + 8, 0, 0, 8 };
	struct boot_image img;
	struct image m;

	(void)state;
	init(&m, true);
	put_v2(&m, tags, ARRAY_SIZE(tags));
	assert_int_equal(open_image(&m, &img), 0);
	assert_int_equal(img.start, BOOT_MULTIBOOT2);
	assert_int_equal(img.start_gpa[BOOT_MULTIBOOT2], ELF_TEXT_GPA + 8);
	assert_int_equal(img.multiboot_offset[1], HEADER_OFFSET);
	boot_close(&img);
}

static void v2_with_addresses(void **state)
{
	static const uint32_t tags[] = { 2,	   24, FLAT_GPA + HEADER_OFFSET,
					 FLAT_GPA, 0,  FLAT_GPA + 0x8000,
					 3,	   12, FLAT_GPA,
					 0,	   0,  8 };
	struct boot_image img;
	struct image m;

	(void)state;
	init(&m, false);
	put_v2(&m, tags, ARRAY_SIZE(tags));
	assert_int_equal(open_image(&m, &img), 0);
	assert_int_equal(img.format, BOOT_MULTIBOOT);
	assert_int_equal(img.segment[0].file_bytes, ELF_IMAGE_BYTES);
	assert_int_equal(img.segment[0].mem_bytes, 0x8000);
	boot_close(&img);
}

#define OPTIONAL (1U << 16)

static void v2_demands_are_met_or_refused(void **state)
{
	static const struct {
		uint32_t tags[6];
		unsigned int nr;
		const char *said; /* NULL: accepted */
	} rows[] = {
		{ { 1, 12, 8, 0, 0, 8 }, 6, "demands information of type 8" },
		{ { 1, 12, 0xffffff06, 0, 0, 8 }, 6, "demands information of type 4294967046" },
		{ { 1 | OPTIONAL, 12, 8, 0, 0, 8 }, 6, NULL },
		{ { 5, 8, 0, 8 }, 4, "demands a framebuffer" },
		{ { 5 | OPTIONAL, 8, 0, 8 }, 4, NULL },
		{ { 7, 8, 0, 8 }, 4, "demands EFI boot services" },
		{ { 7 | OPTIONAL, 8, 0, 8 }, 4, NULL },
		{ { 6, 8, 0, 8 }, 4, NULL },
		{ { 10, 8, 0, 8 }, 4, NULL },
		{ { 4242, 8, 0, 8 }, 4, "type 4242, which is not known" },
		{ { 4242 | OPTIONAL, 8, 0, 8 }, 4, NULL },
		{ { 2, 8, 0, 8 }, 4, "tag of type 2 in its Multiboot 2 header has only 8 bytes" },
		{ { 3, 8, 0, 8 }, 4, "tag of type 3 in its Multiboot 2 header has only 8 bytes" },
		{ { 6, 7, 0, 8 }, 4, "is 7 bytes long" },
		{ { 6, 0, 0, 8 }, 4, "is 0 bytes long" },
		{ { 6, 17, 0, 8 }, 4, "is 17 bytes long" },
		{ { 6, UINT32_MAX, 0, 8 }, 4, "is 4294967295 bytes long" },
		{ { 6, 8 }, 2, "does not end with a tag of type 0" },
	};
	struct boot_image img;
	struct image m;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		init(&m, true);
		put_v2(&m, rows[i].tags, rows[i].nr);
		if (rows[i].said) {
			refused(&m, rows[i].said);
			continue;
		}
		assert_int_equal(open_image(&m, &img), 0);
		assert_int_equal(img.start, BOOT_MULTIBOOT2);
		boot_close(&img);
	}
}

static void v2_header_longer_than_the_file(void **state)
{
	static const uint32_t tags[] = { 0, 8 };
	struct image m;

	(void)state;
	init(&m, true);
	put_v2(&m, tags, ARRAY_SIZE(tags));
	m.header[2] = ELF_IMAGE_BYTES;
	m.header[3] = -(V2_MAGIC + ELF_IMAGE_BYTES);
	refused(&m, "bytes long, but must end in the first 32 KiB");
	m.header[1] = 4;
	m.header[2] = 24;
	m.header[3] = -(V2_MAGIC + 4 + 24);
	refused(&m, "another architecture (4)");
}

/* ---- information ---- */

static void long_lines_are_refused(void **state)
{
	struct boot_config config = { 0 };
	struct boot_image img;
	struct boot_entry entry;
	struct image m;
	struct gmem mem;
	struct said s;
	char *line = malloc(BOOT_INFO_MAX_BYTES);

	(void)state;
	memset(line, 'x', BOOT_INFO_MAX_BYTES);
	line[BOOT_INFO_MAX_BYTES - 100] = '\0';
	config.cmdline = line;
	for (int version = 1; version <= 2; version++) {
		static const uint32_t tags[] = { 0, 8 };

		init(&m, true);
		if (version == 1)
			put_v1(&m, 0);
		else
			put_v2(&m, tags, ARRAY_SIZE(tags));
		gmem_init(&mem);
		assert_int_equal(gmem_add(&mem, 0, 64 * MIB, GMEM_NORMAL), 0);
		assert_int_equal(open_image(&m, &img), 0);
		said_begin(&s);
		assert_int_equal(boot_load(&img, &mem, &config, &entry), -E2BIG);
		said_end(&s);
		assert_one_line_with(&s, "the-image", "shorten -p");
		assert_int_equal(*(uint64_t *)gmem_at(&mem, BOOT_INFO_GPA + BOOT_INFO_MAX_BYTES, 8),
				 0);
		boot_close(&img);
		gmem_fini(&mem);
	}
	free(line);
}

/*
 * Each module is on its own page, after the kernel and its zeros. guest/payload checks the
 * information that the guest gets.
 */
static void modules_lie_behind_the_kernel(void **state)
{
	int fd = bytes_fd("module", 6);
	struct fd_path name;
	const char *initrds[2];
	struct boot_config config = { .initrds = initrds, .nr_initrds = 2 };
	struct boot_image img;
	struct boot_entry entry;
	struct image m;
	struct gmem mem;
	gpa_t first = ELF_DATA_GPA + MIB;

	(void)state;
	initrds[0] = initrds[1] = fd_path(&name, fd);
	init(&m, true);
	put_v1(&m, 0);
	gmem_init(&mem);
	assert_int_equal(gmem_add(&mem, 0, 64 * MIB, GMEM_NORMAL), 0);
	assert_int_equal(open_image(&m, &img), 0);
	assert_int_equal(boot_load(&img, &mem, &config, &entry), 0);
	assert_memory_equal(gmem_at(&mem, first, 6), "module", 6);
	assert_memory_equal(gmem_at(&mem, first + 4096, 6), "module", 6);
	assert_int_equal(entry.mode, CPU_PROT32);
	assert_int_equal(entry.rax, 0x2badb002);
	boot_close(&img);
	gmem_fini(&mem);
	close(fd);
}

/*
 * Such kernels may return to real mode (Xen), or find the MP table by the BIOS's data (xv6). What a
 * segment holds comes before that.
 */
static void bios_is_there(void **state)
{
	(void)state;
	for (int low = 0; low < 2; low++) {
		struct boot_config config = { 0 };
		struct boot_image img;
		struct boot_entry entry;
		struct image m;
		struct gmem mem;

		init(&m, true);
		put_v1(&m, 0);
		if (low)
			m.elf.phdr[PH_DATA].p_paddr = 0;
		m.elf.phdr[PH_DATA].p_memsz = 0x500;
		gmem_init(&mem);
		assert_int_equal(gmem_add(&mem, 0, 64 * MIB, GMEM_NORMAL), 0);
		assert_int_equal(open_image(&m, &img), 0);
		assert_int_equal(boot_load(&img, &mem, &config, &entry), 0);
		if (low) {
			assert_memory_equal(gmem_at(&mem, 0, 100), m.elf.bytes + ELF_TEXT_OFFSET,
					    100);
		} else {
			/* INT 15h, and the segment of the EBDA */
			assert_int_equal(*(uint16_t *)gmem_at(&mem, 0x15 * 4 + 2, 2), 0xff00);
			assert_int_equal(*(uint16_t *)gmem_at(&mem, 0x40e, 2), EBDA_GPA >> 4);
		}
		boot_close(&img);
		gmem_fini(&mem);
	}
}

/* As many initrds as there may be, and the archive of a command. */
static void every_module_has_room(void **state)
{
	int fd = bytes_fd("module", 6);
	struct fd_path name;
	const char *initrds[BOOT_MAX_INITRDS];
	struct boot_config config = { .initrds = initrds,
				      .nr_initrds = BOOT_MAX_INITRDS,
				      .archive = "archive",
				      .archive_bytes = 8 };
	struct boot_image img;
	struct boot_entry entry;
	struct image m;
	struct gmem mem;
	const uint32_t *info, *module;

	(void)state;
	for (unsigned int i = 0; i < BOOT_MAX_INITRDS; i++)
		initrds[i] = fd_path(&name, fd);
	init(&m, true);
	put_v1(&m, 0);
	gmem_init(&mem);
	assert_int_equal(gmem_add(&mem, 0, 64 * MIB, GMEM_NORMAL), 0);
	assert_int_equal(open_image(&m, &img), 0);
	assert_int_equal(boot_load(&img, &mem, &config, &entry), 0);
	info = gmem_at(&mem, entry.rbx, 32);
	assert_int_equal(info[5], BOOT_MAX_INITRDS + 1);
	module = gmem_at(&mem, info[6] + BOOT_MAX_INITRDS * 16, 16);
	assert_string_equal(gmem_at(&mem, module[0], 8), "archive");
	boot_close(&img);
	gmem_fini(&mem);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v1_in_an_elf_file),
		cmocka_unit_test(v1_with_addresses),
		cmocka_unit_test(v1_bad_headers),
		cmocka_unit_test(v1_is_looked_for_where_it_may_be),
		cmocka_unit_test(v2_in_an_elf_file),
		cmocka_unit_test(v2_with_addresses),
		cmocka_unit_test(v2_demands_are_met_or_refused),
		cmocka_unit_test(v2_header_longer_than_the_file),
		cmocka_unit_test(long_lines_are_refused),
		cmocka_unit_test(modules_lie_behind_the_kernel),
		cmocka_unit_test(bios_is_there),
		cmocka_unit_test(every_module_has_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
