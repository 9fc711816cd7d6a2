/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests which part of a disk is the root, with made-up tables and file systems: good, damaged and
 * hostile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virtio/rootdev.h"

#include "partition_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTORS 4096

struct rig {
	unsigned char *image;
	unsigned int block_bytes;
	uint64_t size_bytes; /* the disk's reported size; reads past SECTORS are zeros */
	unsigned int nr_reads;
	int err;
	uint8_t root_type[GUID_BYTES];
	struct rootdev root;
};

static int rig_read(void *ctx, uint64_t offset, void *buf, uint64_t len)
{
	struct rig *r = ctx;
	uint64_t have = SECTORS * SECTOR;

	r->nr_reads++;
	assert_true(offset < r->size_bytes && len <= r->size_bytes - offset);
	memset(buf, 0, len);
	if (offset < have)
		memcpy(buf, r->image + offset, min_u64(len, have - offset));
	return r->err;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->image = calloc(SECTORS, SECTOR);
	r->size_bytes = SECTORS * SECTOR;
	r->block_bytes = SECTOR;
	put_guid(r->root_type, GUID_ROOT);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	free(r->image);
	free(r);
	return 0;
}

static int find(struct rig *r)
{
	struct rootdev_disk disk = { .read = rig_read,
				     .ctx = r,
				     .size_bytes = r->size_bytes,
				     .block_bytes = r->block_bytes,
				     .root_type = r->root_type };

	memset(&r->root, 0xff, sizeof(r->root));
	r->nr_reads = 0;
	return rootdev_find(&disk, &r->root);
}

static void expect(struct rig *r, unsigned int partition, const char *why)
{
	assert_int_equal(find(r), 0);
	assert_true(r->root.found);
	assert_int_equal(r->root.partition, partition);
	assert_non_null(strstr(r->root.why, why));
}

static void expect_choices(struct rig *r, const char *choices)
{
	assert_int_equal(find(r), 0);
	assert_false(r->root.found);
	assert_string_equal(r->root.choices, choices);
}

static void put_ext(struct rig *r)
{
	r->image[1024 + 56] = 0x53;
	r->image[1024 + 57] = 0xef;
}

static void test_whole_disk(void **state)
{
	struct rig *r = *state;

	expect_choices(r, "");
	put_ext(r);
	expect(r, 0, "ext4");
	memset(r->image, 0, 4096);
	memcpy(r->image, "XFSB", 4);
	expect(r, 0, "XFS");
	memset(r->image, 0, 4096);
	memcpy(r->image + 65536 + 64, "_BHRfS_M", 8);
	expect(r, 0, "btrfs");
	r->size_bytes = 65536 + 64 + 7;
	expect_choices(r, "");
	r->size_bytes = 65536 + 64 + 8;
	expect(r, 0, "btrfs");
}

/* A boot sector with code where a table would be, before a file system. */
static void test_boot_sector(void **state)
{
	struct rig *r = *state;

	put_ext(r);
	memset(r->image, 0x41, 510);
	put_mbr(r->image, 0, 0, 0x83, 8, 100);
	expect(r, 0, "ext4");
	r->image[446] = r->image[462] = r->image[478] = r->image[494] = 0;
	memset(r->image + 462, 0, 48);
	expect(r, 1, "only Linux");
}

static void test_gpt_root_type(void **state)
{
	struct rig *r = *state;

	put_gpt_header(r->image, 2, 128);
	put_gpt(r->image, 0, GUID_ESP, 64, 127, "esp");
	put_gpt(r->image, 1, GUID_LINUX, 128, 255, "data");
	put_gpt(r->image, 4, GUID_ROOT, 256, SECTORS - 1, "root");
	expect(r, 5, "its type");
	put_ext(r);
	memcpy(r->image + 65536 + 64, "_BHRfS_M", 8);
	expect(r, 5, "its type");
	put_gpt(r->image, 127, GUID_ROOT, 256, 257, "another");
	memset(r->image + 1024, 0, 128);
	put_gpt(r->image, 0, GUID_ESP, 64, 127, "esp");
	expect_choices(
		r,
		"vda1 (EFI system, \"esp\"), vda2 (Linux, \"data\"), vda5 (Linux root, \"root\"), vda128 (Linux root, \"another\")");
}

static void test_gpt_only_linux(void **state)
{
	struct rig *r = *state;

	put_gpt_header(r->image, 2, 128);
	put_gpt(r->image, 0, GUID_ESP, 64, 127, "");
	put_gpt(r->image, 2, GUID_LINUX, 128, 255, "a");
	expect(r, 3, "only Linux");
	put_gpt(r->image, 3, GUID_LINUX, 256, 300, "b\xe9\x1b[");
	expect_choices(r, "vda1 (EFI system), vda3 (Linux, \"a\"), vda4 (Linux, \"b??[\")");
}

static void test_gpt_types(void **state)
{
	static const char *const types[] = { GUID_ESP,	     GUID_SWAP,	   GUID_LVM,
					     GUID_BIOS_BOOT, GUID_MS_DATA, GUID_OTHER };
	struct rig *r = *state;

	put_gpt_header(r->image, 2, 8);
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++)
		put_gpt(r->image, i, types[i], 64, 64, "");
	expect_choices(
		r,
		"vda1 (EFI system), vda2 (Linux swap), vda3 (Linux LVM), vda4 (BIOS boot), vda5 (Microsoft data), vda6 (type 01234567-89ab-cdef-0123-456789abcdef)");
}

static void test_gpt_bad_entries(void **state)
{
	static const uint64_t bad[][2] = {
		{ 0, 10 },
		{ 1, 10 },
		{ 11, 10 },
		{ 10, SECTORS },
		{ SECTORS, SECTORS },
		{ UINT64_MAX, UINT64_MAX },
		{ 10, UINT64_MAX },
		{ 1ULL << 55, 1ULL << 56 },
	};
	struct rig *r = *state;

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(r->image, 0, 65536);
		put_gpt_header(r->image, 2, 128);
		put_gpt(r->image, 0, GUID_ROOT, bad[i][0], bad[i][1], "bad");
		put_gpt(r->image, 1, GUID_LINUX, 64, 64, "good");
		expect(r, 2, "only Linux");
	}
}

static void test_gpt_bad_header(void **state)
{
	static const struct {
		unsigned int at;
		uint32_t value;
	} bad[] = {
		{ 0, 0 },	    { 12, 91 },	 { 12, 513 },	     { 24, 2 },
		{ 28, 1 },	    { 72, 0 },	 { 72, 1 },	     { 72, SECTORS },
		{ 76, 0x80000000 }, { 80, 0 },	 { 80, 0xffffffff }, { 80, (SECTORS - 2) * 4 + 1 },
		{ 84, 0 },	    { 84, 127 }, { 84, 256 },	     { 84, 0xffffffff },
	};
	struct rig *r = *state;

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(r->image, 0, 65536);
		put_gpt_header(r->image, 2, 128);
		put_gpt(r->image, 0, GUID_ROOT, 64, 64, "");
		expect(r, 1, "its type");
		put_le32(r->image + SECTOR + bad[i].at, bad[i].value);
		expect_choices(r, "");
	}
	put_le32(r->image + SECTOR + 84, 128);
	put_le32(r->image + SECTOR + 80, (SECTORS - 2) * 4);
	expect(r, 1, "its type");
	assert_true(r->nr_reads <= 9);
}

/*
 * The table has as many entries as the header says, at the header's place; the disk's last sector
 * holds some.
 */
static void test_gpt_entries_place(void **state)
{
	struct rig *r = *state;
	unsigned char *far = r->image + (SECTORS - 1 - 2) * SECTOR;

	put_gpt_header(r->image, SECTORS - 1, 4);
	put_gpt(far, 3, GUID_ROOT, 64, 64, "last");
	expect(r, 4, "its type");
	put_gpt_header(r->image, SECTORS - 1, 3);
	expect_choices(r, "");
	put_gpt_header(r->image, SECTORS - 1, 5);
	expect_choices(r, "");
	memset(r->image, 0, 65536);
	put_gpt_header(r->image, 2, 1000);
	put_gpt(r->image, 254, GUID_ROOT, 64, 64, "");
	expect(r, 255, "its type");
	memset(r->image, 0, 65536);
	put_gpt_header(r->image, 2, 1000);
	put_gpt(r->image, 255, GUID_ROOT, 64, 64, "");
	expect_choices(r, "");
}

/* The same table as a disk of large sectors has it: the header is in the second one. */
static void test_gpt_large_sectors(void **state)
{
	struct rig *r = *state;

	put_gpt_header(r->image, 2, 128);
	put_gpt(r->image, 0, GUID_ESP, 6, 15, "esp");
	put_gpt(r->image, 36, GUID_ROOT, 16, SECTORS / 8 - 1, "root");
	memmove(r->image + 8192, r->image + 1024, 128 * 128);
	memmove(r->image + 4096, r->image + 512, 512);
	memset(r->image + 512, 0, 512);
	memset(r->image + 1024, 0, 3072);
	expect_choices(r, "");
	assert_int_equal(r->root.table_block_bytes, 4096);
	r->block_bytes = 4096;
	expect(r, 37, "its type");
	assert_int_equal(r->root.table_block_bytes, 0);
	/* The disk ends before the last partition does. */
	r->size_bytes -= 1;
	assert_int_equal(find(r), 0);
	assert_false(r->root.found);
	/* And the other way round. */
	r->size_bytes += 1;
	memset(r->image, 0, 65536);
	put_gpt_header(r->image, 2, 128);
	put_gpt(r->image, 0, GUID_ROOT, 64, 127, "root");
	expect_choices(r, "");
	assert_int_equal(r->root.table_block_bytes, 512);
}

/* A logical partition's record is in the sector that the extended one names. */
static void test_mbr_large_sectors(void **state)
{
	struct rig *r = *state;

	r->block_bytes = 4096;
	put_mbr(r->image, 0, 0, 0x05, 10, 100);
	put_mbr(r->image, 80, 0, 0x83, 1, 50);
	expect(r, 5, "only Linux");
}

static void test_too_many_to_say(void **state)
{
	struct rig *r = *state;
	size_t len;

	put_gpt_header(r->image, 2, 128);
	for (unsigned int i = 0; i < 128; i++)
		put_gpt(r->image, i, GUID_LINUX, 64, 64, "a name that takes quite some room....");
	assert_int_equal(find(r), 0);
	assert_false(r->root.found);
	len = strlen(r->root.choices);
	assert_true(len < sizeof(r->root.choices) && len > 400);
	assert_string_equal(r->root.choices + len - 6, "), ...");
}

static void test_mbr(void **state)
{
	struct rig *r = *state;

	put_mbr(r->image, 0, 0, 0x82, 64, 100);
	put_mbr(r->image, 0, 2, 0x83, 164, 100);
	put_ext(r);
	expect(r, 3, "only Linux");
	put_mbr(r->image, 0, 3, 0x83, 264, SECTORS - 264);
	put_mbr(r->image, 0, 1, 0xa5, 10, 10);
	expect_choices(r, "vda1 (Linux swap), vda2 (type 0xa5), vda3 (Linux), vda4 (Linux)");
	put_mbr(r->image, 0, 3, 0x83, 264, SECTORS - 263);
	expect(r, 3, "only Linux");
	put_mbr(r->image, 0, 3, 0x83, 0xffffffff, 0xffffffff);
	expect(r, 3, "only Linux");
	put_mbr(r->image, 0, 2, 0x83, 164, 0);
	expect_choices(r, "vda1 (Linux swap), vda2 (type 0xa5)");
	r->image[510] = 0;
	expect(r, 0, "ext4");
}

static void test_mbr_logical(void **state)
{
	struct rig *r = *state;

	put_mbr(r->image, 0, 0, 0x0c, 8, 8);
	put_mbr(r->image, 0, 1, 0x05, 100, 1000);
	put_mbr(r->image, 100, 0, 0x82, 8, 50);
	put_mbr(r->image, 100, 1, 0x05, 200, 100);
	put_mbr(r->image, 300, 0, 0x83, 8, 50);
	put_mbr(r->image, 300, 1, 0x05, 400, 100);
	expect(r, 6, "only Linux");
	put_mbr(r->image, 500, 0, 0x83, 8, 50);
	expect_choices(r, "vda1 (FAT), vda5 (Linux swap), vda6 (Linux), vda7 (Linux)");
	/* An entry out of range keeps its number. */
	put_mbr(r->image, 300, 0, 0x83, SECTORS, 50);
	expect(r, 7, "only Linux");
}

static void test_mbr_loop(void **state)
{
	struct rig *r = *state;

	put_mbr(r->image, 0, 1, 0x0f, 100, 1000);
	put_mbr(r->image, 100, 1, 0x05, 0, 100);
	expect_choices(r, "");
	assert_in_range(r->nr_reads, 50, 110);
	put_mbr(r->image, 100, 0, 0x83, 8, 8);
	assert_int_equal(find(r), 0);
	assert_false(r->root.found);
	assert_in_range(r->nr_reads, 50, 260);
	/* Broken links. */
	put_mbr(r->image, 100, 1, 0x05, 0xffffffff, 100);
	expect(r, 5, "only Linux");
	put_mbr(r->image, 0, 1, 0x05, 0, 100);
	expect_choices(r, "");
}

static void test_tiny_disks(void **state)
{
	struct rig *r = *state;

	put_gpt_header(r->image, 2, 128);
	put_gpt(r->image, 0, GUID_ROOT, 2, 2, "");
	for (r->size_bytes = 0; r->size_bytes < 3 * SECTOR; r->size_bytes += SECTOR)
		expect_choices(r, "");
}

static void test_read_error(void **state)
{
	struct rig *r = *state;

	r->err = -EIO;
	put_ext(r);
	assert_int_equal(find(r), -EIO);
	assert_false(r->root.found);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_whole_disk),	      TEST(test_boot_sector),
		TEST(test_gpt_root_type),     TEST(test_gpt_only_linux),
		TEST(test_gpt_types),	      TEST(test_gpt_bad_entries),
		TEST(test_gpt_bad_header),    TEST(test_gpt_entries_place),
		TEST(test_too_many_to_say),   TEST(test_mbr),
		TEST(test_gpt_large_sectors), TEST(test_mbr_large_sectors),
		TEST(test_mbr_logical),	      TEST(test_mbr_loop),
		TEST(test_tiny_disks),	      TEST(test_read_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
