/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opens a kernel for the loader: finds out its format from its content, and chooses its entry.
 *
 * The recognisers try the file one after the other. A file that no recogniser takes is a flat
 * binary if the user says how to enter it; otherwise it is refused with a message that says what it
 * seems to be. A recogniser notes every entry that the image has. choose_start() then takes the one
 * that the user asked for, or the first in a fixed order: PVH before Multiboot before Linux's own
 * entries, since PVH and Multiboot are made for loaders like this one, and the 64-bit entry before
 * the older ones.
 *
 * The file is not trusted. Whatever a recogniser has put into struct boot_image is checked: each
 * placement lies inside the file and in memory that belongs to kernels. boot.c checks whether the
 * guest has that much memory.
 *
 * Thread: main. Only boot_open() and boot_open_fd() print; a refusal is a text in the image.
 */
#include "bootparts.h"
#include "kvm/log.h"
#include "x86/layout.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FLAT16_GPA 0x7c00
#define HEADER_MIN_BYTES 0x26c /* of a bzImage */

static const enum boot_start preference[] = {
	BOOT_PVH,     BOOT_MULTIBOOT2, BOOT_MULTIBOOT1, BOOT_LINUX64, BOOT_LINUX32,
	BOOT_LINUX16, BOOT_FLAT16,     BOOT_FLAT32,	BOOT_FLAT64,
};

static int read_head(struct boot_image *img, struct boot_head *head)
{
	head->len = min_u64(sizeof(head->bytes), img->file_bytes);
	memset(head->bytes, 0, sizeof(head->bytes));
	return boot_read(img, head->bytes, head->len, 0);
}

/* Takes a program without a header: its load address is also its entry point. */
static int take_flat(struct boot_image *img, const struct boot_how *how)
{
	static const enum boot_start by_wish[] = {
		[BOOT_WISH_16] = BOOT_FLAT16,
		[BOOT_WISH_32] = BOOT_FLAT32,
		[BOOT_WISH_64] = BOOT_FLAT64,
	};
	gpa_t load = how->load_gpa;
	struct boot_segment all = { .file_bytes = img->file_bytes, .mem_bytes = img->file_bytes };

	if (load == BOOT_LOAD_ANYWHERE)
		load = how->wish == BOOT_WISH_16 ? FLAT16_GPA : HIGH_RAM_GPA;
	if (how->wish == BOOT_WISH_16 && load >= HIGH_RAM_GPA)
		return boot_refuse(
			img, "cannot be entered in real mode at 0x%llx; use a --load below 1M",
			(unsigned long long)load);
	if (how->wish == BOOT_WISH_16 && load < BIOS_DATA_END)
		return boot_refuse(
			img,
			"memory below 0x%x holds the interrupt vectors and the BIOS's data; use a higher --load",
			BIOS_DATA_END);
	all.gpa = load;
	img->format = BOOT_FLAT;
	boot_add_start(img, by_wish[how->wish], load);
	return boot_add_segment(img, &all);
}

static int take_unknown(struct boot_image *img, const struct boot_head *head,
			const struct boot_how *how)
{
	bool may_be_flat;
	const char *kind = filetype_describe(head->bytes, head->len, &may_be_flat);

	if (may_be_flat && how->wish != BOOT_WISH_AUTO && how->wish != BOOT_WISH_PVH)
		return take_flat(img, how);
	if (kind)
		return boot_refuse(img, "not a kernel, but %s", kind);
	if (head->len < HEADER_MIN_BYTES)
		return boot_refuse(
			img,
			"only %zu bytes, shorter than a kernel's header; use a complete kernel (or --entry 16 for a flat binary)",
			head->len);
	return boot_refuse(
		img,
		"not a kernel of a known format (bzImage, ELF, Multiboot); for a flat binary use --entry 16, 32 or 64, and --load");
}

/* Writes the entries that the image has, for a message: "64, 32". */
static void list_wishes(const struct boot_image *img, char *text, size_t size)
{
	unsigned int said = 0;
	size_t len = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < ARRAY_SIZE(preference); i++) {
		enum boot_wish by = boot_start_wish(preference[i]);

		if (!boot_has(img, preference[i]) || said & (1U << by))
			continue;
		len += (size_t)snprintf(text + len, size - len, "%s%s", said ? ", " : "",
					boot_wish_name(by));
		said |= 1U << by;
	}
}

/* PVH passes no device tree, but an ELF file also has an entry of its own. */
static bool allows(const struct boot_how *how, enum boot_start start)
{
	if (how->wish != BOOT_WISH_AUTO)
		return boot_start_wish(start) == how->wish;
	return start != BOOT_PVH || !how->dtb;
}

static int choose_start(struct boot_image *img, const struct boot_how *how)
{
	char has[32];

	for (unsigned int i = 0; i < ARRAY_SIZE(preference); i++) {
		img->start = preference[i];
		if (boot_has(img, img->start) && allows(how, img->start))
			return 0;
	}
	list_wishes(img, has, sizeof(has));
	return boot_refuse(img, "this %s has no entry for --entry %s; it has %s",
			   boot_format_name(img->format), boot_wish_name(how->wish), has);
}

static int recognise(struct boot_image *img, const struct boot_how *how)
{
	static int (*const recognisers[])(struct boot_image *, const struct boot_head *) = {
		bzimage_recognise,
		elf_recognise,
		multiboot_recognise,
	};
	struct boot_head head;
	int err = read_head(img, &head);

	for (unsigned int i = 0; !err && i < ARRAY_SIZE(recognisers); i++)
		err = recognisers[i](img, &head);
	if (!err)
		err = take_unknown(img, &head, how);
	if (err < 0)
		return err;
	if (img->format != BOOT_FLAT && how->load_gpa != BOOT_LOAD_ANYWHERE)
		return boot_refuse(img, "this %s has a fixed load address; remove --load",
				   boot_format_name(img->format));
	return choose_start(img, how);
}

int boot_identify(struct boot_image *img, int fd, const char *path, const struct boot_how *how)
{
	static const struct boot_how automatic = { .load_gpa = BOOT_LOAD_ANYWHERE };
	int err;

	memset(img, 0, sizeof(*img));
	img->fd = fd;
	img->path = path;
	err = bootfile_check(fd, path, "kernel", &img->file_bytes);
	return err ? err : recognise(img, how ? how : &automatic);
}

int boot_open_fd(struct boot_image *img, int fd, const char *path, const struct boot_how *how)
{
	int err = boot_identify(img, fd, path, how);

	if (!err)
		return 0;
	if (img->refusal[0])
		pr_err("%s: %s", path, img->refusal);
	boot_close(img);
	return err;
}

int boot_open(struct boot_image *img, const char *path, const struct boot_how *how)
{
	int fd = bootfile_open(path, "kernel");

	return fd < 0 ? fd : boot_open_fd(img, fd, path, how);
}
