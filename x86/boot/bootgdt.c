/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes the tables that a boot processor needs until the kernel has made its own: a GDT, and page
 * tables for the 64-bit entry.
 *
 * boot.rst, "32-bit Boot Protocol" and "64-bit Boot Protocol": __BOOT_CS is selector 0x10,
 * execute/read; __BOOT_DS is 0x18, read/write; both are flat. The 64-bit entry requires paging,
 * with the kernel, the zero page and the command line mapped to themselves. We map 4 GiB, since we
 * place nothing above; with 2 MiB pages, since not every CPU has 1 GiB pages; and without a fifth
 * level, which the kernel turns on itself. The TSS is never used, but VMX requires that TR names
 * one (Intel SDM vol. 3, 27.3.1.2). Its descriptor has the 16 bytes of long mode in either mode.
 *
 * boot.c calls this once a boot, before any vCPU runs. cpu.c sets the processor's hidden segment
 * state to the same values.
 */
#include "bootparts.h"
#include "x86/cpu/x86_bits.h"
#include "x86/layout.h"

#include <assert.h>
#include <string.h>

#define ENTRIES 512
#define NR_DIRECTORIES 4 /* 1 GiB each */

#define GDT_CODE64 0x00af9b000000ffffULL
#define GDT_CODE32 0x00cf9b000000ffffULL
#define GDT_DATA 0x00cf93000000ffffULL
#define GDT_TSS_BUSY (0x00008b0000000000ULL | BOOT_TSS_LIMIT)

static void write_page_tables(uint64_t *table)
{
	const gpa_t pdpt = BOOT_PML4_GPA + PAGE_BYTES, directories = pdpt + PAGE_BYTES;
	uint64_t *directory = table + 2 * ENTRIES;

	memset(table, 0, 2 * PAGE_BYTES);
	table[0] = pdpt | PTE_P | PTE_W;
	for (unsigned int i = 0; i < NR_DIRECTORIES; i++)
		table[ENTRIES + i] = (directories + i * PAGE_BYTES) | PTE_P | PTE_W;
	for (unsigned int i = 0; i < NR_DIRECTORIES * ENTRIES; i++)
		directory[i] = i * (2 * MIB) | PTE_P | PTE_W | PTE_PS;
}

void bootgdt_write(struct gmem *mem, enum cpu_mode mode)
{
	const uint64_t gdt[BOOT_GDT_BYTES / 8] = {
		[BOOT_CS / 8] = mode == CPU_LONG64 ? GDT_CODE64 : GDT_CODE32,
		[BOOT_DS / 8] = GDT_DATA,
		[BOOT_TR / 8] = GDT_TSS_BUSY,
	};
	void *at = gmem_at(mem, BOOT_GDT_GPA, sizeof(gdt));
	void *tables = gmem_at(mem, BOOT_PML4_GPA, (2 + NR_DIRECTORIES) * PAGE_BYTES);

	assert(at && tables);
	memcpy(at, gdt, sizeof(gdt));
	if (mode == CPU_LONG64)
		write_page_tables(tables);
}
