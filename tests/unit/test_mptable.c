/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests the MP table, found and read by the offsets of the MultiProcessor Specification 1.4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CPUS 1000

#include "unit/tables_rig.h"

struct seen {
	unsigned int cpus, buses, ioapics, lines, locals;
	uint8_t apic_used[256];
	uint8_t ioapic_id;
	uint32_t used, level;
};

static void add_line(struct board *b, unsigned int gsi, bool edge)
{
	struct device_info *info = &b->list.dev[b->list.nr++];

	info->res[0] = (struct resource){ .type = RES_PIO, .base = 0x3f8, .size_bytes = 8 };
	info->res[1] =
		(struct resource){ .type = RES_IRQ, .base = gsi, .size_bytes = 1, .edge = edge };
}

static void see_cpu(struct board *b, struct seen *seen, const uint8_t *e)
{
	assert_int_equal(e[2], 0x14);
	assert_int_equal(e[3], seen->cpus == 0 ? 3 : 1);
	assert_int_equal(seen->apic_used[e[1]]++, 0);
	assert_int_equal(le(e + 8, 4) & 0x201, 0x201);
	assert_int_equal(le(e + 12, 4) | le(e + 16, 4), 0);
	if (seen->cpus == 0)
		assert_int_equal(e[1], b->apic_id[0]);
	seen->cpus++;
}

static void see_local(const struct board *b, struct seen *seen, const uint8_t *e)
{
	assert_int_equal(le(e + 2, 2), 0);
	assert_int_equal(e[4], 0);
	assert_int_equal(e[5], 0);
	assert_int_equal(e[1], seen->locals == 0 ? 3 : 1); /* ExtINT, then NMI */
	assert_int_equal(e[6], seen->locals == 0 ? b->apic_id[0] : 0xff);
	assert_int_equal(e[7], seen->locals == 0 ? 0 : 1);
	seen->locals++;
}

static void see_line(struct seen *seen, const uint8_t *e)
{
	assert_int_equal(e[1], 0); /* INT */
	assert_int_equal(e[4], 0);
	assert_int_equal(e[6], seen->ioapic_id);
	assert_int_equal(e[5], e[7]);
	assert_true(e[7] < 24);
	assert_false(seen->used & 1U << e[7]);
	seen->used |= 1U << e[7];
	if (le(e + 2, 2) == 0xd)
		seen->level |= 1U << e[7];
	else
		assert_int_equal(le(e + 2, 2), 0);
	seen->lines++;
}

static void see_entry(struct board *b, struct seen *seen, const uint8_t *e)
{
	switch (e[0]) {
	case 0:
		see_cpu(b, seen, e);
		break;
	case 1:
		assert_memory_equal(e, "\x01\x00ISA   ", 8);
		seen->buses++;
		break;
	case 2:
		seen->ioapic_id = e[1];
		assert_int_equal(seen->apic_used[e[1]]++, 0);
		assert_int_equal(e[3], 1);
		assert_int_equal(le(e + 4, 4), 0xfec00000);
		seen->ioapics++;
		break;
	case 3:
		see_line(seen, e);
		break;
	case 4:
		see_local(b, seen, e);
		break;
	default:
		fail_msg("entry of type %u", e[0]);
	}
}

static const uint8_t *find_table(struct board *b)
{
	const uint8_t *p;

	assert_int_equal(mptable_write(&b->mem, &b->config), 0);
	p = gmem_at(&b->mem, 0xfd000, 0x2000);
	assert_non_null(p);
	assert_memory_equal(p, "_MP_", 4);
	assert_int_equal(p[8], 1);
	assert_int_equal(p[9], 4);
	assert_int_equal(sum(p, 16), 0);
	assert_memory_equal(p + 11, "\0\0\0\0\0", 5);
	assert_int_equal(le(p + 4, 4), 0xfd010);
	return p + 16;
}

static struct seen read_table(struct board *b)
{
	const uint8_t *t = find_table(b), *e = t + 44, *end = t + le(t + 4, 2);
	struct seen seen = { 0 };
	unsigned int nr = 0, last = 0;

	assert_memory_equal(t, "PCMP", 4);
	assert_true(le(t + 4, 2) <= 0x2000 - 16);
	assert_int_equal(t[6], 4);
	assert_int_equal(sum(t, le(t + 4, 2)), 0);
	assert_memory_equal(t + 8, "KVM     MACHINE     ", 20);
	assert_int_equal(le(t + 28, 4) | le(t + 32, 2), 0);
	assert_int_equal(le(t + 36, 4), 0xfee00000);
	assert_int_equal(le(t + 40, 4), 0);
	while (e < end) {
		assert_true(e[0] >= last); /* the specification sorts them by type */
		last = e[0];
		see_entry(b, &seen, e);
		e += e[0] == 0 ? 20 : 8;
		nr++;
	}
	assert_ptr_equal(e, end);
	assert_int_equal(le(t + 34, 2), nr);
	assert_int_equal(seen.buses, 1);
	assert_int_equal(seen.ioapics, 1);
	assert_int_equal(seen.locals, 2);
	assert_true(seen.used & 1); /* the timer, on pin 0 */
	return seen;
}

static void test_lines(void **state)
{
	struct board *b = *state;
	struct seen seen;

	add_line(b, 4, true);
	add_line(b, 4, true); /* COM1 and COM3 */
	add_line(b, 8, true);
	add_line(b, 5, false);
	add_line(b, 23, false);
	add_line(b, 24, true); /* no such pin */
	seen = read_table(b);
	assert_int_equal(seen.used, 1U | 1U << 4 | 1U << 8 | 1U << 5 | 1U << 23);
	assert_int_equal(seen.level, 1U << 5 | 1U << 23);
	assert_int_equal(seen.cpus, 1);
	assert_int_equal(seen.ioapic_id, 1);
}

/* The ids 0 to 254 are for CPUs and IOAPIC together. */
static void test_cpus(void **state)
{
	static const unsigned int row[][2] = { { 1, 1 },     { 4, 4 },	   { 64, 64 },
					       { 200, 200 }, { 254, 254 }, { 255, 254 },
					       { 300, 254 }, { 1000, 254 } };
	struct board *b = *state;

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct seen seen;

		b->config.nr_cpus = row[i][0];
		seen = read_table(b);
		assert_int_equal(seen.cpus, row[i][1]);
		assert_int_equal(seen.ioapic_id, row[i][0] < 254 ? row[i][0] : 254);
	}
}

static void test_full(void **state)
{
	struct board *b = *state;
	const uint8_t *behind = gmem_at(&b->mem, 0xff000, 16);
	static const uint8_t zeros[16];
	struct seen seen;

	for (unsigned int i = 0; i < 64; i++)
		add_line(b, i % 24, false);
	b->config.nr_cpus = 300;
	seen = read_table(b);
	assert_int_equal(seen.lines, 24);
	assert_int_equal(seen.cpus, 254);
	assert_memory_equal(behind, zeros, 16);
}

static void test_apic_ids(void **state)
{
	struct board *b = *state;
	struct seen seen;

	b->apic_id[0] = 3;
	b->apic_id[1] = 0;
	b->apic_id[2] = 255; /* broadcast: no MP id */
	b->apic_id[3] = 254;
	b->apic_id[4] = 0x1000;
	b->config.nr_cpus = 5;
	seen = read_table(b);
	assert_int_equal(seen.cpus, 3);
	assert_int_equal(seen.ioapic_id, 1);
	assert_int_equal(seen.apic_used[254], 1);
	assert_int_equal(seen.apic_used[255], 0);
}

/* Every eight-bit id is in use: the IOAPIC gets the id of a processor that is left out. */
static void test_all_ids_taken(void **state)
{
	struct board *b = *state;
	struct seen seen;

	b->apic_id[1] = 254;
	b->apic_id[254] = 1;
	b->config.nr_cpus = 300;
	seen = read_table(b);
	assert_int_equal(seen.ioapic_id, 254);
	assert_int_equal(seen.apic_used[254], 1);
	assert_int_equal(seen.apic_used[2], 1);
	assert_int_equal(seen.cpus, 254);
}

static void test_no_memory(void **state)
{
	struct board *b = *state;
	struct gmem small;

	gmem_init(&small);
	assert_int_equal(gmem_add(&small, 0, 0xfe000, GMEM_NORMAL), 0);
	assert_int_equal(mptable_write(&small, &b->config), -EFAULT);
	gmem_fini(&small);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lines),    TEST(test_cpus),	       TEST(test_full),
		TEST(test_apic_ids), TEST(test_all_ids_taken), TEST(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
