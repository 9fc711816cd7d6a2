/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recognises a bzImage: checks the setup header at 0x1f1 of the file field by field.
 *
 * Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header". A bzImage consists of a boot
 * sector, setup_sects sectors of setup code (real mode; we run it if there is no other entry, or
 * for --entry 16), and the protected-mode kernel. The meaning of a field depends on the protocol's
 * version; a field that is newer than the file is never looked at. We take 2.06 (Linux 2.6.22,
 * 2007) and later for the protected-mode entries, and 2.02 and later for the real-mode entry:
 * programs other than Linux that come as a bzImage so that Linux's loaders can start them often
 * have only that one.
 *
 * The file is not trusted. After the checks every length in struct boot_image lies inside the file,
 * and load_gpa and runtime_bytes are small enough that their sum does not wrap. boot.c checks
 * whether the guest has that much memory.
 *
 * Thread: main. Each check writes one line into the image: what is wrong with the file and what to
 * do about it.
 */
#include "bootparts.h"
#include "x86/layout.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* a short jump over the rest of the header: opcode, then length from 0x202 */
#define HEADER_JUMP_OFFSET 0x200
#define HEADER_MAGIC_OFFSET 0x202
#define BOOT_FLAG 0xaa55
#define JMP_SHORT 0xeb
#define SECTOR_BYTES 512
#define DEFAULT_SETUP_SECTS 4
#define MIN_VERSION 0x202
#define MIN_PROTECTED_VERSION 0x206
#define MAX_SETUP_SECTS 63 /* the room for real-mode code before its heap, see realmode.c */
#define MIN_ALIGNMENT 0x1000
#define ENTRY64_OFFSET 0x200

/*
 * Before 2.10 a kernel does not say how much memory it needs. The best compressor of that time,
 * bzip2, packs a kernel to about a fifth.
 */
#define UNPACKED_RATIO 5

/* Limits that older versions imply. */
#define CMDLINE_SIZE_BEFORE_2_06 255
#define INITRD_MAX_BEFORE_2_03 0x37ffffff
/*
 * A vmlinux has no header with these limits. Both are those of every x86 kernel since 2.6.22
 * (COMMAND_LINE_SIZE - 1).
 */
#define VMLINUX_CMDLINE_BYTES 2047
#define VMLINUX_INITRD_ADDR_MAX 0x7fffffff

/* The end of each version's header in the file. */
static unsigned int header_end(unsigned int version)
{
#define END_OF(field)                                                                              \
	(BOOT_HEADER_OFFSET + offsetof(struct setup_header, field) +                               \
	 sizeof(((struct setup_header *)0)->field))
	if (version >= 0x20f)
		return END_OF(kernel_info_offset);
	if (version >= 0x20b)
		return END_OF(handover_offset);
	if (version >= 0x20a)
		return END_OF(init_size);
	if (version >= 0x209)
		return END_OF(setup_data);
	if (version >= 0x208)
		return END_OF(payload_length);
	if (version >= 0x207)
		return END_OF(hardware_subarch_data);
	if (version >= 0x206)
		return END_OF(cmdline_size);
	if (version >= 0x205)
		return END_OF(min_alignment);
	if (version >= 0x203)
		return END_OF(initrd_addr_max);
	return END_OF(cmd_line_ptr);
#undef END_OF
}

/* Copies the header in its own length and no more: code follows it in the file. */
static int take_header(struct boot_image *img, const struct boot_head *head)
{
	unsigned int version = img->hdr.version,
		     end = HEADER_JUMP_OFFSET + 2 + head->bytes[HEADER_JUMP_OFFSET + 1];

	if (version < MIN_VERSION)
		return boot_refuse(
			img,
			"boot protocol %u.%02u is too old; 2.06 (Linux 2.6.22) or later is needed",
			version >> 8, version & 0xff);
	if (head->bytes[HEADER_JUMP_OFFSET] != JMP_SHORT)
		return boot_refuse(
			img,
			"the setup header does not state its length (no short jump at 0x200); " DAMAGED);
	if (end < header_end(version) || end > BOOT_HEADER_OFFSET + BOOT_HEADER_MAX_BYTES)
		return boot_refuse(
			img,
			"setup header ends at 0x%x, for protocol %u.%02u it must be 0x%x to 0x%x; " DAMAGED,
			end, version >> 8, version & 0xff, header_end(version),
			BOOT_HEADER_OFFSET + BOOT_HEADER_MAX_BYTES);
	img->hdr_len = end - BOOT_HEADER_OFFSET;
	memset(img->hdr_bytes, 0, sizeof(img->hdr_bytes));
	memcpy(img->hdr_bytes, head->bytes + BOOT_HEADER_OFFSET, img->hdr_len);
	return 0;
}

/*
 * The length of the protected-mode part. Before 2.04 the header only has the low half of syssize,
 * which cannot be trusted. A file may end inside its last paragraph: build tools round syssize up
 * without filling it (Linux before 2.08, memtest86+).
 */
static uint64_t protected_bytes(const struct boot_image *img)
{
	uint64_t stated = (uint64_t)img->hdr.syssize * 16, left = img->file_bytes - img->pm_offset;

	if (img->hdr.version < 0x204)
		return left;
	if (stated > left && stated - left < 16)
		return left;
	return stated;
}

/*
 * Checks setup sectors and protected-mode kernel against the file's size. More may follow them
 * (signatures).
 */
static int check_extent(struct boot_image *img)
{
	unsigned int sects = img->hdr.setup_sects ? img->hdr.setup_sects : DEFAULT_SETUP_SECTS;

	img->pm_offset = (sects + 1) * SECTOR_BYTES;
	if (img->pm_offset >= img->file_bytes)
		return boot_refuse(
			img,
			"truncated: its setup code alone takes %llu bytes, the file has %llu; copy or build it again",
			(unsigned long long)img->pm_offset, (unsigned long long)img->file_bytes);
	img->pm_bytes = protected_bytes(img);
	if (!img->pm_bytes)
		return boot_refuse(img,
				   "by its header the kernel is 0 bytes long (syssize); " DAMAGED);
	if (img->pm_bytes > img->file_bytes - img->pm_offset)
		return boot_refuse(
			img,
			"truncated: %llu bytes by its header, the file has %llu; copy or build it again",
			img->pm_offset + (unsigned long long)img->pm_bytes,
			(unsigned long long)img->file_bytes);
	return 0;
}

static int check_loadflags(struct boot_image *img)
{
	bool entry64 = img->hdr.version >= 0x20c && (img->hdr.xloadflags & XLF_KERNEL_64);

	if (!(img->hdr.loadflags & LOADED_HIGH))
		return boot_refuse(img, "a zImage, which must be loaded below 1M; build a bzImage");
	if (entry64 && img->pm_bytes <= ENTRY64_OFFSET)
		return boot_refuse(
			img,
			"by its header it has a 64-bit entry (xloadflags), but only %llu bytes of code; " DAMAGED,
			(unsigned long long)img->pm_bytes);
	return 0;
}

static int check_alignment(struct boot_image *img)
{
	uint64_t align = img->hdr.kernel_alignment;

	if (!img->hdr.relocatable_kernel)
		return 0;
	if (align < MIN_ALIGNMENT || align > GIB || (align & (align - 1)))
		return boot_refuse(
			img,
			"kernel_alignment 0x%llx is not a power of two from 4K to 1G; " DAMAGED,
			(unsigned long long)align);
	return 0;
}

static int check_init_size(struct boot_image *img)
{
	if (img->hdr.version >= 0x20a && img->hdr.init_size < img->pm_bytes)
		return boot_refuse(
			img,
			"says that it runs in %u bytes (init_size), but is %llu bytes long; " DAMAGED,
			img->hdr.init_size, (unsigned long long)img->pm_bytes);
	return 0;
}

/* Where the kernel wants to run: a pref_address of 0 states nothing (boot.rst, "if nonzero"). */
static uint64_t preferred(const struct boot_image *img)
{
	return img->hdr.version >= 0x20a && img->hdr.pref_address ? img->hdr.pref_address
								  : HIGH_RAM_GPA;
}

/*
 * Chooses the load address. A relocatable kernel could run higher, but the only thing in its way is
 * the initrd, which is placed after it. It cannot run lower: its decompressor moves it up to the
 * preferred address.
 */
static int place(struct boot_image *img)
{
	uint64_t gpa = preferred(img);

	if (gpa >= MMIO_HOLE_GPA || (gpa < HIGH_RAM_GPA && !img->hdr.relocatable_kernel))
		return boot_refuse(
			img,
			"wants to run at 0x%llx (pref_address), which is not between 1M and 3G; use a kernel with another CONFIG_PHYSICAL_START",
			(unsigned long long)gpa);
	if (img->hdr.relocatable_kernel)
		gpa = align_up(max_u64(gpa, HIGH_RAM_GPA), img->hdr.kernel_alignment);
	img->load_gpa = gpa;
	img->runtime_bytes =
		img->hdr.version >= 0x20a ? img->hdr.init_size : img->pm_bytes * UNPACKED_RATIO;
	img->segment[0] = (struct boot_segment){
		.offset = img->pm_offset,
		.file_bytes = img->pm_bytes,
		.gpa = gpa,
		.mem_bytes = img->pm_bytes,
	};
	img->nr_segments = 1;
	return 0;
}

/* A code32_start of 0 means that only the setup code can start the image, as in iPXE's. */
static int note_entries(struct boot_image *img)
{
	bool protected = img->hdr.version >= MIN_PROTECTED_VERSION;

	if (img->hdr.setup_sects <= MAX_SETUP_SECTS)
		boot_add_start(img, BOOT_LINUX16, REALMODE_GPA + SECTOR_BYTES);
	if (protected && img->hdr.code32_start)
		boot_add_start(img, BOOT_LINUX32, img->load_gpa);
	if (protected && img->hdr.version >= 0x20c && (img->hdr.xloadflags & XLF_KERNEL_64))
		boot_add_start(img, BOOT_LINUX64, img->load_gpa + ENTRY64_OFFSET);
	if (img->starts)
		return 0;
	return boot_refuse(
		img,
		"its setup code has %u sectors, at most %u can be run, and it has no other entry; use another kernel",
		img->hdr.setup_sects, MAX_SETUP_SECTS);
}

/*
 * The version is only shown to people, so a wrong pointer or an odd character does not prevent a
 * boot.
 */
static void read_version(struct boot_image *img)
{
	uint64_t at = img->hdr.kernel_version + (uint64_t)HEADER_JUMP_OFFSET;
	ssize_t n;

	img->version[0] = '\0';
	if (!img->hdr.kernel_version || at >= img->pm_offset)
		return;
	n = pread(img->fd, img->version, min_u64(sizeof(img->version) - 1, img->pm_offset - at),
		  (off_t)at);
	img->version[n > 0 ? n : 0] = '\0';
	for (char *c = img->version; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
}

int bzimage_recognise(struct boot_image *img, const struct boot_head *head)
{
	static int (*const checks[])(struct boot_image *) = {
		check_extent,	 check_loadflags, check_alignment,
		check_init_size, place,		  note_entries,
	};
	int err;

	if (memcmp(head->bytes + HEADER_MAGIC_OFFSET, "HdrS", 4) != 0)
		return 0;
	img->format = BOOT_BZIMAGE;
	if (head->len < BOOT_HEADER_OFFSET + sizeof(img->hdr))
		return boot_refuse(
			img,
			"only %zu bytes, shorter than a kernel's header; use a complete bzImage",
			head->len);
	/*
	 * Copies the longest header that we know, to look at it. take_header() then keeps the
	 * length that the file states.
	 */
	memcpy(&img->hdr, head->bytes + BOOT_HEADER_OFFSET, sizeof(img->hdr));
	if (img->hdr.boot_flag != BOOT_FLAG)
		return boot_refuse(
			img, "a Linux setup header, but without the boot flag 0x55aa; " DAMAGED);
	err = take_header(img, head);
	for (unsigned int i = 0; !err && i < ARRAY_SIZE(checks); i++)
		err = checks[i](img);
	if (err)
		return err;
	read_version(img);
	return 1;
}

uint64_t boot_cmdline_limit(const struct boot_image *img)
{
	uint64_t limit = CMDLINE_MAX_BYTES - 1;

	if (img->start == BOOT_LINUX16)
		limit = REALMODE_CMDLINE_MAX_BYTES - 1;
	if (img->hdr_len)
		return min_u64(limit, img->hdr.version >= 0x206 ? img->hdr.cmdline_size
								: CMDLINE_SIZE_BEFORE_2_06);
	return boot_takes_linux_params(img) ? min_u64(limit, VMLINUX_CMDLINE_BYTES) : limit;
}

uint64_t boot_initrd_addr_max(const struct boot_image *img)
{
	if (img->hdr_len)
		return img->hdr.version >= 0x203 ? img->hdr.initrd_addr_max
						 : INITRD_MAX_BEFORE_2_03;
	return boot_takes_linux_params(img) ? VMLINUX_INITRD_ADDR_MAX : MMIO_HOLE_GPA - 1;
}

bool boot_takes_linux_params(const struct boot_image *img)
{
	return img->start == BOOT_LINUX64 || img->start == BOOT_LINUX32 ||
	       img->start == BOOT_LINUX16 || img->start == BOOT_PVH;
}
