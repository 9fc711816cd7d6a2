/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recognises Multiboot kernels by the headers of version 1 (in the first 8 KiB of the file) and
 * version 2 (in the first 32 KiB).
 *
 * Multiboot Specification 0.6.96, 3.1; Multiboot2 Specification 2.0, 3.1. There are two kinds:
 * - An ELF file, which elf.c has already recognised, with a header without addresses.
 * - A header with addresses of its own (version 1: flag 16; version 2: tags 2 and 3). These say
 *   what to load, even from an ELF file.
 *
 * A file may have the headers of both versions. If a header demands something that we lack, the
 * file is refused and the message names it; optional requests are ignored. The addresses in a
 * Multiboot header never apply to a Linux kernel with a PVH note.
 *
 * The file is not trusted. Every field is copied from the file once.
 */
#include "bootparts.h"
#include "x86/layout.h"

#include <errno.h>
#include <string.h>

#define V1_MAGIC 0x1badb002
#define V1_SEARCH_BYTES 8192
#define V1_NEED_VIDEO (1U << 2)
#define V1_ADDRESSES (1U << 16)
#define V1_UNKNOWN_NEEDS 0xfff8 /* of the low half, which must be understood */

#define V2_MAGIC 0xe85250d6
#define V2_SEARCH_BYTES 32768
#define V2_ARCH_I386 0
#define V2_OPTIONAL 1

struct v1_header {
	uint32_t magic, flags, checksum;
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};

struct v2_header {
	uint32_t magic, arch, bytes, checksum;
};

struct v2_tag {
	uint16_t type, flags;
	uint32_t bytes;
};

enum {
	V2_END,
	V2_REQUEST,
	V2_ADDRESS,
	V2_ENTRY,
	V2_CONSOLE,
	V2_FRAMEBUFFER,
	V2_ALIGN_MODULES,
	V2_EFI_SERVICES,
	V2_EFI_ENTRY32,
	V2_EFI_ENTRY64,
	V2_RELOCATABLE
};

/* The beginning of the file, as much of it as may contain a header. */
struct window {
	uint8_t bytes[V2_SEARCH_BYTES];
	uint32_t len;
	uint32_t header; /* where the current header begins */
};

/* The load addresses of a header. */
struct addresses {
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr;
};

/* Takes a header with addresses of its own: these alone say what is loaded. */
static int take_addresses(struct boot_image *img, const struct window *w, const struct addresses *a)
{
	uint64_t before = (uint64_t)a->header_addr - a->load_addr;
	struct boot_segment s = { .gpa = a->load_addr };

	if (a->load_addr > a->header_addr || before > w->header)
		return boot_refuse(
			img,
			"its Multiboot header's load_addr 0x%x and header_addr 0x%x do not fit the header's place in the file (0x%x); " DAMAGED,
			a->load_addr, a->header_addr, w->header);
	s.offset = w->header - before;
	s.file_bytes = img->file_bytes - s.offset;
	if (a->load_end_addr) {
		if (a->load_end_addr < a->load_addr ||
		    a->load_end_addr - a->load_addr > s.file_bytes)
			return boot_refuse(
				img,
				"truncated: by its Multiboot header (load_end_addr 0x%x) it continues after the end of the file; copy or build it again",
				a->load_end_addr);
		s.file_bytes = a->load_end_addr - a->load_addr;
	}
	s.mem_bytes = s.file_bytes;
	if (a->bss_end_addr > a->load_addr)
		s.mem_bytes = max_u64(s.mem_bytes, a->bss_end_addr - a->load_addr);
	img->format = BOOT_MULTIBOOT;
	img->starts = 0;
	img->nr_segments = 0;
	return boot_add_segment(img, &s);
}

static int check_entry(struct boot_image *img, enum boot_start start, uint64_t entry)
{
	if (!boot_is_loaded(img, entry))
		return boot_refuse(
			img, "its Multiboot entry 0x%llx is outside all that is loaded; " DAMAGED,
			(unsigned long long)entry);
	boot_add_start(img, start, entry);
	return 0;
}

/* The entry of the ELF file itself. */
static uint64_t elf_entry(const struct boot_image *img)
{
	return img->start_gpa[img->elf_bits == 64 ? BOOT_LINUX64 : BOOT_LINUX32];
}

static int no_addresses(struct boot_image *img)
{
	return boot_refuse(
		img,
		"a Multiboot header without addresses, in a file that is not ELF; link it as ELF or add the addresses");
}

static int take_v1(struct boot_image *img, const struct window *w, const struct v1_header *h)
{
	uint64_t entry = elf_entry(img);
	int err;

	img->multiboot_offset[0] = w->header;
	img->wants_video |= h->flags & V1_NEED_VIDEO;
	if (h->flags & V1_UNKNOWN_NEEDS)
		return boot_refuse(
			img,
			"its Multiboot header demands undefined features (flags 0x%x); " DAMAGED,
			h->flags);
	if ((h->flags & V1_ADDRESSES) && !boot_has(img, BOOT_PVH)) {
		struct addresses a = { h->header_addr, h->load_addr, h->load_end_addr,
				       h->bss_end_addr };

		err = take_addresses(img, w, &a);
		if (err)
			return err;
		entry = h->entry_addr;
	}
	return img->nr_segments ? check_entry(img, BOOT_MULTIBOOT1, entry) : no_addresses(img);
}

/* Whether multiboot_info.c writes the information of @type, which a tag 1 requests. */
static bool is_provided(uint32_t type)
{
	static const uint8_t types[] = { 1, 2, 3, 4, 6, 14, 15, 21 };

	return memchr(types, (int)min_u64(type, 0xff), sizeof(types)) != NULL;
}

static int check_requests(struct boot_image *img, const uint8_t *tag, const struct v2_tag *t)
{
	for (uint32_t at = sizeof(*t); at + 4 <= t->bytes && !(t->flags & V2_OPTIONAL); at += 4) {
		uint32_t type;

		memcpy(&type, tag + at, sizeof(type));
		if (!is_provided(type))
			return boot_refuse(
				img,
				"its Multiboot 2 header demands information of type %u, which this machine does not have; make the request optional",
				type);
	}
	return 0;
}

/* The sum of a header's tags. */
struct v2_wishes {
	struct addresses addresses;
	bool has_addresses;
	uint64_t entry; /* UINT64_MAX: no such tag */
};

static int refuse_tag(struct boot_image *img, const struct v2_tag *t)
{
	static const char *const names[] = {
		[V2_FRAMEBUFFER] = "a framebuffer",
		[V2_EFI_SERVICES] = "EFI boot services",
	};

	if (t->flags & V2_OPTIONAL)
		return 0;
	if (t->type < ARRAY_SIZE(names) && names[t->type])
		return boot_refuse(
			img,
			"its Multiboot 2 header demands %s, which this machine does not have; make it optional",
			names[t->type]);
	return boot_refuse(
		img,
		"its Multiboot 2 header has a tag of type %u, which is not known; make it optional",
		t->type);
}

static int too_short(struct boot_image *img, const struct v2_tag *t)
{
	return boot_refuse(
		img, "the tag of type %u in its Multiboot 2 header has only %u bytes; " DAMAGED,
		t->type, t->bytes);
}

/* @tag has t->bytes bytes. */
static int take_tag(struct boot_image *img, const uint8_t *tag, const struct v2_tag *t,
		    struct v2_wishes *w)
{
	uint32_t entry;

	switch (t->type) {
	case V2_REQUEST:
		return check_requests(img, tag, t);
	case V2_ADDRESS:
		if (t->bytes < sizeof(*t) + sizeof(w->addresses))
			return too_short(img, t);
		memcpy(&w->addresses, tag + sizeof(*t), sizeof(w->addresses));
		w->has_addresses = true;
		return 0;
	case V2_ENTRY:
		if (t->bytes < sizeof(*t) + sizeof(entry))
			return too_short(img, t);
		memcpy(&entry, tag + sizeof(*t), sizeof(entry));
		w->entry = entry;
		return 0;
	case V2_CONSOLE:
		img->wants_video = true;
		return 0;
	case V2_ALIGN_MODULES: /* modules are always aligned */
	case V2_EFI_ENTRY32:   /* only EFI firmware uses these */
	case V2_EFI_ENTRY64:
	case V2_RELOCATABLE: /* allows another address, but does not require one */
		return 0;
	default:
		return refuse_tag(img, t);
	}
}

static int take_tags(struct boot_image *img, const struct window *win, const struct v2_header *h,
		     struct v2_wishes *wishes)
{
	uint32_t end = win->header + h->bytes;

	for (uint32_t at = win->header + sizeof(*h); at + sizeof(struct v2_tag) <= end;) {
		struct v2_tag t;
		int err;

		memcpy(&t, win->bytes + at, sizeof(t));
		if (t.type == V2_END)
			return 0;
		if (t.bytes < sizeof(t) || t.bytes > end - at)
			return boot_refuse(
				img,
				"the tag of type %u in its Multiboot 2 header is %u bytes long, which is not a valid length; " DAMAGED,
				t.type, t.bytes);
		err = take_tag(img, win->bytes + at, &t, wishes);
		if (err)
			return err;
		at += (uint32_t)align_up(t.bytes, 8);
	}
	return boot_refuse(img,
			   "its Multiboot 2 header does not end with a tag of type 0; " DAMAGED);
}

static int take_v2(struct boot_image *img, const struct window *w, const struct v2_header *h)
{
	struct v2_wishes wishes = { .entry = UINT64_MAX };
	uint64_t entry = elf_entry(img);
	int err;

	img->multiboot_offset[1] = w->header;
	if (h->arch != V2_ARCH_I386)
		return boot_refuse(
			img,
			"its Multiboot 2 header is for another architecture (%u); this machine runs x86 kernels",
			h->arch);
	if (h->bytes < sizeof(*h) || h->bytes > w->len - w->header)
		return boot_refuse(
			img,
			"its Multiboot 2 header is %u bytes long, but must end in the first 32 KiB of the file; " DAMAGED,
			h->bytes);
	err = take_tags(img, w, h, &wishes);
	if (!err && wishes.has_addresses && !boot_has(img, BOOT_PVH))
		err = take_addresses(img, w, &wishes.addresses);
	if (err)
		return err;
	if (wishes.entry != UINT64_MAX)
		entry = wishes.entry;
	return img->nr_segments ? check_entry(img, BOOT_MULTIBOOT2, entry) : no_addresses(img);
}

/*
 * Finds a header whose fields sum up to 0, and sets w->header. The sum alone may be 0 by chance, so
 * the magic number must be there too.
 */
static bool find_v1(struct window *w, struct v1_header *h)
{
	for (w->header = 0; w->header + 12 <= min_u64(w->len, V1_SEARCH_BYTES); w->header += 4) {
		memset(h, 0, sizeof(*h));
		memcpy(h, w->bytes + w->header, min_u64(sizeof(*h), w->len - w->header));
		if (h->magic == V1_MAGIC && h->magic + h->flags + h->checksum == 0)
			return true;
	}
	return false;
}

static bool find_v2(struct window *w, struct v2_header *h)
{
	for (w->header = 0; w->header + sizeof(*h) <= w->len; w->header += 8) {
		memcpy(h, w->bytes + w->header, sizeof(*h));
		if (h->magic == V2_MAGIC && h->magic + h->arch + h->bytes + h->checksum == 0)
			return true;
	}
	return false;
}

int multiboot_recognise(struct boot_image *img, const struct boot_head *head)
{
	struct window w = { .len = (uint32_t)min_u64(img->file_bytes, V2_SEARCH_BYTES) };
	struct v1_header v1;
	struct v2_header v2;
	bool found = false;
	int err = boot_read(img, w.bytes, w.len, 0);

	(void)head;
	if (!err && find_v2(&w, &v2)) {
		found = true;
		err = take_v2(img, &w, &v2);
	}
	if (!err && find_v1(&w, &v1)) {
		found = true;
		err = take_v1(img, &w, &v1);
	}
	if (found && img->format == BOOT_UNKNOWN)
		img->format = BOOT_MULTIBOOT;
	return err ? err : found;
}
