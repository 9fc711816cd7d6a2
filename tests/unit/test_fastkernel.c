/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the kernel inside a bzImage: unpacked, found in the cache, started with the bzImage's
 * header; after any error, the unchanged bzImage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache_rig.h"
#include "elf_image.h"
#include "x86/layout.h"

#include <fcntl.h>
#include <sys/stat.h>

#define MEM_BYTES (64 * MIB)
#define H_PAYLOAD_OFFSET 0x248
#define H_PAYLOAD_LENGTH 0x24c
#define PAYLOAD_OFFSET 0x300
#define CMDLINE_BYTES 1234

static void write_file(const char *path, const void *bytes, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

/* Makes a bzImage whose payload is @e, packed with the real gzip. */
static void make_image(const struct cache_rig *r, struct kernel_image *k, struct elf_image *e)
{
	char plain[128], packed[128], command[300];
	uint8_t *payload = k->bytes + IMAGE_PM_OFFSET + PAYLOAD_OFFSET;
	ssize_t len;
	int fd;

	snprintf(plain, sizeof(plain), "%s/elf", r->home);
	snprintf(packed, sizeof(packed), "%s/elf.gz", r->home);
	snprintf(command, sizeof(command), "gzip -c <%s >%s", plain, packed);
	elf_write64(e);
	write_file(plain, e->bytes, e->len, 0600);
	assert_int_equal(system(command), 0);
	image_init(k);
	image_put(k, H_CMDLINE_SIZE, CMDLINE_BYTES, 4);
	fd = open(packed, O_RDONLY | O_CLOEXEC);
	len = read(fd, payload, IMAGE_PM_BYTES - PAYLOAD_OFFSET);
	assert_in_range(len, 100, IMAGE_PM_BYTES - PAYLOAD_OFFSET - 1);
	close(fd);
	image_put(k, H_PAYLOAD_OFFSET, PAYLOAD_OFFSET, 4);
	image_put(k, H_PAYLOAD_LENGTH, (uint64_t)len, 4);
}

static void open_and_use(const struct kernel_image *k, struct boot_image *img)
{
	assert_int_equal(image_open(k, img), 0);
	fastkernel_use(img);
}

static void wait_for_entry(const struct cache_rig *r)
{
	char path[512];

	for (unsigned int i = 0; !cache_entries(r, path); i++) {
		assert_true(i < 10000);
		usleep(1000);
	}
}

/* Leaves one program in PATH, gzip, which is @script; NULL: none. */
static void replace_gzip(const struct cache_rig *r, const char *script)
{
	char path[96], text[256];

	snprintf(path, sizeof(path), "%s/bin", r->home);
	mkdir(path, 0700);
	setenv("PATH", path, 1);
	snprintf(path, sizeof(path), "%s/bin/gzip", r->home);
	snprintf(text, sizeof(text), "#!/bin/sh\nPATH=/usr/bin:/bin\n%s\n", script ? script : "");
	unlink(path);
	if (script)
		write_file(path, text, strlen(text), 0700);
}

static void assert_unchanged(const struct kernel_image *k, struct boot_image *img)
{
	struct boot_image before;

	assert_int_equal(image_open(k, &before), 0);
	boot_close(&before);
	assert_int_equal(img->format, BOOT_BZIMAGE);
	before.fd = img->fd;
	assert_memory_equal(img, &before, sizeof(before));
	boot_close(img);
}

static void the_kernel_inside_is_started_with_the_bzimages_header(void **state)
{
	const struct boot_config config = { .cmdline = "a=b" };
	const struct boot_params *zp;
	struct boot_entry entry;
	struct elf_image e;
	struct kernel_image k;
	struct boot_image img;
	struct gmem mem;

	elf_init(&e);
	make_image(*state, &k, &e);
	open_and_use(&k, &img);
	assert_int_equal(img.format, BOOT_ELF);
	assert_int_equal(img.start, BOOT_LINUX64); /* and not PVH's, which it has too */
	assert_string_equal(img.version, IMAGE_VERSION);
	assert_int_equal(boot_cmdline_limit(&img), CMDLINE_BYTES);
	assert_int_equal(img.runtime_bytes, 4 * MIB);
	gmem_init(&mem);
	assert_int_equal(gmem_add(&mem, 0, MEM_BYTES, GMEM_NORMAL), 0);
	assert_int_equal(boot_load(&img, &mem, &config, &entry), 0);
	assert_int_equal(entry.rip, ELF_TEXT_GPA);
	assert_int_equal(entry.rsi, ZERO_PAGE_GPA);
	zp = gmem_at(&mem, ZERO_PAGE_GPA, sizeof(*zp));
	assert_int_equal(zp->hdr.cmdline_size, CMDLINE_BYTES);
	assert_int_equal(zp->hdr.init_size, 4 * MIB);
	assert_memory_equal(gmem_at(&mem, ELF_TEXT_GPA, ELF_TEXT_BYTES), e.bytes + ELF_TEXT_OFFSET,
			    ELF_TEXT_BYTES);
	boot_close(&img);
	gmem_fini(&mem);
	wait_for_entry(*state);
}

static void the_second_time_no_program_is_needed(void **state)
{
	struct elf_image e;
	struct kernel_image k;
	struct boot_image img;

	elf_init(&e);
	make_image(*state, &k, &e);
	open_and_use(&k, &img);
	boot_close(&img);
	wait_for_entry(*state);
	replace_gzip(*state, NULL);
	open_and_use(&k, &img);
	assert_int_equal(img.format, BOOT_ELF);
	boot_close(&img);
}

static void another_payload_is_another_entry(void **state)
{
	struct elf_image e;
	struct kernel_image k;
	struct boot_image img;

	elf_init(&e);
	make_image(*state, &k, &e);
	open_and_use(&k, &img);
	boot_close(&img);
	wait_for_entry(*state);
	replace_gzip(*state, NULL);
	for (unsigned int at = 20; at < 300; at++) {
		k.bytes[IMAGE_PM_OFFSET + PAYLOAD_OFFSET + at] ^= 1;
		open_and_use(&k, &img);
		assert_unchanged(&k, &img);
		k.bytes[IMAGE_PM_OFFSET + PAYLOAD_OFFSET + at] ^= 1;
	}
}

static void a_damaged_entry_is_unpacked_again(void **state)
{
	struct elf_image e;
	struct kernel_image k;
	struct boot_image img;
	char path[512];
	uint8_t text[ELF_TEXT_BYTES];

	elf_init(&e);
	make_image(*state, &k, &e);
	open_and_use(&k, &img);
	boot_close(&img);
	wait_for_entry(*state);
	cache_entries(*state, path);
	chmod(path, 0600);
	write_file(path, e.bytes, e.len - 1, 0600);
	open_and_use(&k, &img);
	assert_int_equal(img.format, BOOT_ELF);
	assert_int_equal(pread(img.fd, text, sizeof(text), ELF_TEXT_OFFSET), sizeof(text));
	assert_memory_equal(text, e.bytes + ELF_TEXT_OFFSET, sizeof(text));
	boot_close(&img);
	wait_for_entry(*state);
}

static void without_a_program_that_does_it_the_bzimage_is_booted(void **state)
{
	static const char *const scripts[] = {
		NULL,
		"exit 1",
		"exit 0",			  /* nothing */
		"gzip -dc; exit 1",		  /* damaged at its end */
		"gzip -dc; echo more",		  /* too many bytes */
		"exec head -c 1000000 /dev/zero", /* far too many bytes */
		"gzip -dc | head -c 12287",	  /* too few bytes */
		"head -c 12288 /dev/zero",	  /* not an ELF file */
		"kill -KILL $$",
	};
	struct elf_image e;
	struct kernel_image k;
	struct boot_image img;
	char path[512];

	elf_init(&e);
	make_image(*state, &k, &e);
	for (unsigned int i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		replace_gzip(*state, scripts[i]);
		open_and_use(&k, &img);
		assert_unchanged(&k, &img);
		assert_int_equal(cache_entries(*state, path), 0);
	}
	replace_gzip(*state, "exec gzip -dc"); /* which shows that the scripts were the cause */
	open_and_use(&k, &img);
	assert_int_equal(img.format, BOOT_ELF);
	boot_close(&img);
	wait_for_entry(*state);
}

static void a_header_that_points_elsewhere_does_no_harm(void **state)
{
	static const struct {
		unsigned int field;
		uint64_t value;
	} cases[] = {
		{ H_PAYLOAD_LENGTH, 0 },
		{ H_PAYLOAD_LENGTH, 8 },
		{ H_PAYLOAD_LENGTH, IMAGE_PM_BYTES },
		{ H_PAYLOAD_LENGTH, UINT32_MAX },
		{ H_PAYLOAD_OFFSET, IMAGE_PM_BYTES },
		{ H_PAYLOAD_OFFSET, UINT32_MAX },
		{ H_PAYLOAD_OFFSET, 0x200 },
		{ H_INIT_SIZE, IMAGE_PM_BYTES },	 /* less than gzip unpacks */
		{ H_PREF_ADDRESS, 18 * MIB },		 /* above where the kernel runs */
		{ H_XLOADFLAGS, 0 },			 /* no 64-bit entry */
		{ IMAGE_PM_OFFSET + PAYLOAD_OFFSET, 0 }, /* no magic number */
	};
	struct elf_image e;
	struct kernel_image good, k;
	struct boot_image img;
	char path[512];

	elf_init(&e);
	make_image(*state, &good, &e);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		k = good;
		image_put(&k, cases[i].field, cases[i].value,
			  cases[i].field == H_XLOADFLAGS ? 2 : 4);
		open_and_use(&k, &img);
		assert_unchanged(&k, &img);
		assert_int_equal(cache_entries(*state, path), 0);
	}
}

static void a_kernel_that_would_run_elsewhere_is_not_started(void **state)
{
	struct elf_image e;
	struct kernel_image k;
	struct boot_image img;

	elf_init(&e);
	e.phdr[PH_DATA].p_memsz = 2 * MIB + 1;
	make_image(*state, &k, &e);
	open_and_use(&k, &img);
	assert_unchanged(&k, &img);
}

static void without_a_folder_the_bzimage_is_booted(void **state)
{
	struct elf_image e;
	struct kernel_image k;
	struct boot_image img;

	elf_init(&e);
	make_image(*state, &k, &e);
	setenv("HOME", "/proc/nowhere", 1);
	open_and_use(&k, &img);
	assert_unchanged(&k, &img);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, cache_rig_setup, cache_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_kernel_inside_is_started_with_the_bzimages_header),
		TEST(the_second_time_no_program_is_needed),
		TEST(another_payload_is_another_entry),
		TEST(a_damaged_entry_is_unpacked_again),
		TEST(without_a_program_that_does_it_the_bzimage_is_booted),
		TEST(a_header_that_points_elsewhere_does_no_harm),
		TEST(a_kernel_that_would_run_elsewhere_is_not_started),
		TEST(without_a_folder_the_bzimage_is_booted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
