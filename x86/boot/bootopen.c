/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opening a kernel: which format it has, by its content, and by which of its entries it is started.
 *
 * The recognisers are asked in turn. A file that none of them takes is a flat binary if the user says how to enter it, and
 * otherwise refused by what it seems to be. A recogniser notes every entry that the image has; choose_start() then takes the
 * one that was asked for, or the first of a fixed order: PVH before Multiboot before Linux's own, since each of them is
 * made for starting by a loader like this, and the 64-bit entry before the older ones.
 *
 * The file is not trusted. What a recogniser has put into struct boot_image was checked: each placement lies inside the
 * file and in memory that belongs to kernels. How much guest memory there is, is boot.c's business.
 *
 * Main's thread. Nothing is said here but by boot_open() and boot_open_fd(): a refusal is a text in the image.
 */
#include "bootparts.h"
#include "kvm/log.h"
#include "x86/layout.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FLAT16_GPA 0x7c00
#define HEADER_MIN_BYTES 0x26c /* of a bzImage */

static const struct {
	const char *name, *wish;
	enum boot_wish by;
} starts[BOOT_NR_STARTS] = {
	[BOOT_LINUX64] = { "64-bit entry", "64", BOOT_WISH_64 },
	[BOOT_LINUX32] = { "32-bit entry", "32", BOOT_WISH_32 },
	[BOOT_LINUX16] = { "real-mode entry", "16", BOOT_WISH_16 },
	[BOOT_PVH] = { "PVH entry", "pvh", BOOT_WISH_PVH },
	[BOOT_MULTIBOOT2] = { "Multiboot 2 entry", "32", BOOT_WISH_32 },
	[BOOT_MULTIBOOT1] = { "Multiboot entry", "32", BOOT_WISH_32 },
	[BOOT_FLAT16] = { "real mode at its load address", "16", BOOT_WISH_16 },
	[BOOT_FLAT32] = { "32-bit mode at its load address", "32", BOOT_WISH_32 },
	[BOOT_FLAT64] = { "64-bit mode at its load address", "64", BOOT_WISH_64 },
};

static const enum boot_start preference[] = {
	BOOT_PVH,     BOOT_MULTIBOOT2, BOOT_MULTIBOOT1, BOOT_LINUX64, BOOT_LINUX32,
	BOOT_LINUX16, BOOT_FLAT16,     BOOT_FLAT32,	BOOT_FLAT64,
};

const char *boot_start_name(enum boot_start start)
{
	return starts[start].name;
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
	uint8_t *at = to;

	if (offset > img->file_bytes || len > img->file_bytes - offset)
		return -ENOEXEC;
	while (len > 0) {
		ssize_t n = pread(img->fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return boot_refuse(img, "cannot be read: %s",
					   n ? strerror(errno) : "it became shorter");
		at += n;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

/* Whose low memory is: below 64 KiB the guest's, then ours, then the guest's up to the EBDA (layout.h). */
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

/* Which of them would win is nobody's to guess. */
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
			"wants 0x%llx bytes at 0x%llx, where a kernel's memory is not: it is below 64K, "
			"192K to 639K and 1M to 3G; link it for another address",
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

static int read_head(struct boot_image *img, struct boot_head *head)
{
	head->len = min_u64(sizeof(head->bytes), img->file_bytes);
	memset(head->bytes, 0, sizeof(head->bytes));
	return boot_read(img, head->bytes, head->len, 0);
}

/* A program without a header: where it lies is where it is entered. */
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
		return boot_refuse(img, "cannot be entered in real mode at 0x%llx; use a --load below 1M",
				   (unsigned long long)load);
	if (how->wish == BOOT_WISH_16 && load < BIOS_DATA_END)
		return boot_refuse(img,
				   "memory below 0x%x holds the interrupt vectors and the BIOS's data; use a "
				   "higher --load",
				   BIOS_DATA_END);
	all.gpa = load;
	img->format = BOOT_FLAT;
	boot_add_start(img, by_wish[how->wish], load);
	return boot_add_segment(img, &all);
}

static int take_unknown(struct boot_image *img, const struct boot_head *head, const struct boot_how *how)
{
	bool may_be_flat;
	const char *kind = filetype_describe(head->bytes, head->len, &may_be_flat);

	if (may_be_flat && how->wish != BOOT_WISH_AUTO && how->wish != BOOT_WISH_PVH)
		return take_flat(img, how);
	if (kind)
		return boot_refuse(img, "not a kernel known here but %s", kind);
	if (head->len < HEADER_MIN_BYTES)
		return boot_refuse(
			img,
			"only %zu bytes, shorter than a kernel's header; use a complete kernel (or "
			"--entry 16 for a flat binary)",
			head->len);
	return boot_refuse(
		img, "not a kernel known here (bzImage, ELF, Multiboot), nor anything else known; a flat "
		     "binary takes --entry 16, 32 or 64, and --load");
}

/* The entries it has, for a message: "64, 32". */
static void list_wishes(const struct boot_image *img, char *text, size_t size)
{
	unsigned int said = 0;
	size_t len = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < ARRAY_SIZE(preference); i++) {
		enum boot_wish by = starts[preference[i]].by;

		if (!boot_has(img, preference[i]) || said & (1U << by))
			continue;
		len += (size_t)snprintf(text + len, size - len, "%s%s", said ? ", " : "",
					starts[preference[i]].wish);
		said |= 1U << by;
	}
}

static int choose_start(struct boot_image *img, enum boot_wish wish)
{
	static const char *const asked[] = { "", "16", "32", "64", "pvh" };
	char has[32];

	for (unsigned int i = 0; i < ARRAY_SIZE(preference); i++) {
		img->start = preference[i];
		if (boot_has(img, img->start) && (wish == BOOT_WISH_AUTO || starts[img->start].by == wish))
			return 0;
	}
	list_wishes(img, has, sizeof(has));
	return boot_refuse(img, "this %s has no entry for --entry %s; it has %s",
			   boot_format_name(img->format), asked[wish], has);
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
		return boot_refuse(img, "this %s says itself where it is loaded; leave out --load",
				   boot_format_name(img->format));
	return choose_start(img, how->wish);
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

void boot_close(struct boot_image *img)
{
	if (img->fd >= 0)
		close(img->fd);
	img->fd = -1;
}
