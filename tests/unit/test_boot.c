/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the placing of kernels and initrds: where each part lies in guest memory, and what is
 * refused before that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel_image.h"
#include "x86/boot/e820.h"
#include "x86/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define PAGE 4096ULL
#define MEM_BYTES (64 * MIB)

/* A machine's memory and an image to load into it. */
struct bench {
	struct gmem mem;
	struct kernel_image k;
	struct boot_image img;
	struct boot_entry entry;
	struct boot_config config;
	struct said said;
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	gmem_init(&b->mem);
	image_init(&b->k);
	b->config.cmdline = "console=ttyS0";
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	gmem_fini(&b->mem);
	free(b);
	return 0;
}

static int load(struct bench *b, uint64_t mem_bytes)
{
	int err;

	gmem_fini(&b->mem);
	assert_int_equal(gmem_add(&b->mem, 0, mem_bytes, GMEM_NORMAL), 0);
	assert_int_equal(image_open(&b->k, &b->img), 0);
	err = boot_load(&b->img, &b->mem, &b->config, &b->entry);
	boot_close(&b->img);
	return err;
}

static int load_refused(struct bench *b, uint64_t mem_bytes, const char *name, const char *what)
{
	int err;

	said_begin(&b->said);
	err = load(b, mem_bytes);
	said_end(&b->said);
	assert_one_line_with(&b->said, name, what);
	assert_true(err < 0);
	return err;
}

static const struct boot_params *zero_page(const struct bench *b)
{
	return gmem_at(&b->mem, ZERO_PAGE_GPA, sizeof(struct boot_params));
}

static uint64_t guest_u64(const struct bench *b, gpa_t gpa)
{
	uint64_t value = 0;

	assert_int_equal(gmem_read(&b->mem, gpa, &value, sizeof(value)), 0);
	return value;
}

/* Walks the page tables as the processor does. Returns UINT64_MAX if not mapped. */
static uint64_t translate(const struct bench *b, uint64_t addr)
{
	uint64_t pml4e = guest_u64(b, BOOT_PML4_GPA + (addr >> 39 & 511) * 8), pdpte, pde;

	if (!(pml4e & 1))
		return UINT64_MAX;
	pdpte = guest_u64(b, (pml4e & ~0xfffULL) + (addr >> 30 & 511) * 8);
	if (!(pdpte & 1))
		return UINT64_MAX;
	pde = guest_u64(b, (pdpte & ~0xfffULL) + (addr >> 21 & 511) * 8);
	if ((pde & 0x83) != 0x83) /* present, writable, 2 MiB */
		return UINT64_MAX;
	return (pde & ~0x1fffffULL) | (addr & 0x1fffff);
}

static void kernel_64_is_entered_in_long_mode(void **state)
{
	struct bench *b = *state;

	assert_int_equal(load(b, MEM_BYTES), 0);
	assert_int_equal(b->entry.mode, CPU_LONG64);
	assert_int_equal(b->entry.rip, 16 * MIB + 0x200);
	assert_int_equal(b->entry.rsi, ZERO_PAGE_GPA);
	assert_memory_equal(gmem_at(&b->mem, 16 * MIB, IMAGE_PM_BYTES),
			    b->k.bytes + IMAGE_PM_OFFSET, IMAGE_PM_BYTES);
	assert_int_equal(guest_u64(b, 16 * MIB + IMAGE_PM_BYTES), 0);
	for (uint64_t addr = 0; addr < 4 * GIB; addr += 3 * MIB + 4095)
		assert_int_equal(translate(b, addr), addr);
	assert_int_equal(translate(b, 4 * GIB - 1), 4 * GIB - 1);
	assert_int_equal(translate(b, 4 * GIB), UINT64_MAX);
	assert_int_equal(guest_u64(b, BOOT_GDT_GPA), 0);
	assert_int_equal(guest_u64(b, BOOT_GDT_GPA + BOOT_CS) >> 52 & 0xa, 0xa); /* G, L, not D */
	assert_int_equal(guest_u64(b, BOOT_GDT_GPA + BOOT_CS) >> 40 & 0xff, 0x9b);
	assert_int_equal(guest_u64(b, BOOT_GDT_GPA + BOOT_DS) >> 40 & 0xff, 0x93);
	assert_int_equal(guest_u64(b, BOOT_GDT_GPA + BOOT_TR) >> 40 & 0xff, 0x8b);
	assert_int_equal(guest_u64(b, BOOT_GDT_GPA + BOOT_TR + 8), 0);
}

static void other_kernels_are_entered_in_32_bits(void **state)
{
	struct bench *b = *state;

	image_put(&b->k, H_XLOADFLAGS, 0, 2);
	assert_int_equal(load(b, MEM_BYTES), 0);
	assert_int_equal(b->entry.mode, CPU_PROT32);
	assert_int_equal(b->entry.rip, 16 * MIB);
	assert_int_equal(b->entry.rsi, ZERO_PAGE_GPA);
	assert_int_equal(guest_u64(b, BOOT_GDT_GPA + BOOT_CS) >> 52 & 0xf, 0xc); /* G, D, not L */
	assert_int_equal(guest_u64(b, BOOT_GDT_GPA + BOOT_CS) & 0xffff, 0xffff);
}

static void zero_page_tells_the_truth(void **state)
{
	static const uint8_t seed[32] = { 1, 2, 3, [31] = 0x5a };
	struct bench *b = *state;
	const struct boot_params *zp;
	const struct setup_data *node;

	b->config.rsdp = ACPI_GPA;
	b->config.rng_seed = seed;
	b->config.rng_seed_bytes = sizeof(seed);
	assert_int_equal(load(b, MEM_BYTES), 0);
	zp = zero_page(b);
	assert_int_equal(zp->hdr.header, 0x53726448);
	assert_int_equal(zp->hdr.version, 0x20f);
	assert_int_equal(zp->hdr.type_of_loader, 0xff);
	assert_int_equal(zp->hdr.loadflags, LOADED_HIGH); /* the file has CAN_USE_HEAP too */
	assert_int_equal(zp->hdr.code32_start, 16 * MIB);
	assert_int_equal(zp->hdr.cmd_line_ptr, CMDLINE_GPA);
	assert_int_equal(zp->ext_cmd_line_ptr, 0);
	assert_int_equal(zp->hdr.ramdisk_image, 0);
	assert_int_equal(zp->hdr.ramdisk_size, 0);
	assert_int_equal(zp->acpi_rsdp_addr, ACPI_GPA);
	assert_int_equal(zp->sentinel, 0);
	assert_int_equal(zp->alt_mem_k, 63 * 1024);
	assert_int_equal(zp->e820_entries, 5);
	assert_int_equal(zp->e820_table[3].addr, MIB);
	assert_int_equal(zp->e820_table[3].size, 63 * MIB);
	assert_int_equal(zp->e820_table[3].type, E820_TYPE_RAM);
	/* nothing else: everything before the header, and after it, is zero */
	for (const uint8_t *p = (const uint8_t *)zp; p < (const uint8_t *)&zp->acpi_rsdp_addr; p++)
		assert_int_equal(*p, 0);
	for (const uint8_t *p = (const uint8_t *)zp + H_END_2_15;
	     p < (const uint8_t *)zp->e820_table; p++)
		assert_int_equal(*p, 0);
	assert_string_equal(gmem_at(&b->mem, CMDLINE_GPA, 14), "console=ttyS0");

	assert_int_equal(zp->hdr.setup_data, RNG_SEED_GPA);
	node = gmem_at(&b->mem, RNG_SEED_GPA, sizeof(*node) + sizeof(seed));
	assert_int_equal(node->next, 0);
	assert_int_equal(node->type, SETUP_RNG_SEED);
	assert_int_equal(node->len, sizeof(seed));
	assert_memory_equal(node->data, seed, sizeof(seed));
}

static void header_reaches_the_zero_page_whole(void **state)
{
	struct bench *b = *state;
	const uint8_t *zp;

	image_put(&b->k, H_JUMP_LEN, 0x270 - 0x202,
		  1); /* 4 bytes of a later version; the file has 0xcc from there on */
	image_put(&b->k, H_END_2_15 - 4, 0x11223344, 4); /* kernel_info_offset */
	assert_int_equal(load(b, MEM_BYTES), 0);
	zp = (const uint8_t *)zero_page(b);
	assert_int_equal(zero_page(b)->hdr.pref_address, 16 * MIB);
	assert_int_equal(zero_page(b)->hdr.init_size, 4 * MIB);
	assert_int_equal(zero_page(b)->hdr.kernel_info_offset, 0x11223344);
	assert_int_equal(zp[0x26c], 0xcc);
	assert_int_equal(zp[0x26f], 0xcc);
	assert_int_equal(zp[0x270], 0);
}

static void fields_newer_than_the_protocol_stay_zero(void **state)
{
	static const uint8_t seed[32] = { 1 };
	struct bench *b = *state;

	b->config.rsdp = ACPI_GPA;
	b->config.rng_seed = seed;
	b->config.rng_seed_bytes = sizeof(seed);
	image_set_version(&b->k, 0x20d, H_END_2_15);
	assert_int_equal(load(b, MEM_BYTES), 0);
	assert_int_equal(zero_page(b)->acpi_rsdp_addr, 0);
	assert_int_equal(zero_page(b)->hdr.setup_data, RNG_SEED_GPA);
	image_set_version(&b->k, 0x208, 0x250);
	assert_int_equal(load(b, MEM_BYTES), 0);
	assert_int_equal(zero_page(b)->hdr.setup_data, 0);
	assert_int_equal(guest_u64(b, RNG_SEED_GPA + 8), 0);
	/* and a list in the file is ignored */
	image_init(&b->k);
	image_put(&b->k, H_SETUP_DATA, 0x123456, 8);
	b->config.rng_seed = NULL;
	assert_int_equal(load(b, MEM_BYTES), 0);
	assert_int_equal(zero_page(b)->hdr.setup_data, 0);
}

static void device_tree_joins_the_list(void **state)
{
	static const uint8_t seed[32] = { 1 };
	struct bench *b = *state;
	const struct setup_data *node;

	b->config.rng_seed = seed;
	b->config.rng_seed_bytes = sizeof(seed);
	assert_int_equal(load(b, MEM_BYTES), 0);
	boot_add_dtb(&b->mem, 1234);
	assert_int_equal(zero_page(b)->hdr.setup_data, DTB_GPA);
	node = gmem_at(&b->mem, DTB_GPA, sizeof(*node));
	assert_int_equal(node->type, SETUP_DTB);
	assert_int_equal(node->len, 1234);
	assert_int_equal(node->next, RNG_SEED_GPA);
}

static void device_tree_needs_protocol_2_09(void **state)
{
	struct bench *b = *state;

	for (unsigned int version = 0x208; version <= 0x209; version++) {
		image_set_version(&b->k, version, 0x258);
		assert_int_equal(image_open(&b->k, &b->img), 0);
		said_begin(&b->said);
		assert_int_equal(boot_check_dtb(&b->img), version < 0x209 ? -EOPNOTSUPP : 0);
		said_end(&b->said);
		if (version < 0x209)
			assert_one_line_with(&b->said, "the-image", "boot protocol 2.09");
		boot_close(&b->img);
	}
}

static void long_command_line_is_refused_with_both_lengths(void **state)
{
	struct bench *b = *state;
	char line[2049];

	memset(line, 'x', sizeof(line));
	line[2047] = '\0';
	b->config.cmdline = line;
	assert_int_equal(load(b, MEM_BYTES), 0);
	assert_string_equal(gmem_at(&b->mem, CMDLINE_GPA, 2048), line);
	line[2047] = 'x';
	line[2048] = '\0';
	assert_int_equal(load_refused(b, MEM_BYTES, "the-image",
				      "2048 characters long, this kernel takes 2047"),
			 -E2BIG);
}

/* A kernel that accepts more than we have room for: our room is the limit. */
static void command_line_never_leaves_its_place(void **state)
{
	struct bench *b = *state;
	char *line = malloc(CMDLINE_MAX_BYTES + 1);

	image_put(&b->k, H_CMDLINE_SIZE, UINT32_MAX, 4);
	memset(line, 'x', CMDLINE_MAX_BYTES + 1);
	line[CMDLINE_MAX_BYTES] = '\0';
	b->config.cmdline = line;
	assert_int_equal(load_refused(b, MEM_BYTES, "the-image",
				      "65536 characters long, this kernel takes 65535"),
			 -E2BIG);
	line[CMDLINE_MAX_BYTES - 1] = '\0';
	assert_int_equal(load(b, MEM_BYTES), 0);
	assert_int_equal(guest_u64(b, CMDLINE_GPA + CMDLINE_MAX_BYTES), 0);
	free(line);
}

static void kernel_needs_its_init_size(void **state)
{
	struct bench *b = *state;

	assert_int_equal(load_refused(b, 18 * MIB, "the-image",
				      "needs at least 20M of memory (-m); the guest has 18M"),
			 -ENOMEM);
	assert_int_equal(load(b, 20 * MIB), 0);
	image_put(&b->k, H_INIT_SIZE, 4 * MIB + 1, 4);
	load_refused(b, 20 * MIB, "the-image", "needs at least 21M");
	image_put(&b->k, H_INIT_SIZE, UINT32_MAX, 4);
	assert_int_equal(load_refused(b, 20 * MIB, "the-image", "devices begin at 3072M"), -EFBIG);
}

static void kernel_that_cannot_move_runs_where_it_says(void **state)
{
	struct bench *b = *state;

	image_put(&b->k, H_RELOCATABLE, 0, 1);
	image_put(&b->k, H_PREF_ADDRESS, 5 * MIB + 512, 8);
	assert_int_equal(load(b, MEM_BYTES), 0);
	assert_int_equal(b->entry.rip, 5 * MIB + 512 + 0x200);
	assert_int_equal(zero_page(b)->hdr.code32_start, 5 * MIB + 512);
	assert_memory_equal(gmem_at(&b->mem, 5 * MIB + 512, IMAGE_PM_BYTES),
			    b->k.bytes + IMAGE_PM_OFFSET, IMAGE_PM_BYTES);
}

static void kernel_that_shrinks_is_never_run(void **state)
{
	struct bench *b = *state;
	int err;

	assert_int_equal(gmem_add(&b->mem, 0, MEM_BYTES, GMEM_NORMAL), 0);
	assert_int_equal(image_open(&b->k, &b->img), 0);
	assert_int_equal(ftruncate(b->img.fd, IMAGE_BYTES - 1), 0);
	said_begin(&b->said);
	err = boot_load(&b->img, &b->mem, &b->config, &b->entry);
	said_end(&b->said);
	boot_close(&b->img);
	assert_int_equal(err, -EIO);
	assert_one_line_with(&b->said, "the-image", "became shorter");
}

/* ---- initrds ---- */

/* Makes a sparse file of @len bytes, with a mark at each end. */
static int initrd_fd(uint64_t len, char mark)
{
	int fd = memfd_create("initrd", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	assert_int_equal(pwrite(fd, &mark, 1, 0), 1);
	assert_int_equal(pwrite(fd, &mark, 1, (off_t)len - 1), 1);
	return fd;
}

static const char one_initrd_name[] = "/proc/self/fd/";

/* Loads with one initrd of @len bytes. Returns its address. */
static gpa_t load_initrd(struct bench *b, uint64_t mem_bytes, uint64_t len)
{
	int fd = initrd_fd(len, 'A');
	struct fd_path name;
	const char *initrds[] = { fd_path(&name, fd) };
	const struct boot_params *zp;
	gpa_t gpa;

	b->config.initrds = initrds;
	b->config.nr_initrds = 1;
	assert_int_equal(load(b, mem_bytes), 0);
	close(fd);
	zp = zero_page(b);
	gpa = zp->hdr.ramdisk_image;
	assert_int_equal(zp->hdr.ramdisk_size, len);
	assert_int_equal(zp->ext_ramdisk_image, 0);
	assert_int_equal(zp->ext_ramdisk_size, 0);
	assert_int_equal(gpa % PAGE, 0);
	assert_int_equal(*(char *)gmem_at(&b->mem, gpa, 1), 'A');
	assert_int_equal(*(char *)gmem_at(&b->mem, gpa + len - 1, 1), 'A');
	return gpa;
}

static void load_initrd_refused(struct bench *b, uint64_t mem_bytes, uint64_t len, const char *what)
{
	int fd = initrd_fd(len, 'A');
	struct fd_path name;
	const char *initrds[] = { fd_path(&name, fd) };

	b->config.initrds = initrds;
	b->config.nr_initrds = 1;
	load_refused(b, mem_bytes, one_initrd_name, what);
	close(fd);
}

static void initrd_lies_at_the_top(void **state)
{
	struct bench *b = *state;

	assert_int_equal(load_initrd(b, MEM_BYTES, 1), MEM_BYTES - PAGE);
	assert_int_equal(load_initrd(b, MEM_BYTES, PAGE), MEM_BYTES - PAGE);
	assert_int_equal(load_initrd(b, MEM_BYTES, PAGE + 1), MEM_BYTES - 2 * PAGE);
}

static void small_initrd_is_read_and_large_one_mapped(void **state)
{
	struct bench *b = *state;

	load_initrd(b, MEM_BYTES, MIB - 1);
	assert_int_equal(b->mem.nr_files, 0);
	load_initrd(b, MEM_BYTES, MIB);
	assert_int_equal(b->mem.nr_files, 1);
	load_initrd(b, MEM_BYTES, 8 * MIB + 123);
	assert_int_equal(b->mem.nr_files, 1);
}

/* The last byte may be at initrd_addr_max, and no later. */
static void initrd_ends_below_its_limit(void **state)
{
	struct bench *b = *state;

	image_put(&b->k, H_INITRD_ADDR_MAX, 40 * MIB - 1, 4);
	assert_int_equal(load_initrd(b, MEM_BYTES, 3 * MIB), 37 * MIB);
	image_put(&b->k, H_INITRD_ADDR_MAX, 40 * MIB - 2, 4);
	assert_int_equal(load_initrd(b, MEM_BYTES, 3 * MIB), 37 * MIB - PAGE);
	image_put(&b->k, H_INITRD_ADDR_MAX, UINT32_MAX, 4);
	assert_int_equal(load_initrd(b, MEM_BYTES, 3 * MIB), 61 * MIB);
}

/* The kernel runs from 16 to 20 MiB. */
static void initrd_and_kernel_leave_each_other_alone(void **state)
{
	struct bench *b = *state;

	assert_int_equal(load_initrd(b, MEM_BYTES, 44 * MIB), 20 * MIB);
	load_initrd_refused(b, MEM_BYTES, 44 * MIB + 1,
			    "needs at least 65M of memory (-m), kernel and initrd together");
	assert_int_equal(load_initrd(b, 66 * MIB, 44 * MIB + 1), 22 * MIB - PAGE);
	/* no room above: placed below, down to 1 MiB */
	assert_int_equal(load_initrd(b, 20 * MIB, PAGE), 16 * MIB - PAGE);
	assert_int_equal(load_initrd(b, 20 * MIB, 15 * MIB), MIB);
	load_initrd_refused(b, 20 * MIB, 15 * MIB + 1, "needs at least 36M");
	image_put(&b->k, H_INITRD_ADDR_MAX, 18 * MIB, 4);
	assert_int_equal(load_initrd(b, MEM_BYTES, 5 * MIB), 11 * MIB);
	/* a kernel whose end is inside a page */
	image_init(&b->k);
	image_put(&b->k, H_INIT_SIZE, 4 * MIB + 1, 4);
	assert_int_equal(load_initrd(b, 32 * MIB, 12 * MIB - PAGE), 20 * MIB + PAGE);
	assert_int_equal(load_initrd(b, 32 * MIB, 12 * MIB - PAGE - 1), 20 * MIB + PAGE);
	assert_int_equal(load_initrd(b, 32 * MIB, 12 * MIB), 4 * MIB);
}

static void initrd_that_never_fits_is_refused_for_good(void **state)
{
	struct bench *b = *state;

	image_put(&b->k, H_INITRD_ADDR_MAX, 32 * MIB - 1, 4);
	load_initrd_refused(b, MEM_BYTES, 16 * MIB, "below 32M");
	image_put(&b->k, H_INITRD_ADDR_MAX, 0, 4);
	load_initrd_refused(b, MEM_BYTES, 1, "below 0M");
	load_initrd_refused(b, MEM_BYTES, 3 * GIB, "below 0M");
	load_initrd_refused(b, MEM_BYTES, 3 * GIB + 1, "must fit below 3G");
	image_put(&b->k, H_INITRD_ADDR_MAX, UINT32_MAX, 4);
	load_initrd_refused(b, MEM_BYTES, 1080 * MIB, "needs at least 1100M of memory (-m)");
}

static long resident_pages(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long size, resident;

	assert_int_equal(fscanf(f, "%ld %ld", &size, &resident), 2);
	fclose(f);
	return resident;
}

static void initrd_of_500_mib_is_not_read(void **state)
{
	struct bench *b = *state;
	long before;

	load_initrd(b, GIB, MIB);
	before = resident_pages();
	load_initrd(b, GIB, 500 * MIB);
	assert_in_range(resident_pages() - before + 4096, 0, 2 * 4096); /* within 16 MiB */
}

static void initrds_are_joined_at_pages(void **state)
{
	struct bench *b = *state;
	static const uint64_t lens[] = { 5, 2 * MIB, 3 * PAGE - 3, 7 };
	static const uint64_t starts[] = { 0, PAGE, 2 * MIB + 2 * PAGE, 2 * MIB + 6 * PAGE };
	struct fd_path names[4];
	const char *initrds[4];
	const struct boot_params *zp;
	gpa_t gpa;
	int fds[4];

	for (unsigned int i = 0; i < 4; i++) {
		fds[i] = initrd_fd(lens[i], (char)('A' + i));
		initrds[i] = fd_path(&names[i], fds[i]);
	}
	b->config.initrds = initrds;
	b->config.nr_initrds = 4;
	assert_int_equal(load(b, MEM_BYTES), 0);
	zp = zero_page(b);
	gpa = zp->hdr.ramdisk_image;
	assert_int_equal(zp->hdr.ramdisk_size, starts[3] + lens[3]);
	assert_int_equal(gpa, MEM_BYTES - (starts[3] + PAGE));
	assert_int_equal(b->mem.nr_files, 1);
	for (unsigned int i = 0; i < 4; i++) {
		const char *at = gmem_at(&b->mem, gpa + starts[i], lens[i] + 4);

		assert_int_equal(at[0], 'A' + i);
		assert_int_equal(at[lens[i] - 1], 'A' + i);
		/* whatever precedes it, the next one begins after at least one zero word */
		if (i < 3)
			assert_memory_equal(at + lens[i], "\0\0\0\0", 4);
		close(fds[i]);
	}
}

static void an_archive_from_memory_is_the_last(void **state)
{
	struct bench *b = *state;
	int fd = initrd_fd(5, 'A');
	struct fd_path name;
	const char *initrds[] = { fd_path(&name, fd) };
	gpa_t gpa;

	b->config.initrds = initrds;
	b->config.nr_initrds = 1;
	b->config.archive = "archive";
	b->config.archive_bytes = 7;
	assert_int_equal(load(b, MEM_BYTES), 0);
	close(fd);
	gpa = zero_page(b)->hdr.ramdisk_image;
	assert_int_equal(zero_page(b)->hdr.ramdisk_size, PAGE + 7);
	assert_int_equal(*(char *)gmem_at(&b->mem, gpa, 1), 'A');
	assert_memory_equal(gmem_at(&b->mem, gpa + PAGE, 7), "archive", 7);
}

static void bad_initrds_are_refused_by_name(void **state)
{
	struct bench *b = *state;
	char empty[] = "/tmp/test_boot.XXXXXX";
	const char *many[BOOT_MAX_INITRDS + 1];
	const char *initrds[] = { "/proc/self/exe", NULL };
	int fd = mkstemp(empty);

	b->config.initrds = initrds;
	b->config.nr_initrds = 2;
	initrds[1] = "/nonexistent/initrd";
	assert_int_equal(load_refused(b, MEM_BYTES, "/nonexistent/initrd",
				      "cannot open the initrd: No such file"),
			 -ENOENT);
	initrds[1] = "/proc/self";
	assert_int_equal(load_refused(b, MEM_BYTES, "/proc/self: ", "a directory"), -EISDIR);
	initrds[1] = empty;
	assert_int_equal(load_refused(b, MEM_BYTES, empty, "the initrd is an empty file"),
			 -ENODATA);
	initrds[1] = "/dev/null";
	assert_int_equal(load_refused(b, MEM_BYTES, "/dev/null", "a character device"), -EINVAL);
	for (unsigned int i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = "/proc/self/exe";
	b->config.initrds = many;
	b->config.nr_initrds = ARRAY_SIZE(many);
	assert_int_equal(load_refused(b, MEM_BYTES, "/proc/self/exe", "at most 16"), -E2BIG);
	close(fd);
	unlink(empty);
}

static void nothing_is_placed_when_refused(void **state)
{
	struct bench *b = *state;
	const char *initrds[] = { "/nonexistent/initrd" };

	b->config.initrds = initrds;
	b->config.nr_initrds = 1;
	load_refused(b, MEM_BYTES, "/nonexistent/initrd", "");
	assert_int_equal(guest_u64(b, 16 * MIB), 0);
	assert_int_equal(guest_u64(b, ZERO_PAGE_GPA + 0x1f8), 0);
}

/* A file cannot be mapped over memory of the huge page pool: then it is read. */
static void initrd_is_read_where_it_cannot_be_mapped(void **state)
{
	struct bench *b = *state;
	struct gmem_file *full = b->mem.file;
	int fd = initrd_fd(2 * MIB, 'A');
	struct fd_path name;
	const char *initrds[] = { fd_path(&name, fd) };

	b->config.initrds = initrds;
	b->config.nr_initrds = 1;
	assert_int_equal(gmem_add(&b->mem, 0, MEM_BYTES, GMEM_NORMAL), 0);
	for (unsigned int i = 0; i < GMEM_MAX_FILES; i++)
		full[i].fd = -1;
	b->mem.nr_files = GMEM_MAX_FILES;
	assert_int_equal(image_open(&b->k, &b->img), 0);
	assert_int_equal(boot_load(&b->img, &b->mem, &b->config, &b->entry), 0);
	boot_close(&b->img);
	assert_int_equal(*(char *)gmem_at(&b->mem, MEM_BYTES - 1, 1), 'A');
	assert_int_equal(*(char *)gmem_at(&b->mem, MEM_BYTES - 2 * MIB, 1), 'A');
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(kernel_64_is_entered_in_long_mode),
		TEST(other_kernels_are_entered_in_32_bits),
		TEST(zero_page_tells_the_truth),
		TEST(header_reaches_the_zero_page_whole),
		TEST(fields_newer_than_the_protocol_stay_zero),
		TEST(device_tree_joins_the_list),
		TEST(device_tree_needs_protocol_2_09),
		TEST(long_command_line_is_refused_with_both_lengths),
		TEST(command_line_never_leaves_its_place),
		TEST(kernel_needs_its_init_size),
		TEST(kernel_that_cannot_move_runs_where_it_says),
		TEST(kernel_that_shrinks_is_never_run),
		TEST(initrd_lies_at_the_top),
		TEST(small_initrd_is_read_and_large_one_mapped),
		TEST(initrd_ends_below_its_limit),
		TEST(initrd_and_kernel_leave_each_other_alone),
		TEST(initrd_that_never_fits_is_refused_for_good),
		TEST(initrd_of_500_mib_is_not_read),
		TEST(initrds_are_joined_at_pages),
		TEST(an_archive_from_memory_is_the_last),
		TEST(bad_initrds_are_refused_by_name),
		TEST(nothing_is_placed_when_refused),
		TEST(initrd_is_read_where_it_cannot_be_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
