/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the AML writer: its bytes against ACPI 6.5's encodings, lengths at their limits, and the
 * buffer's end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "x86/tables/aml.h"

#include <stdlib.h>
#include <string.h>

#define BYTES(...) ((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })

static uint8_t space[512];

static struct aml fresh(void)
{
	struct aml a;

	memset(space, 0xee, sizeof(space));
	aml_init(&a, space, sizeof(space));
	return a;
}

static void expect(const struct aml *a, const uint8_t *bytes, size_t len)
{
	assert_false(a->overflow);
	assert_int_equal(a->len, len);
	assert_memory_equal(a->buf, bytes, len);
	assert_int_equal(a->buf[len], 0xee);
}

static void test_integers(void **state)
{
	static const struct {
		uint64_t value;
		uint8_t bytes[9];
		size_t len;
	} row[] = {
		{ 0, { 0x00 }, 1 },
		{ 1, { 0x01 }, 1 },
		{ 2, { 0x0a, 2 }, 2 },
		{ 0xff, { 0x0a, 0xff }, 2 },
		{ 0x100, { 0x0b, 0x00, 0x01 }, 3 },
		{ 0xffff, { 0x0b, 0xff, 0xff }, 3 },
		{ 0x10000, { 0x0c, 0, 0, 1, 0 }, 5 },
		{ 0xffffffff, { 0x0c, 0xff, 0xff, 0xff, 0xff }, 5 },
		{ 0x100000000, { 0x0e, 0, 0, 0, 0, 1, 0, 0, 0 }, 9 },
		{ UINT64_MAX, { 0x0e, 255, 255, 255, 255, 255, 255, 255, 255 }, 9 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct aml a = fresh();

		aml_integer(&a, row[i].value);
		expect(&a, row[i].bytes, row[i].len);
	}
}

static void test_paths(void **state)
{
	struct aml a = fresh();

	(void)state;
	aml_path(&a, "COM1");
	expect(&a, BYTES('C', 'O', 'M', '1'));
	a = fresh();
	aml_path(&a, "\\_SB");
	expect(&a, BYTES('\\', '_', 'S', 'B', '_'));
	a = fresh();
	aml_path(&a, "^^A");
	expect(&a, BYTES('^', '^', 'A', '_', '_', '_'));
	a = fresh();
	aml_path(&a, "\\_SB.GED");
	expect(&a, BYTES('\\', 0x2e, '_', 'S', 'B', '_', 'G', 'E', 'D', '_'));
	a = fresh();
	aml_path(&a, "A.BB.CCC");
	expect(&a, BYTES(0x2f, 3, 'A', '_', '_', '_', 'B', 'B', '_', '_', 'C', 'C', 'C', '_'));
	a = fresh();
	aml_path(&a, "\\");
	expect(&a, BYTES('\\', 0));
}

static void test_data(void **state)
{
	struct aml a = fresh();

	(void)state;
	aml_name(&a, "_UID");
	aml_string(&a, "Ab");
	expect(&a, BYTES(0x08, '_', 'U', 'I', 'D', 0x0d, 'A', 'b', 0));
	a = fresh();
	aml_eisa_id(&a, "PNP0501"); /* the value that every DSDT has */
	expect(&a, BYTES(0x0c, 0x41, 0xd0, 0x05, 0x01));
	a = fresh();
	aml_eisa_id(&a, "PNP0C0C");
	expect(&a, BYTES(0x0c, 0x41, 0xd0, 0x0c, 0x0c));
	a = fresh();
	aml_eisa_id(&a, "ZZZFFFF");
	expect(&a, BYTES(0x0c, 0x6b, 0x5a, 0xff, 0xff));
	a = fresh();
	aml_notify(&a, "PWRB", 0x80);
	expect(&a, BYTES(0x86, 'P', 'W', 'R', 'B', 0x0a, 0x80));
}

static void test_is_eisa_id(void **state)
{
	(void)state;
	assert_true(aml_is_eisa_id("PNP0F13"));
	assert_false(aml_is_eisa_id("ACPI0013"));
	assert_false(aml_is_eisa_id("LNRO0005"));
	assert_false(aml_is_eisa_id("PNP0f13"));
	assert_false(aml_is_eisa_id("PNP0G13"));
	assert_false(aml_is_eisa_id("P1P0513"));
	assert_false(aml_is_eisa_id("PNP051"));
	assert_false(aml_is_eisa_id(""));
}

static void test_nesting(void **state)
{
	struct aml a = fresh();
	size_t scope = aml_scope(&a, "_SB"), device, method, package;

	(void)state;
	device = aml_device(&a, "GED");
	method = aml_method(&a, "_EVT", 1);
	aml_end(&a, method);
	aml_end(&a, device);
	aml_name(&a, "_S5");
	package = aml_package(&a, 2);
	aml_integer(&a, 5);
	aml_integer(&a, 0);
	aml_end(&a, package);
	aml_end(&a, scope);
	expect(&a, BYTES(0x10, 30, '_', 'S', 'B', '_',			     /* scope */
			 0x5b, 0x82, 12, 'G', 'E', 'D', '_',		     /* device */
			 0x14, 6, '_', 'E', 'V', 'T', 1,		     /* method */
			 0x08, '_', 'S', '5', '_', 0x12, 5, 2, 0x0a, 5, 0)); /* package */
}

/* Independent of the writer: encodes as in 20.2.4. */
static size_t decode_length(const uint8_t *p, size_t *own)
{
	size_t value = p[0] & 0xf;

	*own = (size_t)(p[0] >> 6) + 1;
	if (*own == 1)
		return p[0] & 0x3f;
	assert_int_equal(p[0] & 0x30, 0);
	for (size_t i = 1; i < *own; i++)
		value |= (size_t)p[i] << (8 * i - 4);
	return value;
}

static void check_length(size_t content, size_t own_expected)
{
	size_t cap = content + 8, own, mark;
	uint8_t *buf = calloc(1, cap), *bytes = calloc(1, content + 1);
	struct aml a;

	assert_non_null(buf);
	assert_non_null(bytes);
	for (size_t i = 0; i < content; i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
	aml_init(&a, buf, cap);
	mark = aml_package(&a, bytes[0]);
	aml_bytes(&a, bytes + 1, content - 1);
	aml_end(&a, mark);
	assert_false(a.overflow);
	assert_int_equal(decode_length(buf + 1, &own), content + own_expected);
	assert_int_equal(own, own_expected);
	assert_int_equal(a.len, 1 + own + content);
	assert_memory_equal(buf + 1 + own, bytes, content);
	free(bytes);
	free(buf);
}

static void test_length_borders(void **state)
{
	(void)state;
	check_length(1, 1);
	check_length(62, 1);
	check_length(63, 2);
	check_length(64, 2);
	check_length(0xfff - 2, 2);
	check_length(0xfff - 1, 3);
	check_length(0xfff, 3);
	check_length(0xfffff - 3, 3);
	check_length(0xfffff - 2, 4);
}

/* Inner terms that move must not damage outer ones. */
static void test_nested_moves(void **state)
{
	struct aml a = fresh();
	uint8_t fill[100];
	size_t outer, inner, own;

	(void)state;
	memset(fill, 0x5a, sizeof(fill));
	outer = aml_scope(&a, "OUT");
	inner = aml_device(&a, "IN");
	aml_bytes(&a, fill, sizeof(fill));
	aml_end(&a, inner);
	aml_bytes(&a, "tail", 4);
	aml_end(&a, outer);
	assert_int_equal(decode_length(space + 1, &own), a.len - 1);
	assert_int_equal(own, 2);
	assert_memory_equal(space + 3, "OUT_\x5b\x82", 6);
	assert_int_equal(decode_length(space + 9, &own), 2 + 4 + 100);
	assert_memory_equal(space + 11, "IN__", 4);
	assert_memory_equal(space + 15, fill, 100);
	assert_memory_equal(space + 115, "tail", 4);
	assert_int_equal(a.len, 119);
}

static void test_resources(void **state)
{
	struct aml a = fresh();
	size_t mark = aml_resources(&a);

	(void)state;
	aml_res_io(&a, 0x3f8, 8);
	aml_res_irq(&a, 4, true, false);
	aml_resources_end(&a, mark);
	expect(&a,
	       BYTES(0x11, 16, 0x0a, 13, 0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x22, 0x10, 0, 0x79, 0));
	a = fresh();
	aml_res_irq(&a, 12, true, true);
	aml_res_irq(&a, 5, false, false);
	aml_res_irq(&a, 15, false, true);
	expect(&a, BYTES(0x23, 0, 0x10, 0x11, 0x23, 0x20, 0, 0, 0x23, 0, 0x80, 0x10));
	a = fresh();
	aml_res_interrupt(&a, 0x102, true, false);
	aml_res_interrupt(&a, 23, false, true);
	expect(&a, BYTES(0x89, 6, 0, 3, 1, 2, 1, 0, 0, 0x89, 6, 0, 9, 1, 23, 0, 0, 0));
	a = fresh();
	aml_res_memory32(&a, 0xd0001000, 0x1000);
	expect(&a, BYTES(0x86, 9, 0, 1, 0x00, 0x10, 0, 0xd0, 0, 0x10, 0, 0));
}

/* 21 descriptors of 12 bytes and the end tag are 254 bytes, 22 are 266. */
static void test_large_template(void **state)
{
	struct aml a = fresh();
	size_t mark = aml_resources(&a), own;

	(void)state;
	for (unsigned int i = 0; i < 21; i++)
		aml_res_memory32(&a, i, 1);
	aml_resources_end(&a, mark);
	assert_int_equal(decode_length(space + 1, &own), a.len - 1);
	assert_memory_equal(space + 3, "\x0a\xfe\x86", 3);

	a = fresh();
	mark = aml_resources(&a);
	for (unsigned int i = 0; i < 22; i++)
		aml_res_memory32(&a, i, 1);
	aml_resources_end(&a, mark);
	assert_false(a.overflow);
	assert_int_equal(decode_length(space + 1, &own), a.len - 1);
	assert_memory_equal(space + 3, "\x0b\x0a\x01\x86", 4);
	assert_int_equal(a.len, 3 + 3 + 266);
	assert_memory_equal(space + a.len - 2, "\x79\x00", 2);
}

static void test_align(void **state)
{
	struct aml a = fresh();

	(void)state;
	aml_align(&a, 16);
	assert_int_equal(a.len, 0);
	aml_integer(&a, 1);
	aml_align(&a, 4);
	expect(&a, BYTES(1, 0, 0, 0));
	aml_align(&a, 4);
	assert_int_equal(a.len, 4);
}

static void build_all(struct aml *a)
{
	size_t scope = aml_scope(a, "\\_SB.A.B"), device, resources, method, package;

	device = aml_device(a, "COM1");
	aml_name(a, "_HID");
	aml_eisa_id(a, "PNP0501");
	aml_name(a, "_CRS");
	resources = aml_resources(a);
	aml_res_io(a, 0x3f8, 8);
	aml_res_irq(a, 4, false, true);
	aml_res_interrupt(a, 5, true, true);
	aml_res_memory32(a, 1, 2);
	aml_resources_end(a, resources);
	method = aml_method(a, "_EVT", 1);
	aml_notify(a, "^X", 0x12345);
	aml_end(a, method);
	aml_end(a, device);
	aml_align(a, 16);
	package = aml_package(a, 3);
	aml_string(a, "text");
	aml_integer(a, UINT64_MAX);
	aml_end(a, package);
	aml_end(a, scope);
}

/*
 * In a buffer of any size that is too small, the writer changes nothing after its end and reports
 * the overflow.
 */
static void test_overflow(void **state)
{
	struct aml a = fresh();
	size_t whole;

	(void)state;
	build_all(&a);
	assert_false(a.overflow);
	whole = a.len;
	assert_true(whole > 120);
	for (size_t cap = 0; cap <= whole; cap++) {
		uint8_t *buf = malloc(cap ? cap : 1); /* the sanitizer checks its end */

		assert_non_null(buf);
		aml_init(&a, buf, cap);
		build_all(&a);
		assert_int_equal(a.overflow, cap < whole);
		assert_true(a.len <= cap);
		free(buf);
	}
	memset(space, 0xee, sizeof(space));
	aml_init(&a, space, whole - 1);
	build_all(&a);
	for (size_t i = whole - 1; i < sizeof(space); i++)
		assert_int_equal(space[i], 0xee);
}

/* Once full it stays full: shorter terms that would still fit are not written either. */
static void test_overflow_sticks(void **state)
{
	struct aml a;

	(void)state;
	memset(space, 0xee, sizeof(space));
	aml_init(&a, space, 3);
	aml_integer(&a, 1);
	aml_bytes(&a, "abcd", 4);
	assert_true(a.overflow);
	aml_integer(&a, 1);
	assert_int_equal(a.len, 1);
	assert_int_equal(space[1], 0xee);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integers),       cmocka_unit_test(test_paths),
		cmocka_unit_test(test_data),	       cmocka_unit_test(test_is_eisa_id),
		cmocka_unit_test(test_nesting),	       cmocka_unit_test(test_length_borders),
		cmocka_unit_test(test_nested_moves),   cmocka_unit_test(test_resources),
		cmocka_unit_test(test_large_template), cmocka_unit_test(test_align),
		cmocka_unit_test(test_overflow),       cmocka_unit_test(test_overflow_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
