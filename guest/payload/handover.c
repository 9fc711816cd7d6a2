/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds, checks and prints what PVH and Multiboot pass to a kernel; the test on the host compares
 * the output.
 */
#include "payload.h"

#define MB2_LOADER_NAME 2
#define MB2_MODULE 3
#define MB2_MEMORY 4
#define MB2_MMAP 6
#define MB2_RSDP 15

static void print_module(uint64_t start, uint64_t bytes, const char *string)
{
	check_eq("module on a page", start & 4095, 0);
	print("module bytes %llu sum %llu %s\n", (unsigned long long)bytes,
	      (unsigned long long)sum_bytes((const void *)start, bytes), string);
}

void test_pvh(void)
{
	uintptr_t info = entry_state.rbx, map, mods;

	check("PVH", is_pvh());
	check_eq("version", info_word(4), 1);
	check_eq("flags", info_word(8), 0);
	check_eq("RSDP", read64(read64(info + 32)), 0x2052545020445352); /* "RSD PTR " */
	map = read64(info + 40);
	check_eq("map begins", read64(map), 0);
	check_eq("and with RAM", read32(map + 16), 1);
	check("map has entries", info_word(48) >= 5);
	mods = read64(info + 16);
	for (unsigned int i = 0; i < info_word(12); i++)
		print_module(read64(mods + 32 * i), read64(mods + 32 * i + 8), "");
	print("cmdline: %s\n", command_line());
}

static void check_mb1(void)
{
	check_eq("flags", info_word(0), 0x24d);
	check_eq("mem_lower", info_word(4), 639);
	check_eq("mem_upper", info_word(8), arg(0, 0) * 1024 - 1024);
	check_eq("mmap entry", read32(info_word(48)), 20);
	check_eq("mmap begins", read64(info_word(48) + 4), 0);
	check_eq("and with RAM", read32(info_word(48) + 20), 1);
	for (unsigned int i = 0; i < info_word(20); i++) {
		uintptr_t m = info_word(24) + 16 * i;

		print_module(read32(m), read32(m + 4) - read32(m),
			     (const char *)(uintptr_t)read32(m + 8));
	}
	print("loader: %s\n", (const char *)info_word(64));
}

static void check_mb2(void)
{
	uintptr_t map = mb2_tag(MB2_MMAP, 0), memory = mb2_tag(MB2_MEMORY, 0),
		  rsdp = mb2_tag(MB2_RSDP, 0), m;

	check_eq("aligned", entry_state.rbx & 7, 0);
	check_eq("mem_lower", read32(memory + 8), 639);
	check_eq("mem_upper", read32(memory + 12), arg(0, 0) * 1024 - 1024);
	check_eq("mmap entry", read32(map + 8), 24);
	check_eq("mmap begins", read64(map + 16), 0);
	check_eq("and with RAM", read32(map + 32), 1);
	check_eq("RSDP", read64(rsdp + 8), 0x2052545020445352);
	check_eq("RSDP bytes", read32(rsdp + 4), 8 + 36);
	for (unsigned int i = 0; (m = mb2_tag(MB2_MODULE, i)); i++)
		print_module(read32(m + 8), read32(m + 12) - read32(m + 8), (const char *)(m + 16));
	print("loader: %s\n", (const char *)(mb2_tag(MB2_LOADER_NAME, 0) + 8));
}

void test_multiboot(void)
{
	check_eq("mode", entry_state.mode, 32);
	check_eq("paging off", entry_state.cr0 >> 31, 0);
	check_eq("protected mode", entry_state.cr0 & 1, 1);
	check_eq("interrupts off", entry_state.rflags & 0x200, 0);
	if (entry_state.rax == MB1_MAGIC)
		check_mb1();
	else if (entry_state.rax == MB2_MAGIC)
		check_mb2();
	else
		check("Multiboot", false);
	print("cmdline: %s\n", command_line());
}
