/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The methods of struct boot_image, which the recognisers of all formats share.
 *
 * A recogniser (bzimage.c, elf.c, multiboot.c) reads the file with boot_read(), adds each part to
 * load with boot_add_segment(), and writes the reason into the image with boot_refuse() if the file
 * cannot be started. The names of formats, entries and the user's wishes are here too.
 *
 * The file is not trusted. A segment that boot_add_segment() has taken lies in memory that belongs
 * to kernels and overlaps no other segment. The recogniser has checked that it lies inside the
 * file.
 *
 * Thread: main. Only boot_parse_entry() prints; a refusal is a text in the image.
 */
#include "bootparts.h"
#include "kvm/log.h"
#include "x86/layout.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	enum boot_wish wish;
} starts[BOOT_NR_STARTS] = {
	[BOOT_LINUX64] = { "64-bit entry", BOOT_WISH_64 },
	[BOOT_LINUX32] = { "32-bit entry", BOOT_WISH_32 },
	[BOOT_LINUX16] = { "real-mode entry", BOOT_WISH_16 },
	[BOOT_PVH] = { "PVH entry", BOOT_WISH_PVH },
	[BOOT_MULTIBOOT2] = { "Multiboot 2 entry", BOOT_WISH_32 },
	[BOOT_MULTIBOOT1] = { "Multiboot entry", BOOT_WISH_32 },
	[BOOT_FLAT16] = { "real mode at its load address", BOOT_WISH_16 },
	[BOOT_FLAT32] = { "32-bit mode at its load address", BOOT_WISH_32 },
	[BOOT_FLAT64] = { "64-bit mode at its load address", BOOT_WISH_64 },
};

static const char *const wishes[] = {
	[BOOT_WISH_AUTO] = "auto", [BOOT_WISH_16] = "16",   [BOOT_WISH_32] = "32",
	[BOOT_WISH_64] = "64",	   [BOOT_WISH_PVH] = "pvh",
};

const char *boot_start_name(enum boot_start start)
{
	return starts[start].name;
}

enum boot_wish boot_start_wish(enum boot_start start)
{
	return starts[start].wish;
}

const char *boot_wish_name(enum boot_wish wish)
{
	return wishes[wish];
}

int boot_parse_entry(const char *text, enum boot_wish *wish)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(wishes); i++) {
		if (!strcmp(text, wishes[i])) {
			*wish = (enum boot_wish)i;
			return 0;
		}
	}
	pr_err("--entry %s: must be auto, 16, 32, 64 or pvh", text);
	return -EINVAL;
}

const char *boot_format_name(enum boot_format format)
{
	static const char *const names[] = {
		[BOOT_UNKNOWN] = "unknown",	[BOOT_BZIMAGE] = "bzImage",  [BOOT_ELF] = "ELF",
		[BOOT_MULTIBOOT] = "Multiboot", [BOOT_FLAT] = "flat binary",
	};

	return names[format];
}

int boot_refuse(struct boot_image *img, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(img->refusal, sizeof(img->refusal), fmt, ap);
	va_end(ap);
	return -ENOEXEC;
}

int boot_read(struct boot_image *img, void *to, uint64_t len, uint64_t offset)
{
	int err;

	if (offset > img->file_bytes || len > img->file_bytes - offset)
		return -ENOEXEC;
	err = bootfile_read(img->fd, to, len, offset);
	if (err)
		return boot_refuse(img, "cannot be read: %s",
				   err == -ENODATA ? "it became shorter" : strerror(-err));
	return 0;
}

bool boot_is_loaded(const struct boot_image *img, uint64_t gpa)
{
	for (unsigned int i = 0; i < img->nr_segments; i++) {
		const struct boot_segment *s = &img->segment[i];

		if (gpa >= s->gpa && gpa - s->gpa < s->mem_bytes)
			return true;
	}
	return false;
}

/*
 * Whether a kernel may use this memory. Low memory is the guest's below 64 KiB, then ours, then the
 * guest's again up to the EBDA (layout.h).
 */
static bool guests_memory(gpa_t gpa, uint64_t len)
{
	static const struct {
		gpa_t start, end;
	} free_for_guests[] = {
		{ 0, BOOT_DATA_GPA },
		{ BOOT_DATA_END, EBDA_GPA },
		{ HIGH_RAM_GPA, MMIO_HOLE_GPA },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(free_for_guests); i++) {
		if (gpa >= free_for_guests[i].start && gpa <= free_for_guests[i].end &&
		    len <= free_for_guests[i].end - gpa)
			return true;
	}
	return false;
}

/* Overlapping segments are refused, since we cannot know which of the two should win. */
static bool overlaps(const struct boot_image *img, const struct boot_segment *s)
{
	for (unsigned int i = 0; i < img->nr_segments; i++) {
		const struct boot_segment *other = &img->segment[i];

		if (s->gpa < other->gpa + other->mem_bytes && other->gpa < s->gpa + s->mem_bytes)
			return true;
	}
	return false;
}

int boot_add_segment(struct boot_image *img, const struct boot_segment *s)
{
	gpa_t end = img->load_gpa + img->runtime_bytes;

	if (!guests_memory(s->gpa, s->mem_bytes))
		return boot_refuse(
			img,
			"needs 0x%llx bytes at 0x%llx, but a kernel may only use memory below 64K, 192K to 639K and 1M to 3G; link it for another address",
			(unsigned long long)s->mem_bytes, (unsigned long long)s->gpa);
	if (overlaps(img, s))
		return boot_refuse(img, "has segments that overlap, at 0x%llx; link it again",
				   (unsigned long long)s->gpa);
	if (img->nr_segments == BOOT_MAX_SEGMENTS)
		return boot_refuse(img, "has more than %d segments to load; link it with fewer",
				   BOOT_MAX_SEGMENTS);
	if (!img->nr_segments || s->gpa < img->load_gpa)
		img->load_gpa = s->gpa;
	end = max_u64(img->nr_segments ? end : 0, s->gpa + s->mem_bytes);
	img->runtime_bytes = end - img->load_gpa;
	img->segment[img->nr_segments++] = *s;
	return 0;
}

void boot_close(struct boot_image *img)
{
	if (img->fd >= 0)
		close(img->fd);
	img->fd = -1;
}
