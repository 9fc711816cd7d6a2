/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests the memory map of machines of several sizes, entry by entry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "x86/boot/e820.h"

#include <string.h>

#define CAP 16

struct golden {
	struct e820_ram ram[4];
	unsigned int nr_ram;
	struct {
		uint64_t start, end; /* [start, end) */
		uint32_t type;
	} want[CAP];
	unsigned int nr_want;
};

#define FIRST_MIB                                                                                  \
	{ 0, 0x9fc00, 1 }, { 0x9fc00, 0xa0000, 2 },                                                \
	{                                                                                          \
		0xe0000, 0x100000, 2                                                               \
	}
#define KVM_PAGES                                                                                  \
	{                                                                                          \
		0xfffbc000, 0xfffc0000, 2                                                          \
	}

static const struct golden goldens[] = {
	/* 64 MiB */
	{ { { 0, 64 * MIB } }, 1, { FIRST_MIB, { 0x100000, 0x4000000, 1 }, KVM_PAGES }, 5 },
	/* 3 GiB: all below the hole */
	{ { { 0, 3 * GIB } }, 1, { FIRST_MIB, { 0x100000, 0xc0000000, 1 }, KVM_PAGES }, 5 },
	/* 4 GiB: one of them above it */
	{ { { 0, 3 * GIB }, { 4 * GIB, GIB } },
	  2,
	  { FIRST_MIB, { 0x100000, 0xc0000000, 1 }, KVM_PAGES, { 0x100000000, 0x140000000, 1 } },
	  6 },
	/* RAM that ends inside the ranges that are cut out, or before them */
	{ { { 0, MIB } }, 1, { FIRST_MIB, KVM_PAGES }, 4 },
	{ { { 0, 512 * KIB } },
	  1,
	  { { 0, 0x80000, 1 }, { 0x9fc00, 0xa0000, 2 }, { 0xe0000, 0x100000, 2 }, KVM_PAGES },
	  4 },
	/* two stretches that touch */
	{ { { 0, 2 * MIB }, { 2 * MIB, 2 * MIB } },
	  2,
	  { FIRST_MIB, { 0x100000, 0x200000, 1 }, { 0x200000, 0x400000, 1 }, KVM_PAGES },
	  6 },
};

static void maps_are_as_written_down(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(goldens); i++) {
		const struct golden *g = &goldens[i];
		struct boot_e820_entry table[CAP];

		assert_int_equal(e820_build(g->ram, g->nr_ram, table, CAP), g->nr_want);
		for (unsigned int j = 0; j < g->nr_want; j++) {
			assert_int_equal(table[j].addr, g->want[j].start);
			assert_int_equal(table[j].addr + table[j].size, g->want[j].end);
			assert_int_equal(table[j].type, g->want[j].type);
		}
	}
}

static void maps_are_sorted_and_apart(void **state)
{
	(void)state;
	for (uint64_t pages = 1; pages < 300; pages++) {
		struct e820_ram ram = { 0, pages * 4096 };
		struct boot_e820_entry table[CAP];
		unsigned int nr = e820_build(&ram, 1, table, CAP);

		assert_true(nr > 0);
		for (unsigned int j = 0; j < nr; j++) {
			assert_true(table[j].size > 0);
			assert_true(!j || table[j].addr >= table[j - 1].addr + table[j - 1].size);
		}
	}
}

static void full_table_is_refused_not_overrun(void **state)
{
	struct e820_ram ram = { 0, 64 * MIB };
	struct boot_e820_entry table[CAP];

	(void)state;
	memset(table, 0xee, sizeof(table));
	assert_int_equal(e820_build(&ram, 1, table, 4), 0);
	assert_int_equal(table[4].type, 0xeeeeeeee);
	assert_int_equal(e820_build(&ram, 1, table, 5), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_are_as_written_down),
		cmocka_unit_test(maps_are_sorted_and_apart),
		cmocka_unit_test(full_table_is_refused_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
