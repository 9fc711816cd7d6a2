/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Builds the E820 memory map: the machine's RAM, without the ranges that layout.h reserves or
 * hides.
 *
 * Two kinds of ranges are cut out of RAM:
 * - Reserved ranges hold what a PC's kernel never allocates: the EBDA, and the BIOS area with
 *   the tables.
 * - The VGA hole is not listed at all, as on a PC. RAM lies underneath, but the map does not list
 *   it.
 *
 * The pages that KVM itself uses below 4 GiB are reserved, so that the guest never assigns them to
 * a bus. The rest of the hole below 4 GiB is not listed: devices live there.
 *
 * The writers of boot information call boot_e820() once a boot. e820_build() is a pure function of
 * the RAM's layout.
 */
#include "e820.h"

#include "bootparts.h"
#include "x86/layout.h"

#include <assert.h>

#define LEFT_OUT 0

#define KVM_PAGES_END (KVM_TSS_GPA + 3 * 4096ULL)

static const struct cut {
	gpa_t start, end;
	uint32_t type;
} cuts[] = {
	{ EBDA_GPA, EBDA_GPA + EBDA_BYTES, E820_TYPE_RESERVED },
	{ VGA_HOLE_GPA, BIOS_ROM_GPA, LEFT_OUT },
	{ BIOS_ROM_GPA, HIGH_RAM_GPA, E820_TYPE_RESERVED },
	{ KVM_IDENTITY_MAP_GPA, KVM_PAGES_END, E820_TYPE_RESERVED },
};

struct builder {
	struct boot_e820_entry *table;
	unsigned int nr, cap;
	bool full;
	unsigned int next_cut;
};

static void add(struct builder *b, gpa_t start, gpa_t end, uint32_t type)
{
	if (type == LEFT_OUT || end <= start)
		return;
	if (b->nr == b->cap) {
		b->full = true;
		return;
	}
	b->table[b->nr++] =
		(struct boot_e820_entry){ .addr = start, .size = end - start, .type = type };
}

/*
 * Adds the cuts that begin below @end, and the RAM between @ram_start and them. Returns where RAM
 * continues.
 */
static gpa_t add_cuts_below(struct builder *b, gpa_t ram_start, gpa_t end)
{
	while (b->next_cut < ARRAY_SIZE(cuts) && cuts[b->next_cut].start < end) {
		const struct cut *c = &cuts[b->next_cut++];

		add(b, ram_start, c->start, E820_TYPE_RAM);
		add(b, c->start, c->end, c->type);
		ram_start = max_u64(ram_start, c->end);
	}
	return ram_start;
}

unsigned int e820_build(const struct e820_ram *ram, unsigned int nr_ram,
			struct boot_e820_entry *table, unsigned int cap)
{
	struct builder b = { .table = table, .cap = cap };

	for (unsigned int i = 0; i < nr_ram; i++) {
		gpa_t start = ram[i].gpa, end = start + ram[i].size_bytes;

		add_cuts_below(&b, UINT64_MAX, start);
		start = add_cuts_below(&b, start, end);
		add(&b, start, end, E820_TYPE_RAM);
	}
	add_cuts_below(&b, UINT64_MAX, UINT64_MAX);
	return b.full ? 0 : b.nr;
}

unsigned int boot_e820(const struct gmem *mem, struct boot_e820_entry table[BOOT_E820_ENTRIES])
{
	struct e820_ram ram[GMEM_MAX_REGIONS];
	unsigned int nr;

	for (unsigned int i = 0; i < mem->nr_regions; i++)
		ram[i] = (struct e820_ram){ mem->region[i].gpa, mem->region[i].size_bytes };
	nr = e820_build(ram, mem->nr_regions, table, BOOT_E820_ENTRIES);
	assert(nr > 0);
	return nr;
}
