/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests page walks in every paging mode, with each failure at each level, over tables built by
 * hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "x86/cpu/pagewalk.h"

#include <stdlib.h>
#include <string.h>

#define RAM_BYTES (4 * MIB)
#define ROOT 0x1000ULL
#define NOWHERE 0x40000000ULL

#define P 1ULL
#define W 2ULL
#define U 4ULL
#define PS 0x80ULL
#define NX (1ULL << 63)

static struct gmem mem;

static int setup(void **state)
{
	(void)state;
	gmem_init(&mem);
	return gmem_add(&mem, 0, RAM_BYTES, GMEM_NORMAL);
}

static int teardown(void **state)
{
	(void)state;
	gmem_fini(&mem);
	return 0;
}

static void put64(gpa_t gpa, uint64_t value)
{
	assert_int_equal(gmem_write(&mem, gpa, &value, 8), 0);
}

static void put32(gpa_t gpa, uint32_t value)
{
	assert_int_equal(gmem_write(&mem, gpa, &value, 4), 0);
}

static struct paging long_mode(void)
{
	return (struct paging){
		.cr0 = 0x80010001, .cr3 = ROOT, .cr4 = 0x20, .efer = 0xd00 /* LME LMA NXE */
	};
}

/* ROOT -> 0x2000 -> 0x3000 -> 0x4000 (-> 0x5000 with five), all entries @bits, for @gva. */
static void build(uint64_t gva, unsigned int levels, uint64_t page, uint64_t bits)
{
	for (unsigned int i = 0; i < levels; i++) {
		unsigned int level = levels - i;
		unsigned int index = gva >> (12 + 9 * (level - 1)) & 511;

		put64(ROOT + i * 0x1000 + index * 8,
		      (level == 1 ? page : ROOT + (i + 1) * 0x1000) | bits);
	}
}

static uint64_t entry_at(uint64_t gva, unsigned int levels, unsigned int level)
{
	return ROOT + (levels - level) * 0x1000 + (gva >> (12 + 9 * (level - 1)) & 511) * 8;
}

static struct pagewalk walk(const struct paging *p, uint64_t gva, enum walk_access access)
{
	struct pagewalk w;

	pagewalk(&w, &mem, p, gva, access);
	return w;
}

static void assert_result(const struct paging *p, uint64_t gva, enum walk_access access,
			  const char *want)
{
	struct pagewalk w = walk(p, gva, access);
	char text[96];

	walk_result_text(&w, text, sizeof(text));
	assert_string_equal(text, want);
}

static void no_paging_is_the_identity_of_32_bits(void **state)
{
	struct paging p = { .cr0 = 1, .cr3 = NOWHERE };
	struct pagewalk w = walk(&p, 0x123456789abcULL, WALK_WRITE);

	(void)state;
	assert_int_equal(w.result, WALK_OK);
	assert_true(w.mapped);
	assert_true(w.gpa == 0x56789abc && w.nr == 0);
}

static void four_levels(void **state)
{
	const uint64_t gva = 0xffffffff81234567;
	struct paging p = long_mode();
	struct pagewalk w;

	(void)state;
	build(gva, 4, 0x7000, P | W);
	w = walk(&p, gva, WALK_FETCH);
	assert_int_equal(w.result, WALK_OK);
	assert_true(w.gpa == 0x7567 && w.nr == 4 && w.page_bytes == 4096);
	assert_true(w.writable && w.executable && !w.user);
	assert_true(w.entry[0].index == 511 && w.entry[0].level == 4 && w.entry[3].level == 1);
	/* 2 MiB and 1 GiB pages, the PAT bit is not part of the address */
	put64(entry_at(gva, 4, 2), 0x40200000 | P | PS | 1 << 12);
	w = walk(&p, gva, WALK_READ);
	assert_true(w.mapped && w.page_bytes == 2 * MIB && w.nr == 3);
	assert_true(w.gpa == 0x40200000 + (gva & 0x1fffff));
	put64(entry_at(gva, 4, 3), 0x80000000 | P | PS);
	w = walk(&p, gva, WALK_READ);
	assert_true(w.mapped && w.page_bytes == GIB && w.gpa == 0x80000000 + (gva & 0x3fffffff));
}

static void four_levels_fail_at_each(void **state)
{
	static const char *const missing[] = { "not present at level 1 (PTE)",
					       "not present at level 2 (PMD)",
					       "not present at level 3 (PUD)",
					       "not present at level 4 (PGD)" };
	static const char *const outside[] = { "", "the table lies outside memory at level 1 (PTE)",
					       "the table lies outside memory at level 2 (PMD)",
					       "the table lies outside memory at level 3 (PUD)" };
	const uint64_t gva = 0x7f1234567000;
	struct paging p = long_mode();

	(void)state;
	for (unsigned int level = 1; level <= 4; level++) {
		build(gva, 4, 0x7000, P | W);
		put64(entry_at(gva, 4, level), 0xfff0);
		assert_result(&p, gva, WALK_READ, missing[level - 1]);
		assert_int_equal(walk(&p, gva, WALK_READ).nr, 5 - level);
		if (level > 1) {
			put64(entry_at(gva, 4, level), NOWHERE | P);
			assert_result(&p, gva, WALK_READ, outside[level - 1]);
		}
	}
	p.cr3 = NOWHERE;
	assert_result(&p, gva, WALK_READ, "the table lies outside memory at level 4 (PGD)");
}

static void reserved_bits(void **state)
{
	const uint64_t gva = 0x1000;
	struct paging p = long_mode();

	(void)state;
	build(gva, 4, 0x7000, P);
	put64(entry_at(gva, 4, 4), 0x2000 | P | PS);
	assert_result(&p, gva, WALK_READ, "a reserved bit is set at level 4 (PGD)");
	build(gva, 4, 0x7000, P);
	put64(entry_at(gva, 4, 2), 0x202000 | P | PS); /* not aligned to 2 MiB */
	assert_result(&p, gva, WALK_READ, "a reserved bit is set at level 2 (PMD)");
	build(gva, 4, 0x7000, P);
	put64(entry_at(gva, 4, 1), 1ULL << 46 | P);
	assert_int_equal(walk(&p, gva, WALK_READ).result, WALK_OK);
	p.maxphyaddr = 46;
	assert_result(&p, gva, WALK_READ, "a reserved bit is set at level 1 (PTE)");
	assert_int_equal(
		walk_error_code(&(struct pagewalk){ .result = WALK_RESERVED }, &p, WALK_READ), 9);
	build(gva, 4, 0x7000, P | NX);
	assert_result(&p, gva, WALK_READ, "mapped");
	p.efer &= ~0x800ULL;
	assert_result(&p, gva, WALK_READ, "a reserved bit is set at level 4 (PGD)");
}

static void five_levels_and_canonical_addresses(void **state)
{
	const uint64_t gva = 0xff11111111111000;
	struct paging p = long_mode();

	(void)state;
	assert_result(&p, gva, WALK_READ, "not canonical");
	assert_result(&p, 0x800000000000, WALK_READ, "not canonical");
	p.cr4 |= 1 << 12;
	build(gva, 5, 0x9000, P | W);
	assert_result(&p, gva, WALK_READ, "mapped");
	assert_int_equal(walk(&p, gva, WALK_READ).nr, 5);
	put64(entry_at(gva, 5, 4), 0);
	assert_result(&p, gva, WALK_READ, "not present at level 4 (P4D)");
	assert_result(&p, 1ULL << 56, WALK_READ, "not canonical");
}

static void legacy_32_bits(void **state)
{
	struct paging p = { .cr0 = 0x80000001, .cr3 = ROOT };
	struct pagewalk w;

	(void)state;
	put32(ROOT + 0x300 * 4, 0x2000 | P | W);
	put32(0x2000 + 0x12 * 4, 0x7000 | P | W);
	w = walk(&p, 0xffffffffc0012345, WALK_READ); /* cut to 32 bits */
	assert_true(w.result == WALK_OK && w.gpa == 0x7345 && w.nr == 2 && w.gva == 0xc0012345);
	put32(ROOT + 0x300 * 4, 0x01c02000 | P | PS); /* without CR4.PSE the bit is ignored */
	assert_result(&p, 0xc0012345, WALK_READ, "the table lies outside memory at level 1 (PTE)");
	p.cr4 = 0x10;
	put32(ROOT + 0x300 * 4, 0x01c02000 | P | PS);
	w = walk(&p, 0xc0012345, WALK_READ);
	assert_true(w.mapped && w.page_bytes == 4 * MIB && w.gpa == (1ULL << 32 | 0x1c12345));
	put32(ROOT + 0x300 * 4, 0x01c00000 | 1U << 21 | P | PS);
	assert_result(&p, 0xc0012345, WALK_READ, "a reserved bit is set at level 2 (PGD)");
}

static void pae(void **state)
{
	struct paging p = { .cr0 = 0x80000001, .cr3 = ROOT + 0x20, .cr4 = 0x20, .efer = 0x800 };
	struct pagewalk w;

	(void)state;
	put64(ROOT + 0x20 + 3 * 8, 0x2000 | P); /* no W, U here: they do not count */
	put64(0x2000, 0x3000 | P | W | U);
	put64(0x3000 + 0x12 * 8, 0x100007000 | P | W | U | NX);
	w = walk(&p, 0xc0012345, WALK_WRITE);
	assert_true(w.result == WALK_OK && w.gpa == 0x100007345 && w.writable && w.user &&
		    !w.executable);
	assert_result(&p, 0xc0012345, WALK_FETCH, "not executable");
	put64(ROOT + 0x20 + 3 * 8, 0x2000 | P | W);
	assert_result(&p, 0xc0012345, WALK_READ, "a reserved bit is set at level 3 (PGD)");
	put64(ROOT + 0x20 + 3 * 8, 0);
	assert_result(&p, 0xc0012345, WALK_READ, "not present at level 3 (PGD)");
}

static void protection(void **state)
{
	const uint64_t gva = 0x400000;
	struct paging p = long_mode();
	struct pagewalk w;

	(void)state;
	build(gva, 4, 0x7000, P);
	assert_result(&p, gva, WALK_WRITE, "not writable");
	w = walk(&p, gva, WALK_WRITE);
	assert_int_equal(walk_error_code(&w, &p, WALK_WRITE), 3);
	p.cr0 &= ~0x10000ULL;
	assert_result(&p, gva, WALK_WRITE, "mapped");
	p.user = true;
	assert_result(&p, gva, WALK_READ, "not for ring 3");
	build(gva, 4, 0x7000, P | U);
	assert_result(&p, gva, WALK_WRITE, "not writable"); /* ring 3 needs no WP */
	w = walk(&p, gva, WALK_WRITE);
	assert_int_equal(walk_error_code(&w, &p, WALK_WRITE), 7);
	p.user = false;
	p.cr4 |= 1 << 20 | 1 << 21;
	assert_result(&p, gva, WALK_FETCH, "a page of ring 3's, which SMEP keeps from execution");
	w = walk(&p, gva, WALK_FETCH);
	assert_int_equal(walk_error_code(&w, &p, WALK_FETCH), 17);
	assert_result(&p, gva, WALK_READ, "a page of ring 3's, which SMAP keeps from access");
	p.rflags = 1 << 18;
	assert_result(&p, gva, WALK_READ, "mapped");
	put64(entry_at(gva, 4, 1), 0);
	w = walk(&p, gva, WALK_WRITE);
	assert_int_equal(walk_error_code(&w, &p, WALK_WRITE), 2);
}

static void reading_stops_at_the_hole(void **state)
{
	const uint64_t gva = 0x400ff0;
	struct paging p = long_mode();
	char buf[64];

	(void)state;
	build(gva, 4, 0x7000, P);
	assert_int_equal(gmem_write(&mem, 0x7ff0, "0123456789abcdef", 16), 0);
	assert_int_equal(gva_read(&mem, &p, gva, buf, sizeof(buf)), 16);
	assert_memory_equal(buf, "0123456789abcdef", 16);
	put64(0x4000 + 8 * ((gva >> 12 & 511) + 1), NOWHERE | P); /* mapped, but not to memory */
	assert_int_equal(gva_read(&mem, &p, gva, buf, sizeof(buf)), 16);
	put64(0x4000 + 8 * ((gva >> 12 & 511) + 1), 0x9000 | P);
	assert_int_equal(gva_read(&mem, &p, gva, buf, sizeof(buf)), 64);
	p = (struct paging){ .cr0 = 1 };
	assert_int_equal(gva_read(&mem, &p, RAM_BYTES - 4, buf, sizeof(buf)), 4);
}

static char *print(const struct pagewalk *w, const struct pagewalk *like)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	pagewalk_print(f, w, &mem, like);
	fclose(f);
	return text;
}

static void print_names_bits_and_what_is_shared(void **state)
{
	const uint64_t gva = 0x403000;
	struct paging p = long_mode();
	struct pagewalk first, second;
	char *text;

	(void)state;
	build(gva, 4, 0x7000, P | W | NX);
	first = walk(&p, gva, WALK_READ);
	text = print(&first, NULL);
	assert_string_equal(text, "    PGD[  0] at 1000 = 8000000000002003 [P W NX]\n"
				  "    PUD[  0] at 2000 = 8000000000003003 [P W NX]\n"
				  "    PMD[  2] at 3010 = 8000000000004003 [P W NX]\n"
				  "    PTE[  3] at 4018 = 8000000000007003 [P W NX]\n"
				  "    -> physical 7000, 4 KiB page, writable, no execute\n");
	free(text);
	second = walk(&p, gva + 0x1000, WALK_READ);
	text = print(&second, &first);
	assert_string_equal(text, "    (PGD to PMD as above)\n"
				  "    PTE[  4] at 4020 = 0000000000000000 []\n"
				  "    -> not present at level 1 (PTE)\n");
	free(text);
	text = print(&first, &first);
	assert_string_equal(
		text,
		"    (the same entries) -> physical 7000, 4 KiB page, writable, no execute\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_paging_is_the_identity_of_32_bits, setup,
						teardown),
		cmocka_unit_test_setup_teardown(four_levels, setup, teardown),
		cmocka_unit_test_setup_teardown(four_levels_fail_at_each, setup, teardown),
		cmocka_unit_test_setup_teardown(reserved_bits, setup, teardown),
		cmocka_unit_test_setup_teardown(five_levels_and_canonical_addresses, setup,
						teardown),
		cmocka_unit_test_setup_teardown(legacy_32_bits, setup, teardown),
		cmocka_unit_test_setup_teardown(pae, setup, teardown),
		cmocka_unit_test_setup_teardown(protection, setup, teardown),
		cmocka_unit_test_setup_teardown(reading_stops_at_the_hole, setup, teardown),
		cmocka_unit_test_setup_teardown(print_names_bits_and_what_is_shared, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
