/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests what the Linux boot protocol passes to a kernel: processor state, zero page, e820, command
 * line, setup_data, initrd.
 */
#include "payload.h"

#define MIB (1024UL * 1024)
#define LINUX_CS 0x10
#define LINUX_DS 0x18

static void check_segments(void)
{
	const uint64_t *table = (const uint64_t *)entry_state.gdt_base;
	bool flat64 = entry_state.mode == 64;

	check_eq("cs", entry_state.cs, LINUX_CS);
	check_eq("ds", entry_state.ds, LINUX_DS);
	check_eq("es", entry_state.es, LINUX_DS);
	check_eq("ss", entry_state.ss, LINUX_DS);
	check("gdt limit", entry_state.gdt_limit >= 0x1f);
	/*
	 * Present, code, readable; 4 GiB; L or D according to the mode. Ignores the accessed bit.
	 */
	check_eq("gdt code", table[2] & ~(1ULL << 40),
		 flat64 ? 0x00af9a000000ffff : 0x00cf9a000000ffff);
	check_eq("gdt data", table[3] & ~(1ULL << 40), 0x00cf92000000ffff);
}

static void check_paging(void)
{
	static const uint64_t points[] = { 0x1000, 0x100000, 0x2000000 };

	for (unsigned int i = 0; i < ARRAY_SIZE(points); i++)
		asm volatile("" ::"r"(read8(points[i])));
	asm volatile("" ::"r"(read32(LAPIC_GPA + 0x30)));
	asm volatile("" ::"r"(read32(0xfffffff0)));
	check("identity map", true);
	check_eq("local APIC version", read32(LAPIC_GPA + 0x30) & 0xf0, 0x10);
}

void test_entry(void)
{
	check_eq("mode", entry_state.mode, arg(0, 64));
	check_segments();
	check_eq("interrupts off", entry_state.rflags & 0x200, 0);
	check_eq("direction up", entry_state.rflags & 0x400, 0);
	check_eq("cr0.PE", entry_state.cr0 & 1, 1);
	if (entry_state.mode == 64) {
		check_eq("cr0.PG", entry_state.cr0 >> 31, 1);
		check_eq("cr4.PAE", entry_state.cr4 >> 5 & 1, 1);
		check_eq("efer LME LMA", entry_state.efer & 0x500, 0x500);
	} else {
		check_eq("cr0.PG", entry_state.cr0 >> 31, 0);
		check_eq("efer LME", entry_state.efer & 0x100, 0);
		print("ok entry32\n");
	}
	check_paging();
}

static bool e820_in_order(const struct boot_params *bp)
{
	for (unsigned int i = 1; i < bp->e820_entries; i++) {
		if (bp->e820_table[i].addr <
		    bp->e820_table[i - 1].addr + bp->e820_table[i - 1].size)
			return false;
	}
	return true;
}

/* Returns the bytes of RAM between @from and @to. */
static uint64_t ram_between(const struct boot_params *bp, uint64_t from, uint64_t to)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < bp->e820_entries; i++) {
		const struct boot_e820_entry *e = &bp->e820_table[i];

		if (e->type == 1 && e->addr >= from && e->addr + e->size <= to)
			sum += e->size;
	}
	return sum;
}

/* Writes and reads the first and last word of each region above 1 MiB outside the payload. */
static void touch_ram(const struct boot_params *bp)
{
	bool good = true;

	for (unsigned int i = 0; i < bp->e820_entries; i++) {
		const struct boot_e820_entry *e = &bp->e820_table[i];
		uint64_t last = e->addr + e->size - 4;

		if (e->type != 1 || e->addr < MIB || last >= 4096 * MIB)
			continue;
		write32(last, 0x5aa55aa5 ^ i);
		good = good && read32(last) == (0x5aa55aa5 ^ i);
	}
	check("last word of RAM", good);
}

/* Argument: MiB of RAM. */
void test_e820(void)
{
	const struct boot_params *bp = boot_params();
	uint64_t ram = arg(0, 0) * MIB, low = ram < 3072 * MIB ? ram : 3072 * MIB;

	for (unsigned int i = 0; i < bp->e820_entries; i++)
		print("e820 %llx +%llx type %u\n", bp->e820_table[i].addr, bp->e820_table[i].size,
		      bp->e820_table[i].type);
	check("entries", bp->e820_entries >= 2 && bp->e820_entries <= E820_MAX_ENTRIES_ZEROPAGE);
	check_eq("starts at 0", bp->e820_table[0].addr, 0);
	check_eq("first is RAM", bp->e820_table[0].type, 1);
	check_eq("conventional memory", ram_between(bp, 0, 0xa0000), 0x9fc00);
	check_eq("RAM below the hole", ram_between(bp, MIB, 3072 * MIB), low - MIB);
	check_eq("no RAM in the hole", ram_between(bp, 3072 * MIB, 4096 * MIB), 0);
	check_eq("RAM above 4 GiB", ram_between(bp, 4096 * MIB, ~0ULL), ram - low);
	check("sorted, no overlap", e820_in_order(bp));
	touch_ram(bp);
}

void test_zeropage(void)
{
	const struct boot_params *bp = boot_params();

	check_eq("boot_flag", bp->hdr.boot_flag, 0xaa55);
	check_eq("HdrS", bp->hdr.header, 0x53726448);
	check_eq("version", bp->hdr.version, 0x020f);
	check("type_of_loader set", bp->hdr.type_of_loader);
	check_eq("LOADED_HIGH", bp->hdr.loadflags & 1, 1);
	check_eq("sentinel", bp->sentinel, 0);
	check("rsi below 4 GiB", entry_state.rsi < 4096 * MIB);
	check_eq("ext_cmd_line_ptr", bp->ext_cmd_line_ptr, 0);
	check_eq("init_size", bp->hdr.init_size % 4096, 0);
	check("acpi_rsdp_addr", bp->acpi_rsdp_addr >= 0xe0000 && bp->acpi_rsdp_addr < 0x100000);
	check_eq("efi", bp->efi_info.efi_memmap_size, 0);
	check_eq("cmdline in RAM", bp->hdr.cmd_line_ptr < 0xa0000, 1);
}

void test_cmdline(void)
{
	print("cmdline: %s\n", command_line());
}

static const struct setup_data *find_setup_data(uint32_t type)
{
	uint64_t at = boot_params()->hdr.setup_data;

	for (unsigned int i = 0; at && i < 16; i++) {
		const struct setup_data *sd = (const struct setup_data *)at;

		if (sd->type == type)
			return sd;
		at = sd->next;
	}
	return NULL;
}

void test_seed(void)
{
	const struct setup_data *sd = find_setup_data(9); /* SETUP_RNG_SEED */

	check("rng seed node", sd);
	if (!sd)
		return;
	check_eq("seed length", sd->len, 32);
	check("seed not zero", sum_bytes(sd->data, sd->len));
	print("seed:");
	for (unsigned int i = 0; i < sd->len; i++)
		print(" %x", sd->data[i]);
	print("\n");
}

/*
 * Prints the initrd's text and powers off without other output; with 1 as first argument it spins.
 * The second argument is a pause after each line, in ms.
 */
void test_say(void)
{
	const struct setup_header *hdr = &boot_params()->hdr;
	const char *text = (const char *)(uintptr_t)hdr->ramdisk_image;
	uint32_t left = hdr->ramdisk_size;

	while (left) {
		uint32_t len = 0;

		while (len < left && (!len || text[len - 1] != '\n'))
			len++;
		put_bytes(text, len);
		delay_us(1000 * arg(1, 0));
		text += len;
		left -= len;
	}
	if (arg(0, 0))
		spin();
	power_off();
}

static void report_initrd(void)
{
	const struct boot_params *bp = boot_params();
	uint64_t at = bp->hdr.ramdisk_image, bytes = bp->hdr.ramdisk_size;

	print("initrd at %llx bytes %llu sum %llu\n", (unsigned long long)at,
	      (unsigned long long)bytes, (unsigned long long)sum_bytes((const void *)at, bytes));
	check_eq("ext_ramdisk", bp->ext_ramdisk_image | bp->ext_ramdisk_size, 0);
	check_eq("initrd on a page border", at % 4096, 0);
	check("initrd under initrd_addr_max", !bytes || at + bytes - 1 <= bp->hdr.initrd_addr_max);
}

void test_initrd(void)
{
	report_initrd();
}

/* Gives the host time to do something to the file. */
void test_initrd_wait(void)
{
	print("ready\n");
	while (!(inb(COM1 + 5) & 1))
		;
	inb(COM1);
	report_initrd();
	print("survived\n");
}
