/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opening a bzImage: the setup header at 0x1f1 of the file, checked field by field.
 *
 * Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header". A bzImage is a boot sector, setup code of
 * setup_sects sectors (real mode, unused by us but for the header and the version string), and the
 * protected-mode kernel. What a field means depends on the protocol's version; one that is newer than the
 * file is never looked at. We take 2.06 (2.6.22, 2007) and later.
 *
 * The file is not trusted: afterwards every length in struct boot_image lies inside the file, and load_gpa
 * and runtime_bytes are small enough for their sum not to wrap. How much guest memory there is, is boot.c's
 * business.
 *
 * Called on main's thread. Each check says in one line what is wrong with the file and what to do about it.
 */
#include "bootparts.h"
#include "kvm/log.h"
#include "x86/layout.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define HEADER_OFFSET 0x1f1
#define HEADER_JUMP_OFFSET                                                                                   \
	0x200 /* a short jump over the rest of the header: opcode, then length from 0x202 */
#define HEADER_MAGIC_OFFSET 0x202
#define BOOT_FLAG 0xaa55
#define JMP_SHORT 0xeb
#define SECTOR_BYTES 512
#define DEFAULT_SETUP_SECTS 4
#define MIN_VERSION 0x206
#define MIN_ALIGNMENT 0x1000
#define ENTRY64_OFFSET 0x200
#define HEAD_BYTES 4096 /* enough for the header and for telling what else a file may be */

#define DAMAGED "the file is damaged, copy or build it again"

/* Before 2.10 a kernel does not say how much it needs; bzip2, the best packer then, makes a fifth of it. */
#define UNPACKED_RATIO 5

struct head {
	uint8_t bytes[HEAD_BYTES];
	size_t len;
};

/* Where the header of each version ends in the file. */
static unsigned int header_end(unsigned int version)
{
#define END_OF(field)                                                                                        \
	(HEADER_OFFSET + offsetof(struct setup_header, field) + sizeof(((struct setup_header *)0)->field))
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
	return END_OF(cmdline_size);
#undef END_OF
}

static int read_head(const struct boot_image *img, struct head *head)
{
	ssize_t n;

	do {
		n = pread(img->fd, head->bytes, sizeof(head->bytes), 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		int err = errno;

		pr_err("%s: cannot be read: %s", img->path, strerror(err));
		return -err;
	}
	head->len = (size_t)n;
	memset(head->bytes + n, 0, sizeof(head->bytes) - (size_t)n);
	return 0;
}

static int check_magic(const struct boot_image *img, const struct head *head)
{
	static const uint8_t magic[4] = { 'H', 'd', 'r', 'S' };
	bool linux_header = !memcmp(head->bytes + HEADER_MAGIC_OFFSET, magic, sizeof(magic));
	const char *kind = linux_header ? NULL : filetype_describe(head->bytes, head->len);

	if (kind)
		pr_err("%s: not a bzImage but %s", img->path, kind);
	else if (head->len < HEADER_OFFSET + sizeof(img->hdr))
		pr_err("%s: only %zu bytes, shorter than a kernel's header; use a complete bzImage",
		       img->path, head->len);
	else if (!linux_header)
		pr_err("%s: not a bzImage (no \"HdrS\" at 0x202), nor anything else known here; use a "
		       "bzImage",
		       img->path);
	else if (img->hdr.boot_flag != BOOT_FLAG)
		pr_err("%s: a Linux setup header, but without the boot flag 0x55aa; " DAMAGED, img->path);
	else
		return 0;
	return -ENOEXEC;
}

/* Copies the header, to its own length and not further: what follows in the file is code. */
static int take_header(struct boot_image *img, const struct head *head)
{
	unsigned int version = img->hdr.version,
		     end = HEADER_JUMP_OFFSET + 2 + head->bytes[HEADER_JUMP_OFFSET + 1];

	if (version < MIN_VERSION) {
		pr_err("%s: boot protocol %u.%02u is too old; 2.06 (Linux 2.6.22) or later is needed",
		       img->path, version >> 8, version & 0xff);
		return -ENOEXEC;
	}
	if (head->bytes[HEADER_JUMP_OFFSET] != JMP_SHORT) {
		pr_err("%s: the setup header does not say how long it is (no short jump at 0x200); " DAMAGED,
		       img->path);
		return -ENOEXEC;
	}
	if (end < header_end(version) || end > HEADER_OFFSET + BOOT_HEADER_MAX_BYTES) {
		pr_err("%s: setup header ends at 0x%x, for protocol %u.%02u it must be 0x%x to "
		       "0x%x; " DAMAGED,
		       img->path, end, version >> 8, version & 0xff, header_end(version),
		       HEADER_OFFSET + BOOT_HEADER_MAX_BYTES);
		return -ENOEXEC;
	}
	img->hdr_len = end - HEADER_OFFSET;
	memset(img->hdr_bytes, 0, sizeof(img->hdr_bytes));
	memcpy(img->hdr_bytes, head->bytes + HEADER_OFFSET, img->hdr_len);
	return 0;
}

/* Setup sectors and protected-mode kernel against the file's size; more may follow them (signatures). */
static int check_extent(struct boot_image *img)
{
	unsigned int sects = img->hdr.setup_sects ? img->hdr.setup_sects : DEFAULT_SETUP_SECTS;

	img->pm_offset = (sects + 1) * SECTOR_BYTES;
	img->pm_bytes = (uint64_t)img->hdr.syssize * 16;
	if (img->pm_offset >= img->file_bytes) {
		pr_err("%s: truncated: its setup code alone takes %llu bytes, the file has %llu; copy or "
		       "build it again",
		       img->path, (unsigned long long)img->pm_offset, (unsigned long long)img->file_bytes);
		return -ENOEXEC;
	}
	if (!img->pm_bytes) {
		pr_err("%s: its header says that the kernel is 0 bytes long (syssize); " DAMAGED, img->path);
		return -ENOEXEC;
	}
	if (img->pm_bytes > img->file_bytes - img->pm_offset) {
		pr_err("%s: truncated: %llu bytes by its header, the file has %llu; copy or build it again",
		       img->path, (unsigned long long)(img->pm_offset + img->pm_bytes),
		       (unsigned long long)img->file_bytes);
		return -ENOEXEC;
	}
	return 0;
}

static int check_entry(struct boot_image *img)
{
	if (!(img->hdr.loadflags & LOADED_HIGH)) {
		pr_err("%s: a zImage, made to be loaded below 1M; build a bzImage", img->path);
		return -ENOEXEC;
	}
	img->entry64 = img->hdr.version >= 0x20c && (img->hdr.xloadflags & XLF_KERNEL_64);
	if (img->entry64 && img->pm_bytes <= ENTRY64_OFFSET) {
		pr_err("%s: has a 64-bit entry by its header (xloadflags), but only %llu bytes of "
		       "code; " DAMAGED,
		       img->path, (unsigned long long)img->pm_bytes);
		return -ENOEXEC;
	}
	return 0;
}

static int check_alignment(struct boot_image *img)
{
	uint64_t align = img->hdr.kernel_alignment;

	if (!img->hdr.relocatable_kernel)
		return 0;
	if (align < MIN_ALIGNMENT || align > GIB || (align & (align - 1))) {
		pr_err("%s: kernel_alignment 0x%llx is not a power of two from 4K to 1G; " DAMAGED, img->path,
		       (unsigned long long)align);
		return -ENOEXEC;
	}
	return 0;
}

static int check_init_size(struct boot_image *img)
{
	img->runtime_bytes = img->pm_bytes * UNPACKED_RATIO;
	if (img->hdr.version < 0x20a)
		return 0;
	if (img->hdr.init_size < img->pm_bytes) {
		pr_err("%s: says that it runs in %u bytes (init_size), but is %llu bytes long; " DAMAGED,
		       img->path, img->hdr.init_size, (unsigned long long)img->pm_bytes);
		return -ENOEXEC;
	}
	img->runtime_bytes = img->hdr.init_size;
	return 0;
}

/*
 * Where to load. A relocatable kernel could run higher; but all that lies in its way is the initrd, which
 * is placed after it. It cannot run lower: its decompressor moves it up to the preferred address.
 */
static int check_address(struct boot_image *img)
{
	uint64_t preferred = img->hdr.version >= 0x20a ? img->hdr.pref_address : HIGH_RAM_GPA;

	if (preferred >= MMIO_HOLE_GPA || (preferred < HIGH_RAM_GPA && !img->hdr.relocatable_kernel)) {
		pr_err("%s: wants to run at 0x%llx (pref_address), which is not between 1M and 3G; use a "
		       "kernel "
		       "with another CONFIG_PHYSICAL_START",
		       img->path, (unsigned long long)preferred);
		return -ENOEXEC;
	}
	img->load_gpa = preferred;
	if (img->hdr.relocatable_kernel)
		img->load_gpa = align_up(max_u64(preferred, HIGH_RAM_GPA), img->hdr.kernel_alignment);
	return 0;
}

/* It is shown to people: a wrong pointer or an odd character is no reason not to boot. */
static void read_version(struct boot_image *img)
{
	uint64_t at = img->hdr.kernel_version + (uint64_t)HEADER_JUMP_OFFSET;
	ssize_t n;

	img->version[0] = '\0';
	if (!img->hdr.kernel_version || at >= img->pm_offset)
		return;
	n = pread(img->fd, img->version, min_u64(sizeof(img->version) - 1, img->pm_offset - at), (off_t)at);
	img->version[n > 0 ? n : 0] = '\0';
	for (char *c = img->version; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
}

static int check_file(struct boot_image *img)
{
	static int (*const checks[])(struct boot_image *) = {
		check_extent, check_entry, check_alignment, check_init_size, check_address,
	};
	struct head head;
	int err = bootfile_check(img->fd, img->path, "kernel", &img->file_bytes);

	if (!err)
		err = read_head(img, &head);
	if (err)
		return err;
	/* The longest header we know, to look at; take_header() then keeps what the file's own length says. */
	memcpy(&img->hdr, head.bytes + HEADER_OFFSET, sizeof(img->hdr));
	err = check_magic(img, &head);
	if (!err)
		err = take_header(img, &head);
	for (unsigned int i = 0; !err && i < ARRAY_SIZE(checks); i++)
		err = checks[i](img);
	return err;
}

int boot_open_fd(struct boot_image *img, int fd, const char *path)
{
	int err;

	memset(img, 0, sizeof(*img));
	img->fd = fd;
	img->path = path;
	err = check_file(img);
	if (err) {
		boot_close(img);
		return err;
	}
	read_version(img);
	return 0;
}

int boot_open(struct boot_image *img, const char *path)
{
	int fd = bootfile_open(path, "kernel");

	return fd < 0 ? fd : boot_open_fd(img, fd, path);
}

void boot_close(struct boot_image *img)
{
	if (img->fd >= 0)
		close(img->fd);
	img->fd = -1;
}
