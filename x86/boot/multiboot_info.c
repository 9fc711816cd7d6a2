/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes the information that a Multiboot kernel gets: command line, modules and memory map, in the
 * form of either version.
 *
 * Multiboot Specification 0.6.96, 3.2 and 3.3; Multiboot2 Specification 2.0, 3.3 to 3.6. Each
 * initrd is a module whose string is its path. All of it lies between 128 and 192 KiB
 * (BOOT_INFO_GPA), out of the way of kernels that use the first 64 KiB for real-mode code. There is
 * no display, no drive and no APM, and nothing mentions them.
 *
 * boot.c calls this once a boot, before any vCPU runs.
 */
#include "bootparts.h"
#include "e820.h"
#include "x86/layout.h"

#include <string.h>

#define LOADER_NAME "kvm"
#define LOWER_KIB (EBDA_GPA / KIB)

#define V1_BOOT_MAGIC 0x2badb002
#define V1_HAS_MEMORY (1U << 0)
#define V1_HAS_CMDLINE (1U << 2)
#define V1_HAS_MODULES (1U << 3)
#define V1_HAS_MMAP (1U << 6)
#define V1_HAS_LOADER_NAME (1U << 9)

#define V2_BOOT_MAGIC 0x36d76289
#define RSDP1_BYTES 20
#define RSDP2_BYTES 36

struct v1_info {
	uint32_t flags, mem_lower_kib, mem_upper_kib, boot_device, cmdline_gpa, nr_modules,
		modules_gpa;
	uint32_t symbols[4];
	uint32_t mmap_bytes, mmap_gpa, drives_bytes, drives_gpa, config_table, loader_name_gpa,
		apm_table;
	uint32_t vbe[4], framebuffer[7]; /* none */
};
_Static_assert(offsetof(struct v1_info, loader_name_gpa) == 64, "as in the specification");

struct v1_module {
	uint32_t start, end, string, reserved;
};

struct v1_mmap_entry {
	uint32_t bytes; /* of what follows */
	uint64_t gpa, len;
	uint32_t type;
} __attribute__((packed));

struct v2_tag {
	uint32_t type, bytes;
};

struct v2_memory {
	uint32_t lower_kib, upper_kib;
};

struct v2_mmap_head {
	uint32_t entry_bytes, entry_version;
};

struct v2_mmap_entry {
	uint64_t gpa, len;
	uint32_t type, reserved;
};

enum {
	TAG_END = 0,
	TAG_CMDLINE = 1,
	TAG_LOADER_NAME = 2,
	TAG_MODULE = 3,
	TAG_MEMORY = 4,
	TAG_MMAP = 6,
	TAG_RSDP1 = 14,
	TAG_RSDP2 = 15,
	TAG_LOAD_BASE = 21
};

static gpa_t v1_add_modules(const struct boot_facts *facts, struct guest_info *info)
{
	struct v1_module modules[INITRD_SET_MAX];
	unsigned int nr = facts->set->nr;

	for (unsigned int i = 0; i < nr; i++) {
		const struct initrd *f = &facts->set->file[i];
		gpa_t start = facts->layout->initrd + f->offset,
		      string = guest_info_string(info, f->path);

		if (!string)
			return 0;
		modules[i] = (struct v1_module){ (uint32_t)start, (uint32_t)(start + f->bytes),
						 (uint32_t)string, 0 };
	}
	return guest_info_add(info, modules, nr * (uint32_t)sizeof(modules[0]), 4);
}

static gpa_t v1_add_mmap(struct guest_info *info, uint32_t *bytes)
{
	struct boot_e820_entry e820[BOOT_E820_ENTRIES];
	struct v1_mmap_entry map[BOOT_E820_ENTRIES];
	unsigned int nr = boot_e820(info->mem, e820);

	for (unsigned int i = 0; i < nr; i++)
		map[i] = (struct v1_mmap_entry){ sizeof(map[0]) - sizeof(map[0].bytes),
						 e820[i].addr, e820[i].size, e820[i].type };
	*bytes = nr * (uint32_t)sizeof(map[0]);
	return guest_info_add(info, map, *bytes, 4);
}

int multiboot1_write(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry)
{
	struct guest_info info = { .mem = mem };
	struct v1_info v1 = {
		.flags = V1_HAS_MEMORY | V1_HAS_CMDLINE | V1_HAS_MODULES | V1_HAS_MMAP |
			 V1_HAS_LOADER_NAME,
		.mem_lower_kib = LOWER_KIB,
		.mem_upper_kib = boot_high_kib(mem),
		.nr_modules = facts->set->nr,
	};

	v1.mmap_gpa = (uint32_t)v1_add_mmap(&info, &v1.mmap_bytes);
	v1.loader_name_gpa = (uint32_t)guest_info_string(&info, LOADER_NAME);
	v1.cmdline_gpa = (uint32_t)guest_info_string(&info, boot_facts_cmdline(facts));
	v1.modules_gpa = (uint32_t)v1_add_modules(facts, &info);
	entry->rax = V1_BOOT_MAGIC;
	entry->rbx = guest_info_add(&info, &v1, sizeof(v1), 4);
	return v1.cmdline_gpa && v1.modules_gpa && entry->rbx ? 0 : guest_info_full(facts);
}

/* Adds a tag of two parts. Its size does not count the padding to the next multiple of 8. */
static bool v2_add(struct guest_info *info, uint32_t type, const void *first, uint32_t first_bytes,
		   const void *rest, uint32_t rest_bytes)
{
	const struct v2_tag tag = { type, (uint32_t)sizeof(tag) + first_bytes + rest_bytes };

	return guest_info_add(info, &tag, sizeof(tag), 8) &&
	       guest_info_add(info, first, first_bytes, 1) &&
	       guest_info_add(info, rest, rest_bytes, 1);
}

static bool v2_add_string(struct guest_info *info, uint32_t type, const char *text)
{
	return v2_add(info, type, text, (uint32_t)strlen(text) + 1, NULL, 0);
}

static bool v2_add_modules(const struct boot_facts *facts, struct guest_info *info)
{
	for (unsigned int i = 0; i < facts->set->nr; i++) {
		const struct initrd *f = &facts->set->file[i];
		uint32_t start = (uint32_t)(facts->layout->initrd + f->offset);
		const uint32_t range[2] = { start, start + (uint32_t)f->bytes };

		if (!v2_add(info, TAG_MODULE, range, sizeof(range), f->path,
			    (uint32_t)strlen(f->path) + 1))
			return false;
	}
	return true;
}

static bool v2_add_memory(struct guest_info *info)
{
	const struct v2_memory memory = { LOWER_KIB, boot_high_kib(info->mem) };
	const struct v2_mmap_head head = { sizeof(struct v2_mmap_entry), 0 };
	struct boot_e820_entry e820[BOOT_E820_ENTRIES];
	struct v2_mmap_entry map[BOOT_E820_ENTRIES];
	unsigned int nr = boot_e820(info->mem, e820);

	for (unsigned int i = 0; i < nr; i++)
		map[i] = (struct v2_mmap_entry){ e820[i].addr, e820[i].size, e820[i].type, 0 };
	return v2_add(info, TAG_MEMORY, &memory, sizeof(memory), NULL, 0) &&
	       v2_add(info, TAG_MMAP, &head, sizeof(head), map, nr * (uint32_t)sizeof(map[0]));
}

/* Adds two copies of the RSDP: the first 20 bytes, for ACPI 1.0, and all of it. */
static bool v2_add_rsdp(const struct boot_facts *facts, struct guest_info *info)
{
	uint8_t rsdp[RSDP2_BYTES];

	if (!facts->config->rsdp || gmem_read(info->mem, facts->config->rsdp, rsdp, sizeof(rsdp)))
		return true;
	return v2_add(info, TAG_RSDP1, rsdp, RSDP1_BYTES, NULL, 0) &&
	       v2_add(info, TAG_RSDP2, rsdp, RSDP2_BYTES, NULL, 0);
}

int multiboot2_write(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry)
{
	struct guest_info info = { .mem = mem };
	uint32_t load_base = (uint32_t)facts->img->load_gpa;
	uint32_t total[2] = { 0, 0 };

	entry->rax = V2_BOOT_MAGIC;
	entry->rbx = guest_info_add(&info, total, sizeof(total), 8);
	if (!v2_add_string(&info, TAG_CMDLINE, boot_facts_cmdline(facts)) ||
	    !v2_add_string(&info, TAG_LOADER_NAME, LOADER_NAME) || !v2_add_modules(facts, &info) ||
	    !v2_add_memory(&info) || !v2_add_rsdp(facts, &info) ||
	    !v2_add(&info, TAG_LOAD_BASE, &load_base, sizeof(load_base), NULL, 0) ||
	    !v2_add(&info, TAG_END, NULL, 0, NULL, 0))
		return guest_info_full(facts);
	total[0] = info.used;
	return gmem_write(mem, entry->rbx, total, sizeof(total));
}
