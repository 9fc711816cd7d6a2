/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the 16-bit entries: setup code and its header in guest memory, the BIOS below it, flat
 * binaries, and the protocols that have no other entry.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel_image.h"
#include "x86/boot/bios_area.h"
#include "x86/layout.h"

#include <errno.h>

#define MEM_BYTES (64 * MIB)
#define HDR(offset) (REALMODE_GPA + (offset))

static const struct boot_how by16 = { .wish = BOOT_WISH_16, .load_gpa = BOOT_LOAD_ANYWHERE };

struct bench {
	struct gmem mem;
	struct kernel_image k;
	struct boot_image img;
	struct boot_entry entry;
	struct boot_config config;
};

static void load(struct bench *b, const struct boot_how *how)
{
	int fd = bytes_fd(b->k.bytes, b->k.len);

	gmem_init(&b->mem);
	assert_int_equal(gmem_add(&b->mem, 0, MEM_BYTES, GMEM_NORMAL), 0);
	assert_int_equal(boot_open_fd(&b->img, fd, "the-image", how), 0);
	assert_int_equal(boot_load(&b->img, &b->mem, &b->config, &b->entry), 0);
	boot_close(&b->img);
}

static uint32_t u32(const struct bench *b, gpa_t gpa)
{
	uint32_t value = 0;

	assert_int_equal(gmem_read(&b->mem, gpa, &value, sizeof(value)), 0);
	return value;
}

static uint16_t u16(const struct bench *b, gpa_t gpa)
{
	return (uint16_t)u32(b, gpa);
}

static const struct bios_head *bios(const struct bench *b)
{
	return gmem_at(&b->mem, BIOS_GPA, sizeof(struct bios_head));
}

/*
 * boot.rst: the setup code is entered 0x20 paragraphs after its segment; here through the BIOS's
 * POST.
 */
static void setup_code_is_entered_by_the_book(void **state)
{
	struct bench b = { .config.cmdline = "console=ttyS0 quiet" };

	(void)state;
	image_init(&b.k);
	load(&b, &by16);
	assert_int_equal(b.img.start, BOOT_LINUX16);
	assert_memory_equal(gmem_at(&b.mem, REALMODE_GPA, 0x1f1), b.k.bytes, 0x1f1);
	assert_memory_equal(gmem_at(&b.mem, HDR(H_END_2_15), IMAGE_PM_OFFSET - H_END_2_15),
			    b.k.bytes + H_END_2_15, IMAGE_PM_OFFSET - H_END_2_15);
	assert_memory_equal(gmem_at(&b.mem, 16 * MIB, IMAGE_PM_BYTES), b.k.bytes + IMAGE_PM_OFFSET,
			    IMAGE_PM_BYTES);
	assert_int_equal(u32(&b, HDR(0x214)), 16 * MIB); /* code32_start */
	assert_int_equal(u16(&b, HDR(0x210)) & 0xff, 0xff);
	assert_int_equal(u16(&b, HDR(0x211)) & 0x81, 0x81); /* LOADED_HIGH, CAN_USE_HEAP */
	assert_int_equal(u16(&b, HDR(0x224)), 0xde00);
	assert_int_equal(u32(&b, HDR(0x228)), REALMODE_CMDLINE_GPA);
	assert_string_equal(gmem_at(&b.mem, REALMODE_CMDLINE_GPA, 32), "console=ttyS0 quiet");
	assert_int_equal(b.entry.mode, CPU_REAL16);
	assert_int_equal(b.entry.cs, BIOS_GPA >> 4);
	assert_int_equal(b.entry.rip, BIOS_GPA + bios(&b)->post);
	assert_int_equal(bios(&b)->go_cs, 0x9020);
	assert_int_equal(bios(&b)->go_ip, 0);
	assert_int_equal(bios(&b)->go_ds, 0x9000);
	assert_int_equal(bios(&b)->go_sp, 0xe000);
	gmem_fini(&b.mem);
}

static void the_bios_is_in_its_place(void **state)
{
	struct bench b = { 0 };

	(void)state;
	image_init(&b.k);
	load(&b, &by16);
	assert_true(bios_bytes <= BIOS_MAX_BYTES);
	for (unsigned int i = 0; i < 256; i++)
		assert_int_equal(u16(&b, i * 4 + 2),
				 i == 0x18 || i == 0x19 ? 0xf000 : BIOS_GPA >> 4);
	assert_int_equal(u16(&b, 0x10 * 4), bios(&b)->int10);
	assert_int_equal(u16(&b, 0x08 * 4), bios(&b)->tick);
	assert_int_equal(u16(&b, 0x77 * 4), bios(&b)->irq_slave);
	assert_int_equal(u16(&b, 0x18 * 4), 0xfff0);
	assert_int_equal(u16(&b, 0x400), 0x3f8);
	assert_int_equal(u16(&b, 0x40e), EBDA_GPA >> 4);
	assert_int_equal(u16(&b, 0x413), 639);
	assert_int_equal(u16(&b, 0x449), 0x5003);
	assert_int_equal(bios(&b)->low_kib, 63 * 1024);
	assert_int_equal(bios(&b)->nr_e820, 5);
	assert_int_equal(bios(&b)->e820[3].gpa, MIB);
	assert_int_equal(bios(&b)->e820[3].bytes, 63 * MIB);
	/* the BIOS does not contain the reset vector */
	assert_int_equal(u32(&b, BIOS_GPA + BIOS_MAX_BYTES), 0);
	gmem_fini(&b.mem);
}

/* The other entries have nothing of the BIOS in low memory. */
static void protected_mode_entries_get_no_bios(void **state)
{
	struct bench b = { 0 };

	(void)state;
	image_init(&b.k);
	load(&b, NULL);
	for (gpa_t at = 0; at < 0x1000; at += 4)
		assert_int_equal(u32(&b, at), 0);
	assert_int_equal(u32(&b, BIOS_GPA), 0);
	gmem_fini(&b.mem);
}

/*
 * 2.03, like memdisk: syssize is not valid, no field after initrd_addr_max exists, so only real
 * mode remains.
 */
static void old_protocols_are_entered_in_real_mode(void **state)
{
	struct bench b = { .config.cmdline = "x" };

	(void)state;
	image_init(&b.k);
	image_set_version(&b.k, 0x203, 0x230);
	image_put(&b.k, H_SYSSIZE, 0, 4);
	image_put(&b.k, H_SETUP_DATA, UINT64_MAX, 8);
	load(&b, NULL);
	assert_int_equal(b.img.start, BOOT_LINUX16);
	assert_int_equal(b.img.starts, 1U << BOOT_LINUX16);
	assert_int_equal(b.img.pm_bytes, IMAGE_PM_BYTES);
	assert_int_equal(b.img.load_gpa, MIB);
	assert_int_equal(boot_cmdline_limit(&b.img), 255);
	assert_int_equal(boot_initrd_addr_max(&b.img), 0x7fffffff);
	assert_int_equal(u32(&b, HDR(H_SETUP_DATA)), UINT32_MAX); /* code, unchanged */
	gmem_fini(&b.mem);
	image_set_version(&b.k, 0x202, 0x22c);
	load(&b, NULL);
	assert_int_equal(boot_initrd_addr_max(&b.img), 0x37ffffff);
	gmem_fini(&b.mem);
}

/* Before 2.08 the last paragraph may be cut off. */
static void syssize_may_be_rounded_up(void **state)
{
	struct bench b = { 0 };
	struct said s;

	(void)state;
	image_init(&b.k);
	image_set_version(&b.k, 0x207, 0x248);
	b.k.len = IMAGE_BYTES - 15;
	load(&b, &by16);
	assert_int_equal(b.img.pm_bytes, IMAGE_PM_BYTES - 15);
	gmem_fini(&b.mem);
	b.k.len = IMAGE_BYTES - 16;
	said_begin(&s);
	assert_int_equal(image_open(&b.k, &b.img), -ENOEXEC);
	said_end(&s);
	assert_one_line_with(&s, "the-image", "truncated");
}

static void the_command_line_has_less_room(void **state)
{
	struct bench b = { 0 };

	(void)state;
	image_init(&b.k);
	image_put(&b.k, H_CMDLINE_SIZE, UINT32_MAX, 4);
	load(&b, &by16);
	assert_int_equal(boot_cmdline_limit(&b.img), EBDA_GPA - REALMODE_CMDLINE_GPA - 1);
	gmem_fini(&b.mem);
}

static void setup_code_that_leaves_no_room_has_no_16_bit_entry(void **state)
{
	static uint8_t file[65 * 512 + IMAGE_PM_BYTES];
	struct bench b = { 0 };
	struct said s;

	(void)state;
	image_init(&b.k);
	memcpy(file, b.k.bytes, IMAGE_BYTES);
	file[H_SETUP_SECTS] = 64;
	said_begin(&s);
	assert_int_equal(boot_open_fd(&b.img, bytes_fd(file, sizeof(file)), "the-image", &by16),
			 -ENOEXEC);
	said_end(&s);
	assert_one_line_with(&s, "the-image", "no entry for --entry 16; it has 64, 32");
	file[H_SETUP_SECTS] = 63;
	assert_int_equal(boot_open_fd(&b.img, bytes_fd(file, sizeof(file)), "the-image", &by16), 0);
	boot_close(&b.img);
}

/* ---- flat ---- */

static void flat(struct bench *b, enum boot_wish wish, gpa_t gpa)
{
	const struct boot_how how = { wish, gpa };

	memset(b->k.bytes, 0xf4, 1000);
	b->k.len = 1000;
	load(b, &how);
}

static void flat_binaries_go_where_they_are_told(void **state)
{
	struct bench b = { 0 };

	(void)state;
	flat(&b, BOOT_WISH_16, BOOT_LOAD_ANYWHERE);
	assert_int_equal(u16(&b, 0x7c00), 0xf4f4);
	assert_int_equal(bios(&b)->go_cs, 0);
	assert_int_equal(bios(&b)->go_ip, 0x7c00);
	assert_int_equal(bios(&b)->go_sp, 0x7c00);
	gmem_fini(&b.mem);
	flat(&b, BOOT_WISH_16, 0x5fff5);
	assert_int_equal(bios(&b)->go_cs, 0x5fff);
	assert_int_equal(bios(&b)->go_ip, 5);
	assert_int_equal(bios(&b)->go_ds, 0x5fff);
	assert_int_equal(bios(&b)->go_sp, 0);
	gmem_fini(&b.mem);
	flat(&b, BOOT_WISH_32, BOOT_LOAD_ANYWHERE);
	assert_int_equal(b.entry.mode, CPU_PROT32);
	assert_int_equal(b.entry.rip, MIB);
	gmem_fini(&b.mem);
	flat(&b, BOOT_WISH_64, 0x8000);
	assert_int_equal(b.entry.mode, CPU_LONG64);
	assert_int_equal(b.entry.rip, 0x8000);
	gmem_fini(&b.mem);
}

static void refuse_flat(enum boot_wish wish, gpa_t gpa, const char *what)
{
	const struct boot_how how = { wish, gpa };
	struct boot_image img;
	uint8_t bytes[1000];
	struct said s;

	memset(bytes, 0xf4, sizeof(bytes));
	said_begin(&s);
	assert_int_equal(boot_open_fd(&img, bytes_fd(bytes, sizeof(bytes)), "the-image", &how),
			 -ENOEXEC);
	said_end(&s);
	assert_one_line_with(&s, "the-image", what);
}

static void flat_binaries_are_refused_where_nothing_may_lie(void **state)
{
	(void)state;
	refuse_flat(BOOT_WISH_16, MIB, "use a --load below 1M");
	refuse_flat(BOOT_WISH_16, 0xa0000, "but a kernel may only use memory");
	refuse_flat(BOOT_WISH_32, 3 * GIB - 999, "but a kernel may only use memory");
	refuse_flat(BOOT_WISH_32, BOOT_DATA_GPA - 999, "but a kernel may only use memory");
	refuse_flat(BOOT_WISH_16, 0x4ff, "holds the interrupt vectors and the BIOS's data");
	refuse_flat(BOOT_WISH_AUTO, BOOT_LOAD_ANYWHERE,
		    "for a flat binary use --entry 16, 32 or 64");
	refuse_flat(BOOT_WISH_PVH, BOOT_LOAD_ANYWHERE,
		    "for a flat binary use --entry 16, 32 or 64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(setup_code_is_entered_by_the_book),
		cmocka_unit_test(the_bios_is_in_its_place),
		cmocka_unit_test(protected_mode_entries_get_no_bios),
		cmocka_unit_test(old_protocols_are_entered_in_real_mode),
		cmocka_unit_test(syssize_may_be_rounded_up),
		cmocka_unit_test(the_command_line_has_less_room),
		cmocka_unit_test(setup_code_that_leaves_no_room_has_no_16_bit_entry),
		cmocka_unit_test(flat_binaries_go_where_they_are_told),
		cmocka_unit_test(flat_binaries_are_refused_where_nothing_may_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
