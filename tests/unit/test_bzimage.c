/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the opening of kernels: every field of the setup header at its limits, and other kinds of
 * files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel_image.h"
#include "kvm/types.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

static void good_image_opens(void **state)
{
	struct kernel_image k;
	struct boot_image img;

	(void)state;
	image_init(&k);
	assert_int_equal(image_open(&k, &img), 0);
	assert_int_equal(img.file_bytes, IMAGE_BYTES);
	assert_int_equal(img.pm_offset, IMAGE_PM_OFFSET);
	assert_int_equal(img.pm_bytes, IMAGE_PM_BYTES);
	assert_int_equal(img.load_gpa, 16 * MIB);
	assert_int_equal(img.runtime_bytes, 4 * MIB);
	assert_int_equal(img.hdr.version, 0x20f);
	assert_int_equal(img.hdr_len, H_END_2_15 - 0x1f1);
	assert_true(img.starts & 1U << BOOT_LINUX64);
	assert_int_equal(img.start, BOOT_LINUX64);
	assert_string_equal(img.version, IMAGE_VERSION);
	boot_close(&img);
	assert_int_equal(img.fd, -1);
}

static void header_is_taken_in_its_own_length(void **state)
{
	struct kernel_image k;
	struct boot_image img;

	(void)state;
	image_init(&k);
	image_put(&k, H_JUMP_LEN, 0x270 - 0x202,
		  1); /* a later version's, 4 bytes longer; the file has 0xcc there */
	assert_int_equal(image_open(&k, &img), 0);
	assert_int_equal(img.hdr_bytes[0x26f - 0x1f1], 0xcc);
	assert_int_equal(img.hdr_bytes[0x270 - 0x1f1], 0);
	assert_int_equal(img.hdr_bytes[BOOT_HEADER_MAX_BYTES - 1], 0);
	boot_close(&img);
}

static void setup_sects_0_means_4(void **state)
{
	struct kernel_image k;
	struct boot_image img;

	(void)state;
	image_init(&k);
	image_put(&k, H_SETUP_SECTS, 0, 1);
	image_put(&k, H_SYSSIZE, (IMAGE_BYTES - 5 * 512) / 16, 4);
	assert_int_equal(image_open(&k, &img), 0);
	assert_int_equal(img.pm_offset, 5 * 512);
	boot_close(&img);
}

static void bytes_after_the_kernel_are_allowed(void **state)
{
	struct kernel_image k;
	struct boot_image img;

	(void)state;
	image_init(&k);
	image_put(&k, H_SYSSIZE, IMAGE_PM_BYTES / 16 - 10, 4);
	assert_int_equal(image_open(&k, &img), 0);
	assert_int_equal(img.pm_bytes, IMAGE_PM_BYTES - 160);
	boot_close(&img);
}

/* memtest86+ 6.10 is such a file: protocol 2.12, and its last paragraph has 8 bytes. */
static void last_paragraph_may_be_incomplete(void **state)
{
	struct kernel_image k;
	struct boot_image img;

	(void)state;
	image_init(&k);
	for (k.len = IMAGE_BYTES - 15; k.len <= IMAGE_BYTES; k.len++) {
		assert_int_equal(image_open(&k, &img), 0);
		assert_int_equal(img.pm_bytes, k.len - IMAGE_PM_OFFSET);
		assert_int_equal(img.segment[0].file_bytes, k.len - IMAGE_PM_OFFSET);
		boot_close(&img);
	}
}

/* 2.06 has no pref_address, init_size or xloadflags: the file has code at their places. */
static void older_protocols_have_fewer_fields(void **state)
{
	struct kernel_image k;
	struct boot_image img;

	(void)state;
	image_init(&k);
	image_set_version(&k, 0x206, H_END_2_06);
	image_put(&k, H_PREF_ADDRESS, UINT64_MAX, 8);
	image_put(&k, H_RELOCATABLE, 0, 1);
	assert_int_equal(image_open(&k, &img), 0);
	assert_false(img.starts & 1U << BOOT_LINUX64);
	assert_int_equal(img.load_gpa, MIB);
	assert_true(img.runtime_bytes >= 3 * IMAGE_PM_BYTES);
	assert_int_equal(img.hdr.pref_address, 0);
	boot_close(&img);

	image_init(&k);
	image_set_version(&k, 0x20b, 0x268);
	assert_int_equal(image_open(&k, &img), 0);
	assert_false(img.starts & 1U << BOOT_LINUX64);
	assert_int_equal(img.load_gpa, 16 * MIB);
	boot_close(&img);
	image_set_version(&k, 0x20c, 0x268);
	assert_int_equal(image_open(&k, &img), 0);
	assert_true(img.starts & 1U << BOOT_LINUX64);
	boot_close(&img);
}

static void relocatable_kernels_are_aligned(void **state)
{
	struct kernel_image k;
	struct boot_image img;

	(void)state;
	image_init(&k);
	image_put(&k, H_PREF_ADDRESS, 16 * MIB + 4096, 8);
	assert_int_equal(image_open(&k, &img), 0);
	assert_int_equal(img.load_gpa, 18 * MIB);
	boot_close(&img);
	image_put(&k, H_PREF_ADDRESS, 0, 8);
	assert_int_equal(image_open(&k, &img), 0);
	assert_int_equal(img.load_gpa, 2 * MIB);
	boot_close(&img);
	/* one that cannot move stays where it is, whatever its alignment */
	image_put(&k, H_RELOCATABLE, 0, 1);
	image_put(&k, H_ALIGNMENT, 0, 4);
	image_put(&k, H_PREF_ADDRESS, MIB + 4096, 8);
	assert_int_equal(image_open(&k, &img), 0);
	assert_int_equal(img.load_gpa, MIB + 4096);
	boot_close(&img);
	/* and 0 is no address (boot.rst) */
	image_put(&k, H_PREF_ADDRESS, 0, 8);
	assert_int_equal(image_open(&k, &img), 0);
	assert_int_equal(img.load_gpa, MIB);
	boot_close(&img);
}

/* iPXE's ipxe.lkrn is such a file: its protected-mode part has no entry of its own. */
static void image_without_code32_start_begins_with_its_setup_code(void **state)
{
	const struct boot_how by32 = { .wish = BOOT_WISH_32, .load_gpa = BOOT_LOAD_ANYWHERE };
	struct kernel_image k;
	struct boot_image img;
	struct said s;

	(void)state;
	image_init(&k);
	image_set_version(&k, 0x207, 0x248);
	image_put(&k, H_CODE32_START, 0, 4);
	assert_int_equal(image_open(&k, &img), 0);
	assert_int_equal(img.start, BOOT_LINUX16);
	assert_int_equal(img.starts, 1U << BOOT_LINUX16);
	boot_close(&img);
	said_begin(&s);
	assert_int_equal(boot_open_fd(&img, bytes_fd(k.bytes, k.len), "the-image", &by32),
			 -ENOEXEC);
	said_end(&s);
	assert_one_line_with(&s, "the-image", "no entry for --entry 32; it has 16");
	/* xloadflags states a 64-bit entry by itself */
	image_init(&k);
	image_put(&k, H_CODE32_START, 0, 4);
	assert_int_equal(image_open(&k, &img), 0);
	assert_int_equal(img.start, BOOT_LINUX64);
	boot_close(&img);
}

static void version_string_is_bounded_and_printable(void **state)
{
	struct kernel_image k;
	struct boot_image img;

	(void)state;
	image_init(&k);
	k.bytes[IMAGE_VERSION_OFFSET + 1] = '\033';
	assert_int_equal(image_open(&k, &img), 0);
	assert_memory_equal(img.version, "6?1.0-test", 10);
	boot_close(&img);
	/* no end before the setup code's: cut there */
	image_put(&k, H_KERNEL_VERSION, IMAGE_PM_OFFSET - 0x200 - 4, 2);
	assert_int_equal(image_open(&k, &img), 0);
	assert_string_equal(img.version, "????");
	boot_close(&img);
	image_put(&k, H_KERNEL_VERSION, IMAGE_PM_OFFSET - 0x200, 2);
	assert_int_equal(image_open(&k, &img), 0);
	assert_string_equal(img.version, "");
	boot_close(&img);
	/* inside the kernel itself */
	image_put(&k, H_KERNEL_VERSION, IMAGE_PM_OFFSET - 0x200 + 1, 2);
	assert_int_equal(image_open(&k, &img), 0);
	assert_string_equal(img.version, "");
	boot_close(&img);
	image_put(&k, H_KERNEL_VERSION, 0xffff, 2);
	assert_int_equal(image_open(&k, &img), 0);
	assert_string_equal(img.version, "");
	boot_close(&img);
}

static const struct bad {
	unsigned int offset, width;
	uint64_t value;
	const char *said;
} bad[] = {
	{ H_VERSION, 2, 0x201, "boot protocol 2.01 is too old" },
	{ H_VERSION, 2, 0, "boot protocol 0.00 is too old" },
	{ H_BOOT_FLAG, 2, 0, "without the boot flag" },
	{ H_MAGIC, 4, 0x1234, "boot sector or disk image" },
	{ H_JUMP, 1, 0xe9, "no short jump at 0x200" },
	{ H_JUMP_LEN, 1, 0x10,
	  "setup header ends at 0x212, for protocol 2.15 it must be 0x26c to 0x290" },
	{ H_JUMP_LEN, 1, H_END_2_15 - 0x202 - 1, "setup header ends at 0x26b" },
	{ H_JUMP_LEN, 1, 0x290 - 0x202 + 1, "setup header ends at 0x291" },
	{ H_SETUP_SECTS, 1, 0xff,
	  "truncated: its setup code alone takes 131072 bytes, the file has 10240" },
	{ H_SETUP_SECTS, 1, IMAGE_BYTES / 512 - 1, "setup code alone takes 10240 bytes" },
	{ H_SYSSIZE, 4, IMAGE_PM_BYTES / 16 + 1,
	  "truncated: 10256 bytes by its header, the file has 10240" },
	{ H_SYSSIZE, 4, UINT32_MAX, "truncated: 68719478768 bytes" },
	{ H_SYSSIZE, 4, 0, "0 bytes long (syssize)" },
	{ H_SYSSIZE, 4, 0x200 / 16, "only 512 bytes of code" },
	{ H_LOADFLAGS, 1, 0x80, "zImage" },
	{ H_ALIGNMENT, 4, 0, "kernel_alignment 0x0" },
	{ H_ALIGNMENT, 4, 0x800, "kernel_alignment 0x800" },
	{ H_ALIGNMENT, 4, 3 * MIB, "kernel_alignment 0x300000" },
	{ H_ALIGNMENT, 4, 2 * GIB, "kernel_alignment 0x80000000" },
	{ H_INIT_SIZE, 4, 0, "runs in 0 bytes (init_size)" },
	{ H_INIT_SIZE, 4, IMAGE_PM_BYTES - 1,
	  "runs in 8191 bytes (init_size), but is 8192 bytes long" },
	{ H_PREF_ADDRESS, 8, 3 * GIB, "wants to run at 0xc0000000" },
	{ H_PREF_ADDRESS, 8, UINT64_MAX, "wants to run at 0xffffffffffffffff" },
};

static void bad_fields_are_refused_by_name(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		struct kernel_image k;
		struct boot_image img;
		struct said s;
		int err;

		image_init(&k);
		image_put(&k, bad[i].offset, bad[i].value, bad[i].width);
		said_begin(&s);
		err = image_open(&k, &img);
		said_end(&s);
		assert_one_line_with(&s, "kvm: the-image: ", bad[i].said);
		assert_int_equal(err, -ENOEXEC);
	}
}

static void kernel_that_cannot_move_must_run_above_1M(void **state)
{
	struct kernel_image k;
	struct boot_image img;
	struct said s;

	(void)state;
	image_init(&k);
	image_put(&k, H_RELOCATABLE, 0, 1);
	image_put(&k, H_PREF_ADDRESS, MIB - 4096, 8);
	said_begin(&s);
	assert_int_equal(image_open(&k, &img), -ENOEXEC);
	said_end(&s);
	assert_one_line_with(&s, "the-image", "0xff000 (pref_address)");
}

/* Every length at which a copy may have been cut off. */
static void truncated_images_are_refused(void **state)
{
	struct kernel_image k;
	struct boot_image img;
	struct said s;

	(void)state;
	image_init(&k);
	for (k.len = 1; k.len <= IMAGE_BYTES - 16; k.len += k.len < 1024 ? 1 : 97) {
		const char *want = k.len < 0x200 ? "shorter than"
				   : k.len < 0x206
					   /* its flag is present, but "HdrS" is incomplete */
					   ? "boot sector"
					   : k.len < H_END_2_15 ? "shorter than" : "truncated";

		said_begin(&s);
		assert_int_equal(image_open(&k, &img), -ENOEXEC);
		said_end(&s);
		assert_one_line_with(&s, "the-image", want);
	}
}

static const struct other {
	unsigned int offset, len;
	const char *bytes;
	const char *said;
} others[] = {
	{ 0, 20,
	  "\x7f"
	  "ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\xb7\0",
	  "another kind of processor" },
	{ 0, 20,
	  "\x7f"
	  "ELF\2\1\1\0\0\0\0\0\0\0\0\0\1\0\x3e\0",
	  "ELF object or module" },
	{ 0, 2, "\x1f\x8b", "gzip" },
	{ 0, 6,
	  "\xfd"
	  "7zXZ\0",
	  "xz" },
	{ 0, 4, "\x28\xb5\x2f\xfd", "zstd" },
	{ 0, 4, "\x02\x21\x4c\x18", "lz4" },
	{ 0, 4, "\x04\x22\x4d\x18", "lz4" },
	{ 0, 4, "BZh9", "bzip2" },
	{ 0, 6, "070701", "give an initrd to -i" },
	{ 0, 4, "QFI\xfb", "qcow2 disk image" },
	{ 0x438, 2, "\x53\xef", "ext4" },
	{ 0, 4, "hsqs", "squashfs" },
	{ 0, 2, "MZ", "unified kernel image" },
	{ 0x38, 4, "ARM\x64", "arm64 kernel" },
	{ 0, 8, "!<arch>\n", "Debian package" },
	{ 257, 5, "ustar", "tar archive" },
	{ 0x1fe, 2, "\x55\xaa", "boot sector" },
	{ 0, 0, "", "zeros" },
	{ 5, 1, "\x1", "not a kernel of a known format" },
};

static void other_files_are_called_by_name(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(others); i++) {
		struct kernel_image k = { .len = IMAGE_BYTES };
		struct boot_image img;
		struct said s;
		int err;

		memcpy(k.bytes + others[i].offset, others[i].bytes, others[i].len);
		said_begin(&s);
		err = image_open(&k, &img);
		said_end(&s);
		assert_one_line_with(&s, "the-image: not a kernel", others[i].said);
		assert_int_equal(err, -ENOEXEC);
	}
}

static void text_is_text_however_short(void **state)
{
	struct kernel_image k = { .len = 6 };
	struct boot_image img;
	struct said s;

	(void)state;
	memcpy(k.bytes, "hello\n", 6);
	said_begin(&s);
	assert_int_equal(image_open(&k, &img), -ENOEXEC);
	said_end(&s);
	assert_one_line_with(&s, "the-image", "not a kernel, but text");
}

static void refuse_path(const char *path, int want, const char *what)
{
	struct boot_image img;
	struct said s;
	int err;

	said_begin(&s);
	err = boot_open(&img, path, NULL);
	said_end(&s);
	assert_one_line_with(&s, path, what);
	assert_int_equal(err, want);
}

static void what_is_no_readable_file_is_refused(void **state)
{
	char dir[] = "/tmp/test_bzimage.XXXXXX", path[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	refuse_path(dir, -EISDIR, "a directory");
	snprintf(path, sizeof(path), "%s/file", dir);
	refuse_path(path, -ENOENT, "No such file");
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (geteuid())
		refuse_path(path, -EACCES, "Permission denied");
	chmod(path, 0600);
	refuse_path(path, -ENODATA, "empty");
	close(fd);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	refuse_path(path, -EINVAL, "a pipe"); /* and does not wait for a writer */
	unlink(path);
	rmdir(dir);
	refuse_path("/dev/zero", -EINVAL, "a character device");
}

static void no_descriptor_is_left(void **state)
{
	struct kernel_image k;
	struct boot_image img;
	struct said s;
	int before = dup(0), after;

	(void)state;
	close(before);
	image_init(&k);
	assert_int_equal(image_open(&k, &img), 0);
	boot_close(&img);
	image_put(&k, H_SYSSIZE, 0, 4);
	said_begin(&s);
	assert_int_equal(image_open(&k, &img), -ENOEXEC);
	said_end(&s);
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_image_opens),
		cmocka_unit_test(header_is_taken_in_its_own_length),
		cmocka_unit_test(setup_sects_0_means_4),
		cmocka_unit_test(bytes_after_the_kernel_are_allowed),
		cmocka_unit_test(older_protocols_have_fewer_fields),
		cmocka_unit_test(relocatable_kernels_are_aligned),
		cmocka_unit_test(version_string_is_bounded_and_printable),
		cmocka_unit_test(bad_fields_are_refused_by_name),
		cmocka_unit_test(kernel_that_cannot_move_must_run_above_1M),
		cmocka_unit_test(last_paragraph_may_be_incomplete),
		cmocka_unit_test(image_without_code32_start_begins_with_its_setup_code),
		cmocka_unit_test(truncated_images_are_refused),
		cmocka_unit_test(other_files_are_called_by_name),
		cmocka_unit_test(text_is_text_however_short),
		cmocka_unit_test(what_is_no_readable_file_is_refused),
		cmocka_unit_test(no_descriptor_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
