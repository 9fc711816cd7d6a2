/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes what a PVH entry expects: struct hvm_start_info, version 1, with the memory map, and the
 * initrds as modules.
 *
 * Xen's public/arch-x86/hvm/start_info.h. Version 1, since a Linux that finds version 0 requests
 * its memory map from Xen. The information lies in one range of guest memory that is filled from
 * its beginning (guest_info_add()), as for Multiboot.
 *
 * Linux takes the first module as its initrd, so for Linux all initrds are one module. Other
 * kernels, such as Xen, give each module its own meaning.
 *
 * boot.c calls this once a boot, before any vCPU runs.
 */
#include "bootparts.h"
#include "kvm/log.h"
#include "x86/layout.h"

#include <errno.h>
#include <string.h>

#define START_INFO_MAGIC 0x336ec578

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist_gpa, cmdline_gpa, rsdp_gpa, memmap_gpa;
	uint32_t memmap_entries, reserved;
};
_Static_assert(sizeof(struct start_info) == 56, "as in start_info.h");

struct module {
	uint64_t gpa, bytes, cmdline_gpa, reserved;
};

struct memmap_entry {
	uint64_t gpa, bytes;
	uint32_t type, reserved;
};

gpa_t guest_info_add(struct guest_info *info, const void *bytes, uint32_t len, uint32_t align)
{
	uint32_t at = (uint32_t)align_up(info->used, align);

	if (at > BOOT_INFO_MAX_BYTES || len > BOOT_INFO_MAX_BYTES - at ||
	    (len && gmem_write(info->mem, BOOT_INFO_GPA + at, bytes, len)))
		return 0;
	info->used = at + len;
	return BOOT_INFO_GPA + at;
}

gpa_t guest_info_string(struct guest_info *info, const char *text)
{
	return guest_info_add(info, text, (uint32_t)strlen(text) + 1, 1);
}

int guest_info_full(const struct boot_facts *facts)
{
	pr_err("%s: command line, module names and memory map together take more than %d KiB; shorten -p",
	       facts->img->path, BOOT_INFO_MAX_BYTES / 1024);
	return -E2BIG;
}

static gpa_t add_memmap(struct guest_info *info, struct start_info *start)
{
	struct boot_e820_entry e820[BOOT_E820_ENTRIES];
	struct memmap_entry map[BOOT_E820_ENTRIES];

	start->memmap_entries = boot_e820(info->mem, e820);
	for (unsigned int i = 0; i < start->memmap_entries; i++)
		map[i] = (struct memmap_entry){ e820[i].addr, e820[i].size, e820[i].type, 0 };
	return guest_info_add(info, map, start->memmap_entries * (uint32_t)sizeof(map[0]), 8);
}

/* The string of each of several modules is its path, as with Multiboot. */
static gpa_t add_modules(const struct boot_facts *facts, struct guest_info *info, uint32_t *nr)
{
	const struct boot_layout *layout = facts->layout;
	struct module modules[INITRD_SET_MAX] = {
		{ .gpa = layout->initrd, .bytes = layout->initrd_bytes },
	};

	*nr = facts->set->nr;
	if (*nr > 1 && elf_is_linux(facts->img))
		*nr = 1;
	for (uint32_t i = 0; i<*nr && * nr> 1; i++) {
		const struct initrd *f = &facts->set->file[i];

		modules[i] = (struct module){
			.gpa = layout->initrd + f->offset,
			.bytes = f->bytes,
			.cmdline_gpa = guest_info_string(info, f->path),
		};
		if (!modules[i].cmdline_gpa)
			return 0;
	}
	return guest_info_add(info, modules, *nr * (uint32_t)sizeof(modules[0]), 8);
}

int pvh_write(const struct boot_facts *facts, struct gmem *mem, struct boot_entry *entry)
{
	struct guest_info info = { .mem = mem };
	struct start_info start = {
		.magic = START_INFO_MAGIC,
		.version = 1,
		.rsdp_gpa = facts->config->rsdp,
	};

	start.memmap_gpa = add_memmap(&info, &start);
	if (facts->set->nr)
		start.modlist_gpa = add_modules(facts, &info, &start.nr_modules);
	start.cmdline_gpa = guest_info_string(&info, boot_facts_cmdline(facts));
	entry->rbx = guest_info_add(&info, &start, sizeof(start), 8);
	if ((facts->set->nr && !start.modlist_gpa) || !start.cmdline_gpa || !entry->rbx)
		return guest_info_full(facts);
	return 0;
}
