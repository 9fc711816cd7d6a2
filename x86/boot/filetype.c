/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guesses from its content what a file is that was given as a kernel but is none.
 *
 * Names mislead, and "not a bzImage" alone leaves the user to guess. The checks go in this order:
 * formats with a fixed magic number in the first page, then ELF and PE by their own fields, then
 * text. The magic numbers are those of each format's own documentation. The result is a hint in a
 * message; apart from may_be_flat, nothing is decided by it.
 */
#include "bootparts.h"

#include <elf.h>
#include <string.h>

#define UNPACK(program)                                                                            \
	program "-compressed data; unpack a kernel first (" program                                \
		" -dc FILE >vmlinux), give an initrd to -i"
#define DISK "; -k takes a kernel"
#define OTHER_CPU " for another kind of processor; this machine runs x86 kernels"

static const struct magic {
	unsigned int offset, len;
	const char *bytes;
	const char *text;
} magics[] = {
	{ 0, 2, "\x1f\x8b", UNPACK("gzip") },
	{ 0, 6,
	  "\xfd"
	  "7zXZ\0",
	  UNPACK("xz") },
	{ 0, 4, "\x28\xb5\x2f\xfd", UNPACK("zstd") },
	{ 0, 4, "\x04\x22\x4d\x18", UNPACK("lz4") },
	{ 0, 4, "\x02\x21\x4c\x18", UNPACK("lz4") },
	{ 0, 3, "BZh", UNPACK("bzip2") },
	{ 0, 4, "\x89LZO", UNPACK("lzop") },
	{ 0, 3, "\x5d\0\0", UNPACK("lzma") },
	{ 0, 5, "07070", "a cpio archive; give an initrd to -i and its kernel to -k" },
	{ 0, 2, "\xc7\x71", "a cpio archive; give an initrd to -i and its kernel to -k" },
	{ 0, 4, "QFI\xfb", "a qcow2 disk image" DISK },
	{ 0, 4, "KDMV", "a VMDK disk image" DISK },
	{ 0, 8, "vhdxfile", "a VHDX disk image" DISK },
	{ 0x40, 4, "\x7f\x10\xda\xbe", "a VDI disk image" DISK },
	{ 0, 6, "LUKS\xba\xbe", "a LUKS volume" DISK },
	{ 0, 4, "hsqs", "a squashfs image" DISK },
	{ 0, 4, "XFSB", "an XFS image" DISK },
	{ 0x438, 2, "\x53\xef", "an ext2, ext3 or ext4 image" DISK },
	{ 0, 8, "!<arch>\n",
	  "a Debian package or an archive; take boot/vmlinuz-* out of it (dpkg -x)" },
	{ 0, 4, "\xed\xab\xee\xdb", "an RPM package; take the vmlinuz out of it (rpm2cpio)" },
	{ 0, 4, "PK\3\4", "a zip archive; take the bzImage out of it" },
	{ 257, 5, "ustar", "a tar archive; take the bzImage out of it" },
	{ 0, 4, "\x27\x05\x19\x56", "a U-Boot image; use the bzImage" },
	{ 0, 8, "ANDROID!", "an Android boot image; use the bzImage in it" },
	{ 0, 4, "\xd0\x0d\xfe\xed", "a flattened device tree or FIT image; use the bzImage" },
	{ 0x38, 4, "ARM\x64", "an arm64 kernel," OTHER_CPU },
	{ 0x38, 4, "RSC\x05", "a RISC-V kernel," OTHER_CPU },
	{ 0x24, 4, "\x18\x28\x6f\x01", "an ARM kernel," OTHER_CPU },
	{ 0, 2, "#!", "a script; use the bzImage" },
};

static bool has(const uint8_t *head, size_t len, unsigned int offset, const char *bytes,
		unsigned int nr)
{
	return offset <= len && nr <= len - offset && !memcmp(head + offset, bytes, nr);
}

static const char *describe_elf(const uint8_t *head, size_t len)
{
	Elf32_Half type, machine; /* at the same place in both classes */

	if (len < EI_NIDENT + 4)
		return "a damaged ELF file; copy or build it again";
	memcpy(&type, head + EI_NIDENT, sizeof(type));
	memcpy(&machine, head + EI_NIDENT + sizeof(type), sizeof(machine));
	if (machine != EM_X86_64 && machine != EM_386)
		return "an ELF file" OTHER_CPU;
	return type == ET_REL ? "an ELF object or module; use the bzImage"
			      : "an ELF file that is not a kernel; use the bzImage";
}

/* ASCII, perhaps with some characters of another alphabet in UTF-8. */
static bool mostly_text(const uint8_t *head, size_t len)
{
	size_t high = 0;

	for (size_t i = 0; i < len; i++) {
		bool space = head[i] >= '\t' && head[i] <= '\r';

		if (!space && (head[i] < ' ' || head[i] == 0x7f))
			return false;
		high += head[i] >= 0x80;
	}
	return high < len - high;
}

static bool all_zero(const uint8_t *head, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (head[i])
			return false;
	}
	return true;
}

const char *filetype_describe(const uint8_t *head, size_t len, bool *may_be_flat)
{
	*may_be_flat = false;
	for (unsigned int i = 0; i < ARRAY_SIZE(magics); i++) {
		if (has(head, len, magics[i].offset, magics[i].bytes, magics[i].len))
			return magics[i].text;
	}
	if (has(head, len, 0, ELFMAG, SELFMAG))
		return describe_elf(head, len);
	if (has(head, len, 0, "MZ", 2))
		return "an EFI program without a Linux setup header (a unified kernel image?); use the vmlinuz it was made from (objcopy -O binary --only-section=.linux)";
	*may_be_flat = true;
	if (has(head, len, 0x1fe, "\x55\xaa", 2))
		return "a boot sector or disk image; use --entry 16 for a boot sector that needs no disk";
	if (mostly_text(head, len))
		return "text; use the bzImage";
	if (all_zero(head, len))
		return "a file that begins with zeros (an incomplete copy, or a disk or CD image); use the bzImage";
	return NULL;
}
