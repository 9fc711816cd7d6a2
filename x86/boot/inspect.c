/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints for `kvm inspect` on x86 all that a kernel's file states about itself, and how `kvm run`
 * would start it.
 *
 * The same code opens the file that opens it for a start, so both always agree. A file that is
 * refused is described as far as it was understood, with the reason. Fields of the setup header
 * have the names of boot.rst; those newer than the file's protocol are left out.
 *
 * Thread: main. Reads the file and nothing else.
 */
#include "inspect.h"
#include "bootparts.h"
#include "fastkernel.h"
#include "listing.h"

#include <errno.h>
#include <string.h>

#define BANNER "Linux version "
#define CHUNK_BYTES 65536

/* Whether a value counts something, unlike an address or flags. */
#define COUNT true

static const struct field {
	char name[24];
	unsigned int offset, bytes, since;
	bool count;
} fields[] = {
#define FIELD(name, since, count)                                                                  \
	{                                                                                          \
#name, offsetof(struct setup_header, name),                                        \
			sizeof(((struct setup_header *)0)->name), since, count                     \
	}
	FIELD(setup_sects, 0, COUNT),
	FIELD(root_flags, 0, !COUNT),
	FIELD(syssize, 0, COUNT),
	FIELD(ram_size, 0, !COUNT),
	FIELD(vid_mode, 0, !COUNT),
	FIELD(root_dev, 0, !COUNT),
	FIELD(boot_flag, 0, !COUNT),
	FIELD(jump, 0x200, !COUNT),
	FIELD(header, 0x200, !COUNT),
	FIELD(version, 0x200, !COUNT),
	FIELD(realmode_swtch, 0x200, !COUNT),
	FIELD(start_sys_seg, 0x200, !COUNT),
	FIELD(kernel_version, 0x200, !COUNT),
	FIELD(type_of_loader, 0x200, !COUNT),
	FIELD(loadflags, 0x200, !COUNT),
	FIELD(setup_move_size, 0x200, COUNT),
	FIELD(code32_start, 0x200, !COUNT),
	FIELD(ramdisk_image, 0x200, !COUNT),
	FIELD(ramdisk_size, 0x200, COUNT),
	FIELD(bootsect_kludge, 0x200, !COUNT),
	FIELD(heap_end_ptr, 0x201, !COUNT),
	FIELD(ext_loader_ver, 0x202, !COUNT),
	FIELD(ext_loader_type, 0x202, !COUNT),
	FIELD(cmd_line_ptr, 0x202, !COUNT),
	FIELD(initrd_addr_max, 0x203, !COUNT),
	FIELD(kernel_alignment, 0x205, !COUNT),
	FIELD(relocatable_kernel, 0x205, COUNT),
	FIELD(min_alignment, 0x20a, COUNT),
	FIELD(xloadflags, 0x20c, !COUNT),
	FIELD(cmdline_size, 0x206, COUNT),
	FIELD(hardware_subarch, 0x207, COUNT),
	FIELD(hardware_subarch_data, 0x207, !COUNT),
	FIELD(payload_offset, 0x208, !COUNT),
	FIELD(payload_length, 0x208, COUNT),
	FIELD(setup_data, 0x209, !COUNT),
	FIELD(pref_address, 0x20a, !COUNT),
	FIELD(init_size, 0x20a, COUNT),
	FIELD(handover_offset, 0x20b, !COUNT),
	FIELD(kernel_info_offset, 0x20f, !COUNT),
#undef FIELD
};

static void print_fields(struct listing *l, const struct boot_image *img)
{
	listing_group(l, "setup_header");
	for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];
		uint64_t value = 0;

		if (img->hdr.version < f->since)
			continue;
		memcpy(&value, img->hdr_bytes + f->offset, f->bytes);
		if (f->count)
			listing_number(l, f->name, value);
		else
			listing_hex(l, f->name, value);
	}
	listing_end(l, false);
}

static void print_xloadflags(struct listing *l, uint16_t xloadflags)
{
	static const char *const names[] = { "KERNEL_64",	"CAN_BE_LOADED_ABOVE_4G",
					     "EFI_HANDOVER_32", "EFI_HANDOVER_64",
					     "EFI_KEXEC",	"5LEVEL",
					     "5LEVEL_ENABLED",	"MEM_ENCRYPTION" };

	listing_list(l, "xloadflags");
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		if (xloadflags & (1U << i))
			listing_text(l, NULL, names[i]);
	}
	listing_end(l, true);
}

static void print_bzimage(struct listing *l, struct boot_image *img)
{
	char protocol[16];

	snprintf(protocol, sizeof(protocol), "%u.%02u", img->hdr.version >> 8,
		 img->hdr.version & 0xff);
	listing_text(l, "protocol", protocol);
	listing_text(l, "payload_compression", unpack_compression(img));
	if (img->hdr.version >= 0x20c)
		print_xloadflags(l, img->hdr.xloadflags);
	print_fields(l, img);
}

static bool print_note(void *ctx, const struct elf_note *note)
{
	struct listing *l = ctx;
	char hex[2 * sizeof(note->desc) + 1] = "";

	for (size_t i = 0; i < min_u64(note->desc_bytes, sizeof(note->desc)); i++)
		snprintf(hex + 2 * i, 3, "%02x", note->desc[i]);
	listing_group(l, NULL);
	listing_text(l, "name", note->name);
	listing_number(l, "type", note->type);
	listing_number(l, "bytes", note->desc_bytes);
	listing_text(l, "description", hex);
	listing_end(l, false);
	return false;
}

static void print_elf(struct listing *l, struct boot_image *img)
{
	listing_number(l, "elf_bits", img->elf_bits);
	listing_list(l, "notes");
	elf_each_note(img, print_note, l);
	listing_end(l, true);
}

static void print_multiboot(struct listing *l, const struct boot_image *img)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (boot_has(img, i ? BOOT_MULTIBOOT2 : BOOT_MULTIBOOT1))
			listing_hex(l, i ? "multiboot2_header" : "multiboot_header",
				    img->multiboot_offset[i]);
	}
}

static void print_entries(struct listing *l, const struct boot_image *img)
{
	listing_list(l, "entries");
	for (unsigned int i = 0; i < BOOT_NR_STARTS; i++) {
		if (!boot_has(img, (enum boot_start)i))
			continue;
		listing_group(l, NULL);
		listing_text(l, "entry", boot_start_name((enum boot_start)i));
		listing_hex(l, "address", img->start_gpa[i]);
		listing_end(l, false);
	}
	listing_end(l, true);
}

static void print_segments(struct listing *l, const struct boot_image *img)
{
	listing_list(l, "segments");
	for (unsigned int i = 0; i < img->nr_segments; i++) {
		const struct boot_segment *s = &img->segment[i];

		listing_group(l, NULL);
		listing_hex(l, "offset", s->offset);
		listing_hex(l, "address", s->gpa);
		listing_number(l, "file_bytes", s->file_bytes);
		listing_number(l, "memory_bytes", s->mem_bytes);
		listing_end(l, false);
	}
	listing_end(l, true);
}

/*
 * Takes the text after a BANNER, unless it is a format string, or the banner without numbers that
 * init/version.c has for the kernel's first link.
 */
static bool take_banner(struct boot_image *img, const char *text)
{
	memcpy(img->version, text, sizeof(img->version) - strlen(BANNER) - 1);
	img->version[strcspn(img->version, "\n")] = '\0';
	if (img->version[0] >= '0' && img->version[0] <= '9' && !strstr(img->version, "# "))
		return true;
	img->version[0] = '\0';
	return false;
}

static bool banner_in(struct boot_image *img, const char *chunk, size_t len)
{
	const char *end = chunk + len;

	while ((chunk = memmem(chunk, (size_t)(end - chunk), BANNER, strlen(BANNER)))) {
		if ((size_t)(end - chunk) < sizeof(img->version))
			return false; /* the next chunk begins before this banner */
		chunk += strlen(BANNER);
		if (take_banner(img, chunk))
			return true;
	}
	return false;
}

/* A vmlinux states its version only in its banner, so this searches the segments for that. */
static void find_banner(struct boot_image *img)
{
	char chunk[CHUNK_BYTES + sizeof(img->version)];

	for (unsigned int i = 0; i < img->nr_segments && !img->version[0]; i++) {
		const struct boot_segment *s = &img->segment[i];

		for (uint64_t at = 0; at < s->file_bytes; at += CHUNK_BYTES) {
			uint64_t len = min_u64(sizeof(chunk), s->file_bytes - at);

			if (boot_read(img, chunk, len, s->offset + at) ||
			    banner_in(img, chunk, len))
				return;
		}
	}
}

static void print(struct listing *l, struct boot_image *img)
{
	bool refused = img->refusal[0];

	listing_text(l, "file", img->path);
	listing_number(l, "file_bytes", img->file_bytes);
	listing_text(l, "format", boot_format_name(img->format));
	listing_text(l, "refused", refused ? img->refusal : NULL);
	listing_text(l, "started_by", refused ? NULL : boot_start_name(img->start));
	listing_text(l, "kernel_version", img->version[0] ? img->version : NULL);
	if (!refused) {
		listing_number(l, "cmdline_limit", boot_cmdline_limit(img));
		listing_hex(l, "initrd_addr_max", boot_initrd_addr_max(img));
		listing_hex(l, "load_address", img->load_gpa);
		listing_number(l, "runtime_bytes", img->runtime_bytes);
	}
	print_entries(l, img);
	print_segments(l, img);
	if (img->format == BOOT_BZIMAGE)
		print_bzimage(l, img);
	if (img->elf_bits)
		print_elf(l, img);
	print_multiboot(l, img);
}

int inspect_kernel(FILE *f, const char *path, const char *entry, uint64_t load_gpa, bool json)
{
	struct boot_how how = { .load_gpa = load_gpa };
	struct boot_image img;
	struct listing l;
	int fd, err = boot_parse_entry(entry, &how.wish);

	if (err)
		return err;
	fd = bootfile_open(path, "kernel");
	if (fd < 0)
		return fd;
	err = boot_identify(&img, fd, path, &how);
	if (!err && img.elf_bits)
		find_banner(&img);
	if (!err || img.refusal[0]) {
		listing_open(&l, f, json);
		print(&l, &img);
		listing_close(&l);
	}
	boot_close(&img);
	return err;
}
