/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests backtraces by ORC: both layouts of its entries, all ways to a frame, interrupts, and
 * invalid tables or stacks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "x86/linux/orc.h"

#include <string.h>

#define IPS 0x40000ULL
#define ENTRIES 0x50000ULL
#define STACK 0x20000ULL
#define OTHER_STACK 0x30000ULL
#define NO_WHERE 0x99990ULL

enum { UNDEFINED, PREV_SP, DX, DI, BP, SP, R10, R13, BP_INDIRECT, SP_INDIRECT };
enum kind { UNKNOWN, END, CALL, REGS, PARTIAL };

/* Functions of 0x100 bytes each, from 0x10000 on. */
static const struct {
	enum kind kind;
	int16_t sp_offset, bp_offset;
	uint8_t sp_reg, bp_reg;
} function[] = {
	{ CALL, 8, 0, SP, 0 },		  /* LEAF */
	{ CALL, 0x18, -16, SP, PREV_SP }, /* SAVES_BP */
	{ CALL, 16, -16, BP, PREV_SP },	  /* BY_BP */
	{ REGS, 0, 0, SP, 0 },		  /* ENTRY */
	{ END, 0, 0, UNDEFINED, 0 },	  /* FIRST */
	{ CALL, 8, 0, SP_INDIRECT, 0 },	  /* SWITCHES */
	{ PARTIAL, 0, 0, SP, 0 },	  /* EARLY_ENTRY */
	{ CALL, 0, 0, R10, 0 },		  /* BY_R10 */
	{ CALL, -8, 0, SP, 0 },		  /* DOWN */
	{ CALL, -8, 0, BP_INDIRECT, BP }, /* BY_SAVED_BP */
	{ UNKNOWN, 0, 0, UNDEFINED, 0 },  /* the end */
};
enum { LEAF, SAVES_BP, BY_BP, ENTRY, FIRST, SWITCHES, EARLY_ENTRY, BY_R10, DOWN, BY_SAVED_BP };

enum layout { OLD, OLD_WITH_SIGNAL, TYPED, NR_LAYOUTS };

static struct gmem mem;
static struct symbols *symbols;
static const struct paging paging = {
	.cr0 = 0x80010001, .cr3 = 0x1000, .cr4 = 0x20, .efer = 0x500
};

static void put64(gpa_t gpa, uint64_t value)
{
	assert_int_equal(gmem_write(&mem, gpa, &value, 8), 0);
}

static uint64_t in(unsigned int index)
{
	return 0x10000 + index * 0x100 + 0x10;
}

static uint8_t bits(enum layout layout, enum kind kind)
{
	bool interrupts = kind == REGS || kind == PARTIAL;

	if (layout == TYPED)
		return (uint8_t)(kind | (interrupts ? 8 : 0));
	if (kind == END)
		return layout == OLD ? 4 : 8;
	return (uint8_t)((kind == UNKNOWN ? 0 : kind - CALL) |
			 (layout == OLD_WITH_SIGNAL && interrupts ? 4 : 0));
}

static void put_tables(enum layout layout)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(function); i++) {
		uint8_t entry[6];
		int32_t distance = (int32_t)(0x10000 + i * 0x100 - (IPS + 4 * i));

		memcpy(entry, &function[i].sp_offset, 2);
		memcpy(entry + 2, &function[i].bp_offset, 2);
		entry[4] = (uint8_t)(function[i].sp_reg | function[i].bp_reg << 4);
		entry[5] = bits(layout, function[i].kind);
		assert_int_equal(gmem_write(&mem, IPS + 4 * i, &distance, 4), 0);
		assert_int_equal(gmem_write(&mem, ENTRIES + 6 * i, entry, 6), 0);
	}
}

static void name(const char *text, uint64_t addr)
{
	assert_int_equal(symbols_add(symbols, addr, text, strlen(text)), 0);
}

/* The first 2 MiB are mapped to themselves. */
static int setup(void **state)
{
	(void)state;
	gmem_init(&mem);
	symbols = symbols_create();
	if (gmem_add(&mem, 0, 2 * MIB, GMEM_NORMAL) || !symbols)
		return -1;
	put64(0x1000, 0x2003);
	put64(0x2000, 0x3003);
	put64(0x3000, 0x83);
	put_tables(TYPED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	symbols_destroy(symbols);
	gmem_fini(&mem);
	return 0;
}

static void name_tables(uint64_t ips, uint64_t ips_end, uint64_t entries, uint64_t entries_end)
{
	name("__start_orc_unwind_ip", ips);
	name("__stop_orc_unwind_ip", ips_end);
	name("__start_orc_unwind", entries);
	name("__stop_orc_unwind", entries_end);
	symbols_finish(symbols);
}

static struct orc open_tables(void)
{
	struct orc orc;

	name_tables(IPS, IPS + sizeof(int32_t) * ARRAY_SIZE(function), ENTRIES,
		    ENTRIES + 6 * ARRAY_SIZE(function));
	assert_true(orc_open(&orc, &mem, &paging, symbols));
	return orc;
}

static struct unwind start(uint64_t rip, uint64_t rsp)
{
	struct unwind u;

	orc_start(&u, &(struct kvm_regs){ .rip = rip, .rsp = rsp, .r10 = 0x20800, .rbp = 0x20900 });
	return u;
}

static void put_interrupt(uint64_t at, uint64_t ip, uint64_t cs, uint64_t sp)
{
	put64(at, ip);
	put64(at + 8, cs);
	put64(at + 24, sp);
}

static void assert_next(const struct orc *orc, struct unwind *u, uint64_t ip, bool interrupted)
{
	assert_true(orc_next(orc, u));
	assert_int_equal(u->ip, ip);
	assert_int_equal(u->interrupted, interrupted);
	assert_false(u->guessed);
}

static void assert_end(const struct orc *orc, struct unwind *u, enum unwind_end end)
{
	assert_false(orc_next(orc, u));
	assert_int_equal(u->end, end);
}

/*
 * A leaf, a frame, a frame pointer, an interrupt on another stack, a leaf again, and the first
 * function.
 */
static void through_an_interrupt(enum layout layout)
{
	struct unwind u = start(in(LEAF), STACK);
	struct orc orc;

	put_tables(layout);
	put64(STACK, in(SAVES_BP));
	put64(STACK + 0x10, STACK + 0x40); /* the frame pointer that it saved */
	put64(STACK + 0x18, in(BY_BP));
	put64(STACK + 0x40, 0xabcdef);
	put64(STACK + 0x48, in(ENTRY));
	put64(STACK + 0x50 + 32, 0x1234); /* RBP */
	put_interrupt(STACK + 0x50 + 128, in(LEAF), 0x10, OTHER_STACK);
	put64(OTHER_STACK, in(FIRST));
	orc = open_tables();
	assert_int_equal(orc.typed, layout == TYPED);
	assert_next(&orc, &u, in(SAVES_BP), false);
	assert_next(&orc, &u, in(BY_BP), false);
	assert_int_equal(u.bp, STACK + 0x40);
	assert_next(&orc, &u, in(ENTRY), false);
	assert_int_equal(u.bp, 0xabcdef);
	assert_next(&orc, &u, in(LEAF), true);
	assert_int_equal(u.bp, 0x1234);
	assert_next(&orc, &u, in(FIRST), false);
	assert_end(&orc, &u, UNWIND_BOTTOM);
	assert_int_equal(u.ip, in(FIRST));
}

static void all_layouts(void **state)
{
	(void)state;
	for (enum layout layout = OLD; layout < NR_LAYOUTS; layout++)
		through_an_interrupt(layout);
}

static void user_space_ends_it(void **state)
{
	struct unwind u = start(in(EARLY_ENTRY), STACK);
	struct orc orc = open_tables();

	(void)state;
	put_interrupt(STACK, 0x401000, 0x33, 0x7ff000);
	assert_end(&orc, &u, UNWIND_USER);
	assert_int_equal(u.ip, 0x401000);
	put_interrupt(STACK, in(LEAF), 0x10, OTHER_STACK);
	u = start(in(EARLY_ENTRY), STACK);
	assert_next(&orc, &u, in(LEAF), true);
}

/*
 * An interrupt's own stack has the former stack pointer on top; realigned ones have it in R10, and
 * then in the frame.
 */
static void stacks_are_switched(void **state)
{
	struct unwind u = start(in(SWITCHES), STACK);
	struct orc orc = open_tables();

	(void)state;
	put64(STACK, OTHER_STACK);
	put64(OTHER_STACK, in(LEAF));
	assert_next(&orc, &u, in(LEAF), false);
	assert_int_equal(u.sp, OTHER_STACK + 8);
	u = start(in(BY_R10), STACK);
	put64(0x20800 - 8, in(BY_R10));
	assert_next(&orc, &u, in(BY_R10), false);
	assert_end(&orc, &u, UNWIND_LOST); /* the caller's is not known */
	u = start(in(BY_SAVED_BP), STACK);
	put64(0x20900 - 8, 0x20a00);
	put64(0x20900, 0x5678);
	put64(0x20a00 - 8, in(LEAF));
	assert_next(&orc, &u, in(LEAF), false);
	assert_int_equal(u.bp, 0x5678);
}

static void what_lies_outside_is_lost(void **state)
{
	const uint64_t rip[] = { 0, 0xffff, 0x10000 + 0x100 * (ARRAY_SIZE(function) - 1), NO_WHERE,
				 ~0ULL };
	struct orc orc = open_tables();
	struct unwind u;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rip); i++) {
		u = start(rip[i], STACK);
		assert_end(&orc, &u, UNWIND_LOST);
	}
	u = start(in(LEAF), 4 * MIB);
	assert_end(&orc, &u, UNWIND_LOST);
	u = start(in(LEAF), ~0ULL - 3);
	assert_end(&orc, &u, UNWIND_LOST);
	put64(STACK - 16, in(LEAF));
	u = start(in(DOWN), STACK);
	assert_end(&orc, &u, UNWIND_LOST);
	assert_int_equal(u.ip, in(DOWN));
}

/*
 * A jump to nowhere: the return address follows a call instruction; values that only look like
 * return addresses do not.
 */
static void guesses_are_behind_calls(void **state)
{
	struct unwind u = start(NO_WHERE, STACK);
	struct orc orc = open_tables();

	(void)state;
	put64(STACK, 5);
	put64(STACK + 8, in(BY_BP));
	put64(STACK + 16, in(LEAF));
	put64(in(LEAF)-8, 0xd0ff909090909090);
	put64(STACK + 24, in(FIRST));
	assert_end(&orc, &u, UNWIND_LOST);
	assert_true(orc_guess(&orc, &u));
	assert_int_equal(u.ip, in(LEAF));
	assert_int_equal(u.sp, STACK + 24);
	assert_true(u.guessed);
	assert_true(orc_next(&orc, &u));
	assert_int_equal(u.ip, in(FIRST));
	assert_true(u.guessed); /* the caller of a guessed frame is a guess too */
	u = start(NO_WHERE, STACK);
	put64(in(BY_BP)-8, 0x00000100e8909090); /* call */
	assert_true(orc_guess(&orc, &u));
	assert_int_equal(u.ip, in(BY_BP));
	u = start(NO_WHERE, 2 * MIB - 8);
	assert_false(orc_guess(&orc, &u));
}

static void tables_that_make_no_sense(void **state)
{
	const uint64_t bad[][4] = {
		{ IPS, IPS, ENTRIES, ENTRIES },
		{ IPS, IPS + 4, ENTRIES, ENTRIES + 6 },
		{ IPS, IPS - 44, ENTRIES, ENTRIES + 66 },
		{ IPS, IPS + 44, ENTRIES, ENTRIES + 60 },
		{ IPS, IPS + 44, ENTRIES + 66, ENTRIES },
		{ 0, ~0ULL, 0, ~0ULL },
		{ IPS, IPS + (5ULL << 26), ENTRIES, ENTRIES + (5ULL << 24) * 6 },
		{ IPS, IPS + 44, 4 * MIB, 4 * MIB + 66 },
		{ IPS, IPS + 44, OTHER_STACK, OTHER_STACK + 66 }, /* zeros */
	};
	struct orc orc;

	(void)state;
	assert_false(orc_open(&orc, &mem, &paging, NULL));
	assert_false(orc_open(&orc, &mem, &paging, symbols));
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		symbols_destroy(symbols);
		symbols = symbols_create();
		name_tables(bad[i][0], bad[i][1], bad[i][2], bad[i][3]);
		assert_false(orc_open(&orc, &mem, &paging, symbols));
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(all_layouts),
		T(user_space_ends_it),
		T(stacks_are_switched),
		T(what_lies_outside_is_lost),
		T(guesses_are_behind_calls),
		T(tables_that_make_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
