/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the layout of the registers as GDB defines it, their description, and the breakpoints'
 * bytes and debug registers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/gdb_target.h"
#include "x86/gdb/gdb_breaks.h"
#include "x86/gdb/gdb_regs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* GDB's register numbers (amd64_regnum), and the offsets in its `g` packet. */
static void test_layout(void **state)
{
	static const struct {
		unsigned int index;
		size_t offset, bytes;
	} known[] = {
		{ 0, 0, 8 },	{ 7, 56, 8 },	 { 16, 128, 8 }, { 17, 136, 4 }, { 18, 140, 4 },
		{ 23, 160, 4 }, { 24, 164, 10 }, { 32, 244, 4 }, { 39, 272, 4 }, { 40, 276, 16 },
		{ 56, 532, 4 }, { 57, 536, 8 },	 { 58, 544, 8 }, { 60, 560, 8 }, { 65, 600, 8 },
	};
	size_t offset, bytes;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(known); i++) {
		assert_true(gdb_regs_at(known[i].index, &offset, &bytes));
		assert_int_equal(offset, known[i].offset);
		assert_int_equal(bytes, known[i].bytes);
	}
	assert_false(gdb_regs_at(66, &offset, &bytes));
	assert_false(gdb_regs_at(UINT32_MAX, &offset, &bytes));
}

static void test_pack(void **state)
{
	struct gdb_regs r = { 0 }, back = { 0 };
	uint8_t bytes[GDB_MAX_REGISTER_BYTES];
	static const uint8_t rip[8] = { 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 };

	(void)state;
	r.regs.rip = 0x1122334455667788;
	r.regs.rflags = 0x202;
	r.sregs.cs.selector = 0x1234;
	r.sregs.gs.base = 0xffff888000000000;
	r.sregs.efer = 0xd01;
	r.fpu.xmm[15][15] = 0x5a;
	r.fpu.fpr[7][9] = 0x7f;
	r.kernel_gs_base = 1;
	assert_int_equal(gdb_regs_pack(&r, bytes), 608);
	assert_memory_equal(bytes + 128, rip, 8);
	assert_int_equal(bytes[140] | bytes[141] << 8 | bytes[142] << 16 | bytes[143] << 24,
			 0x1234);
	assert_int_equal(bytes[531], 0x5a);
	assert_int_equal(bytes[600] | bytes[601] << 8, 0xd01);
	gdb_regs_unpack(&back, bytes);
	assert_memory_equal(&back, &r, sizeof(r));
}

static void test_tags(void **state)
{
	struct gdb_regs r = { .fpu.ftwx = 0x81 };

	(void)state;
	gdb_regs_tags(&r);
	assert_int_equal(r.ftag, 0x3ffc);
	r.fpu.ftwx = 0;
	gdb_regs_untags(&r);
	assert_int_equal(r.fpu.ftwx, 0x81);
}

static unsigned int count(const char *text, const char *what)
{
	unsigned int n = 0;

	for (text = strstr(text, what); text; text = strstr(text + 1, what))
		n++;
	return n;
}

/*
 * The description has as many bits as a packet, whatever GDB makes of them. tests/gdb.sh shows that
 * GDB accepts it.
 */
static void test_description(void **state)
{
	static char xml[GDB_MAX_DESCRIPTION_BYTES];
	size_t n = gdb_regs_xml(xml, sizeof(xml)), bits = 0, offset, bytes, total = 0;

	(void)state;
	assert_int_equal(n, strlen(xml));
	assert_int_equal(count(xml, "<reg name="), 66);
	assert_int_equal(count(xml, "<feature "), count(xml, "</feature>"));
	assert_int_equal(count(xml, "<flags "), count(xml, "</flags>"));
	assert_non_null(strstr(xml, "<field name=\"KL\" start=\"19\" end=\"19\"/>"));
	assert_non_null(strstr(xml, "<field name=\"FRED\" start=\"32\" end=\"32\"/>"));
	assert_non_null(strstr(xml, "org.gnu.gdb.i386.segments\"><reg name=\"fs_base\""));
	for (const char *at = strstr(xml, "bitsize=\""); at; at = strstr(at + 1, "bitsize=\""))
		bits += strtoul(at + 9, NULL, 10);
	for (unsigned int i = 0; gdb_regs_at(i, &offset, &bytes); i++)
		total = offset + bytes;
	assert_int_equal(bits, total * 8);
	assert_int_equal(gdb_regs_xml(xml, 100), 0);
	assert_int_equal(gdb_regs_xml(xml, n), 0);
	assert_int_equal(gdb_regs_xml(xml, n + 1), n);
}

/* ---- breakpoints ---- */

static struct gdb_breaks breaks;
static struct gmem mem;

static int setup(void **state)
{
	(void)state;
	memset(&breaks, 0, sizeof(breaks));
	gmem_init(&mem);
	return gmem_add(&mem, 0, 64 * KIB, GMEM_NORMAL);
}

static int teardown(void **state)
{
	(void)state;
	gmem_fini(&mem);
	return 0;
}

static uint8_t byte_at(gpa_t gpa)
{
	uint8_t byte = 0;

	assert_int_equal(gmem_read(&mem, gpa, &byte, 1), 0);
	return byte;
}

static void test_soft(void **state)
{
	const uint8_t code = 0x90, other = 0x42;

	(void)state;
	gmem_write(&mem, 0x100, &code, 1);
	gmem_write(&mem, 0x200, &code, 1);
	assert_int_equal(gdb_breaks_add(&breaks, GDB_BREAK_SOFT, 0xffffffff81000100, 1, 0x100), 0);
	assert_int_equal(gdb_breaks_add(&breaks, GDB_BREAK_SOFT, 0xffffffff81000100, 1, 0x100), 0);
	/* Through another address of the same byte. */
	assert_int_equal(gdb_breaks_add(&breaks, GDB_BREAK_SOFT, 0x100, 1, 0x100), 0);
	assert_int_equal(gdb_breaks_add(&breaks, GDB_BREAK_SOFT, 0x200, 1, 0x200), 0);
	assert_int_equal(breaks.nr, 3);
	assert_true(gdb_breaks_any_soft(&breaks));
	assert_non_null(gdb_breaks_soft_at(&breaks, 0x100));
	assert_null(gdb_breaks_soft_at(&breaks, 0x101));
	gdb_breaks_plant(&breaks, &mem, true);
	assert_int_equal(byte_at(0x100), 0xcc);
	gmem_write(&mem, 0x200, &other, 1); /* the guest loads other code there */
	gdb_breaks_plant(&breaks, &mem, false);
	assert_int_equal(byte_at(0x100), 0x90);
	assert_int_equal(byte_at(0x200), 0x42);
	assert_int_equal(gdb_breaks_del(&breaks, GDB_BREAK_SOFT, 0x100, 1), 0);
	assert_int_equal(gdb_breaks_del(&breaks, GDB_BREAK_SOFT, 0x100, 1), -ENOENT);
	assert_int_equal(gdb_breaks_del(&breaks, GDB_BREAK_HARD, 0x200, 1), -ENOENT);
	gdb_breaks_plant(&breaks, &mem, true);
	assert_int_equal(byte_at(0x100), 0xcc);
	gdb_breaks_plant(&breaks, &mem, false);
	assert_int_equal(byte_at(0x100), 0x90);
}

static void test_no_memory(void **state)
{
	(void)state;
	assert_int_equal(gdb_breaks_add(&breaks, GDB_BREAK_SOFT, 0, 1, 64 * KIB), 0);
	gdb_breaks_plant(&breaks, &mem, true);
	gdb_breaks_plant(&breaks, &mem, false);
}

static void test_too_many(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < GDB_MAX_BREAKS; i++)
		assert_int_equal(gdb_breaks_add(&breaks, GDB_BREAK_SOFT, i, 1, i), 0);
	assert_int_equal(gdb_breaks_add(&breaks, GDB_BREAK_SOFT, 0xfff, 1, 0xfff), -ENOSPC);
}

static void test_debug_regs(void **state)
{
	struct gdb_debug_regs d;

	(void)state;
	assert_int_equal(gdb_breaks_add(&breaks, GDB_BREAK_HARD, 0x1001, 1, 0), 0);
	assert_int_equal(gdb_breaks_add(&breaks, GDB_WATCH_WRITE, 0x2004, 4, 0), 0);
	assert_int_equal(gdb_breaks_add(&breaks, GDB_WATCH_ACCESS, 0x3000, 8, 0), 0);
	assert_true(gdb_breaks_debug_regs(&breaks, &d));
	assert_int_equal(d.nr, 3);
	assert_int_equal(d.addr[1], 0x2004);
	/*
	 * G0 G1 G2; DR1 writes of 4 bytes (1101), DR2 accesses of 8 (1011), DR0 execution (0000).
	 */
	assert_int_equal(d.dr7, 0x0bd0072a);
	assert_ptr_equal(d.owner[2], &breaks.at[2]);
	assert_int_equal(gdb_breaks_add(&breaks, GDB_WATCH_READ, 0x3000, 8, 0), -EOPNOTSUPP);
	assert_int_equal(gdb_breaks_add(&breaks, GDB_WATCH_WRITE, 0x3000, 0, 0), -EINVAL);
	assert_int_equal(gdb_breaks_add(&breaks, GDB_WATCH_WRITE, 0x3000, 16, 0), -ENOSPC);
	assert_int_equal(gdb_breaks_add(&breaks, GDB_WATCH_WRITE, 0x3000, UINT64_MAX, 0), -ENOSPC);
	assert_int_equal(breaks.nr, 3);
}

static void test_pieces(void **state)
{
	struct gdb_debug_regs d;

	(void)state;
	/* 1 at 0x1003, 4 at 0x1004, 8 at 0x1008, 2 at 0x1010 */
	assert_int_equal(gdb_breaks_add(&breaks, GDB_WATCH_WRITE, 0x1003, 15, 0), 0);
	assert_true(gdb_breaks_debug_regs(&breaks, &d));
	assert_int_equal(d.nr, 4);
	assert_int_equal(d.addr[3], 0x1010);
	assert_int_equal(d.dr7 >> 16, 0x59d1);
	assert_int_equal(gdb_breaks_add(&breaks, GDB_BREAK_HARD, 0, 1, 0), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_pack),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_description),
		cmocka_unit_test_setup_teardown(test_soft, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_debug_regs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
