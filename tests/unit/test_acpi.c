/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the ACPI tables, read by the offsets of ACPI 6.5 as a guest reads them: found through the
 * RSDP, without the writer's structures.
 *
 * iasl judges the meaning of the AML (tests/acpi.sh); a small walker here checks lengths and finds
 * devices.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CPUS 4200

#include "unit/tables_rig.h"
#include "x86/tables/table.h"

static struct device_info *add(struct board *b, const char *hid, unsigned int uid)
{
	struct device_info *info = &b->list.dev[b->list.nr++];

	assert_true(b->list.nr <= DEVICE_LIST_MAX);
	info->acpi_hid = hid;
	info->uid = uid;
	return info;
}

static void add_pc(struct board *b)
{
	struct device_info *info = add(b, "PNP0B00", 0);

	info->res[0] = (struct resource){ .type = RES_PIO, .base = 0x70, .size_bytes = 2 };
	info->res[1] =
		(struct resource){ .type = RES_IRQ, .base = 8, .size_bytes = 1, .edge = true };
	info = add(b, "PNP0501", 1);
	info->res[0] = (struct resource){ .type = RES_PIO, .base = 0x3f8, .size_bytes = 8 };
	info->res[1] =
		(struct resource){ .type = RES_IRQ, .base = 4, .size_bytes = 1, .edge = true };
	info = add(b, "PNP0303", 0);
	info->res[0] =
		(struct resource){ .type = RES_IRQ, .base = 1, .size_bytes = 1, .edge = true };
	info = add(b, NULL, 0);
	info->kind = DEVICE_POWER_BUTTON;
	info->res[0] =
		(struct resource){ .type = RES_IRQ, .base = 9, .size_bytes = 1, .edge = true };
}

static void add_virtio(struct board *b, unsigned int nr, bool edge)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct device_info *info = add(b, "LNRO0005", i);

		info->res[0] = (struct resource){ .type = RES_MMIO,
						  .base = VIRTIO_MMIO_GPA + i * 0x1000,
						  .size_bytes = 0x1000 };
		info->res[1] = (struct resource){ .type = RES_IRQ,
						  .base = 5 + i % 19,
						  .size_bytes = 1,
						  .edge = edge,
						  .shared = true };
	}
}

/*
 * Returns a table's bytes, after checking that it is aligned, in the ACPI area, and has the right
 * sum and ids.
 */
static const uint8_t *table(struct board *b, gpa_t gpa, const char *signature,
			    unsigned int revision)
{
	const uint8_t *t = gmem_at(&b->mem, gpa, 36);
	uint64_t len;

	assert_non_null(t);
	assert_true(gpa >= ACPI_GPA && gpa % 16 == 0);
	assert_memory_equal(t, signature, 4);
	len = le(t + 4, 4);
	assert_true(len >= 36 && len <= ACPI_MAX_BYTES - (gpa - ACPI_GPA));
	assert_int_equal(t[8], revision);
	assert_int_equal(sum(t, len), 0);
	assert_memory_equal(t + 10, "KVM   KVM", 9);
	assert_memory_equal(t + 19, signature, 4);
	assert_memory_equal(t + 28, "KVM ", 4);
	return t;
}

static const uint8_t *rsdp(struct board *b)
{
	const uint8_t *r;

	assert_int_equal(acpi_write(&b->mem, &b->config, &b->rsdp), 0);
	assert_int_equal(b->rsdp, ACPI_GPA);
	r = gmem_at(&b->mem, b->rsdp, 36);
	assert_non_null(r);
	return r;
}

static const uint8_t *entry(struct board *b, unsigned int index, const char *signature,
			    unsigned int revision)
{
	const uint8_t *xsdt = table(b, le(rsdp(b) + 24, 8), "XSDT", 1);

	assert_int_equal(le(xsdt + 4, 4), 36 + 2 * 8);
	return table(b, le(xsdt + 36 + 8 * index, 8), signature, revision);
}

static const uint8_t *fadt(struct board *b)
{
	return entry(b, 0, "FACP", 6);
}

static const uint8_t *madt(struct board *b)
{
	return entry(b, 1, "APIC", 6);
}

static const uint8_t *dsdt(struct board *b)
{
	return table(b, le(fadt(b) + 140, 8), "DSDT", 2);
}

static void test_rsdp(void **state)
{
	const uint8_t *r = rsdp(*state);

	assert_memory_equal(r, "RSD PTR ", 8);
	assert_int_equal(sum(r, 20), 0);
	assert_int_equal(sum(r, 36), 0);
	assert_memory_equal(r + 9, "KVM   ", 6);
	assert_int_equal(r[15], 2);
	assert_int_equal(le(r + 20, 4), 36);
}

/* The 32-bit addresses, for kernels that read no others, lead to the same tables. */
static void test_rsdt(void **state)
{
	struct board *b = *state;
	const uint8_t *rsdt = table(b, le(rsdp(b) + 16, 4), "RSDT", 1);

	assert_int_equal(le(rsdt + 4, 4), 36 + 2 * 4);
	assert_ptr_equal(table(b, le(rsdt + 36, 4), "FACP", 6), fadt(b));
	assert_ptr_equal(table(b, le(rsdt + 40, 4), "APIC", 6), madt(b));
	assert_ptr_equal(table(b, le(fadt(b) + 40, 4), "DSDT", 2), dsdt(b));
}

static void check_io_byte(const uint8_t *gas, uint64_t port)
{
	assert_int_equal(gas[0], 1); /* system I/O */
	assert_int_equal(gas[1], 8);
	assert_int_equal(gas[2], 0);
	assert_int_equal(gas[3], 1); /* byte */
	assert_int_equal(le(gas + 4, 8), port);
}

static void test_fadt(void **state)
{
	struct board *b = *state;
	const uint8_t *f;

	add_pc(b);
	f = fadt(b);
	assert_int_equal(le(f + 4, 4), 276);
	assert_int_equal(f[131], 5);
	assert_int_equal(le(f + 112, 4), 1U << 0 | 1U << 4 | 1U << 5 | 1U << 10 | 1U << 20);
	check_io_byte(f + 116, 0x602);
	assert_int_equal(f[128], 1);
	check_io_byte(f + 244, 0x600);
	check_io_byte(f + 256, 0x601);
	assert_int_equal(le(f + 36, 4), 0); /* no FACS */
	assert_int_equal(le(f + 132, 8), 0);
	for (unsigned int i = 44; i < 108; i++)
		assert_int_equal(f[i], 0); /* no SCI, PM registers, timer */
	assert_int_equal(f[108], 0x32);	   /* the clock's century */
	for (unsigned int i = 148; i < 244; i++)
		assert_int_equal(f[i], 0);
}

static void test_pm_registers(void **state)
{
	struct board *b = *state;
	const uint8_t *f, *facs;

	b->config.pm_registers = true;
	f = fadt(b);
	assert_int_equal(le(f + 112, 4) >> 20 & 1, 1); /* hardware-reduced nevertheless */
	assert_int_equal(le(f + 56, 4), 0x620);
	assert_int_equal(le(f + 64, 4), 0x624);
	assert_int_equal(le(f + 76, 4), 0x628);
	assert_int_equal(le(f + 88, 4), 0x04000204);
	assert_int_equal(le(f + 36, 4), 0xe0040);
	facs = gmem_at(&b->mem, le(f + 36, 4), 64);
	assert_memory_equal(facs, "FACS", 4);
	assert_int_equal(le(facs + 4, 4), 64);
	assert_int_equal(le(facs + 12, 4), 0); /* no waking vector yet */
	assert_int_equal(facs[32], 2);
	assert_memory_equal(dsdt(b), "DSDT", 4);
}

static void test_boot_flags(void **state)
{
	struct board *b = *state;

	assert_int_equal(le(fadt(b) + 109, 2), 1U << 2 | 1U << 5); /* no VGA, no RTC */
	assert_int_equal(fadt(b)[108], 0);
	add(b, "PNP0B00", 0);
	assert_int_equal(le(fadt(b) + 109, 2), 1U << 2);
	add(b, "PNP0501", 1);
	assert_int_equal(le(fadt(b) + 109, 2), 1U << 2 | 1U << 0);
	add(b, "PNP0303", 0);
	assert_int_equal(le(fadt(b) + 109, 2), 1U << 2 | 1U << 0 | 1U << 1);
}

struct madt_seen {
	unsigned int cpus, x2cpus, ioapics, overrides, nmis, x2nmis;
	uint32_t overridden;
};

static void see_cpu(struct board *b, struct madt_seen *seen, const uint8_t *e)
{
	uint64_t uid = e[0] == 0 ? e[2] : le(e + 12, 4), id = e[0] == 0 ? e[3] : le(e + 4, 4);

	assert_int_equal(e[1], e[0] == 0 ? 8 : 16);
	assert_int_equal(le(e + (e[0] == 0 ? 4 : 8), 4), 1);
	assert_int_equal(uid, seen->cpus + seen->x2cpus); /* in order, none left out */
	assert_int_equal(id, b->apic_id[uid]);
	if (e[0] == 0) {
		assert_true(id < 255 && uid < 255);
		seen->cpus++;
	} else {
		assert_true(id >= 255 || uid >= 255);
		seen->x2cpus++;
	}
}

static void see_override(struct madt_seen *seen, const uint8_t *e)
{
	assert_int_equal(e[1], 10);
	assert_int_equal(e[2], 0);
	assert_int_equal(le(e + 4, 4), e[3]);
	assert_int_equal(le(e + 8, 2), 0xd);
	seen->overridden |= 1U << e[3];
	seen->overrides++;
}

static void see_entry(struct board *b, struct madt_seen *seen, const uint8_t *e)
{
	switch (e[0]) {
	case 0:
	case 9:
		see_cpu(b, seen, e);
		break;
	case 1:
		assert_int_equal(e[1], 12);
		assert_int_equal(e[2], tables_ioapic_id(&b->config));
		assert_int_equal(le(e + 4, 4), 0xfec00000);
		assert_int_equal(le(e + 8, 4), 0);
		seen->ioapics++;
		break;
	case 2:
		see_override(seen, e);
		break;
	case 4:
		assert_memory_equal(e, "\x04\x06\xff\x00\x00\x01", 6);
		seen->nmis++;
		break;
	case 10:
		assert_memory_equal(e, "\x0a\x0c\x00\x00\xff\xff\xff\xff\x01\x00\x00\x00", 12);
		seen->x2nmis++;
		break;
	default:
		fail_msg("MADT entry of type %u", e[0]);
	}
}

static struct madt_seen read_madt(struct board *b)
{
	const uint8_t *m = madt(b), *e = m + 44, *end = m + le(m + 4, 4);
	struct madt_seen seen = { 0 };

	assert_int_equal(le(m + 36, 4), 0xfee00000);
	assert_int_equal(le(m + 40, 4), 1);
	while (e < end) {
		assert_true(end - e >= 2 && e[1] >= 2 && e[1] <= end - e);
		see_entry(b, &seen, e);
		e += e[1];
	}
	return seen;
}

static void test_madt(void **state)
{
	static const struct {
		unsigned int nr, xapic, x2apic;
	} row[] = { { 1, 1, 0 },     { 4, 4, 0 },      { 240, 240, 0 },	  { 255, 255, 0 },
		    { 256, 255, 1 }, { 300, 255, 45 }, { 1000, 255, 745 } };
	struct board *b = *state;

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct madt_seen seen;

		b->config.nr_cpus = row[i].nr;
		seen = read_madt(b);
		assert_int_equal(seen.cpus, row[i].xapic);
		assert_int_equal(seen.x2cpus, row[i].x2apic);
		assert_int_equal(seen.ioapics, 1);
		assert_int_equal(seen.overrides, 0);
		assert_int_equal(seen.nmis, 1);
		assert_int_equal(seen.x2nmis, row[i].x2apic ? 1 : 0);
	}
}

static void test_sparse_apic_ids(void **state)
{
	struct board *b = *state;
	struct madt_seen seen;

	b->apic_id[1] = 0xfe;
	b->apic_id[2] = 0xff;
	b->apic_id[3] = 0x10000;
	b->config.nr_cpus = 4;
	seen = read_madt(b);
	assert_int_equal(seen.cpus, 2);
	assert_int_equal(seen.x2cpus, 2);
}

/* Only level-triggered ISA lines are overridden, each once. */
static void test_overrides(void **state)
{
	struct board *b = *state;
	struct madt_seen seen;

	add_pc(b);
	add_virtio(b, 64, false);
	seen = read_madt(b);
	assert_int_equal(seen.overridden, 0xffe0);
	assert_int_equal(seen.overrides, 11);
	b->list.nr = 4;
	add_virtio(b, 64, true);
	seen = read_madt(b);
	assert_int_equal(seen.overrides, 0);
}

static size_t pkg_length(const uint8_t *p, size_t *own)
{
	size_t v = p[0] & 0xf;

	*own = (size_t)(p[0] >> 6) + 1;
	if (*own == 1)
		return p[0] & 0x3f;
	for (size_t i = 1; i < *own; i++)
		v |= (size_t)p[i] << (8 * i - 4);
	return v;
}

/* Steps over \_S5 and into \_SB; the bytes must be exactly these two. */
static const uint8_t *open_sb(struct board *b, const uint8_t **end)
{
	static const uint8_t s5[] = {
		0x08, '_', 'S', '5', '_', 0x12, 8, 4, 0x0a, 5, 0x0a, 5, 0, 0
	};
	const uint8_t *d = dsdt(b), *p = d + 36;
	size_t own;

	*end = d + le(d + 4, 4);
	assert_memory_equal(p, s5, sizeof(s5));
	p += sizeof(s5);
	assert_int_equal(p[0], 0x10);
	assert_ptr_equal(p + 1 + pkg_length(p + 1, &own), *end);
	p += 1 + own;
	assert_memory_equal(p, "_SB_", 4);
	return p + 4;
}

/* Finds the name of the device at @p, its body, and the byte after it. */
static const uint8_t *next_device(const uint8_t *p, char name[5], const uint8_t **body)
{
	const uint8_t *end;
	size_t own;

	assert_int_equal(p[0], 0x5b);
	assert_int_equal(p[1], 0x82);
	end = p + 2 + pkg_length(p + 2, &own);
	memcpy(name, p + 2 + own, 4);
	name[4] = '\0';
	*body = p + 2 + own + 4;
	assert_true(*body <= end);
	return end;
}

static void test_processors(void **state)
{
	static const unsigned int counts[] = { 1, 4, 240, 300, 1000 };
	struct board *b = *state;

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		const uint8_t *end, *body, *p;
		char name[5], want[16];

		b->config.nr_cpus = counts[i];
		p = open_sb(b, &end);
		for (unsigned int uid = 0; uid < counts[i]; uid++) {
			unsigned int said;

			p = next_device(p, name, &body);
			snprintf(want, sizeof(want), "C%03X", uid);
			assert_string_equal(name, want);
			assert_memory_equal(body,
					    "\x08_HID\x0d"
					    "ACPI0007\0\x08_UID",
					    20);
			said = body[20] <= 1
				       ? body[20]
				       : (unsigned int)le(body + 21, body[20] == 0x0a ? 1 : 2);
			assert_int_equal(said, uid);
		}
		assert_ptr_equal(p, end);
	}
}

static void test_devices(void **state)
{
	static const uint8_t com1[] = { 0x08, '_',  'H', 'I',  'D',  0x0c, 0x41, 0xd0, 5,   1,
					0x08, '_',  'U', 'I',  'D',  1,	   0x08, '_',  'C', 'R',
					'S',  0x11, 16,	 0x0a, 13,   0x47, 1,	 0xf8, 3,   0xf8,
					3,    1,    8,	 0x22, 0x10, 0,	   0x79, 0 };
	static const uint8_t ged[] = { 0x08, '_', 'H',	'I',  'D',  0x0d, 'A', 'C',  'P', 'I',
				       '0',  '0', '1',	'3',  0,    0x08, '_', 'C',  'R', 'S',
				       0x11, 14,  0x0a, 11,   0x89, 6,	  0,   3,    1,	  9,
				       0,    0,	  0,	0x79, 0,    0x14, 13,  '_',  'E', 'V',
				       'T',  1,	  0x86, 'P',  'W',  'R',  'B', 0x0a, 0x80 };
	static const char *const names[] = { "C000", "RTC_", "COM1", "KBD_", "PWRB", "GED_" };
	struct board *b = *state;
	const uint8_t *p, *end, *body;
	char name[5];

	add_pc(b);
	add(b, NULL, 0); /* no _HID: not present */
	p = open_sb(b, &end);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		p = next_device(p, name, &body);
		assert_string_equal(name, names[i]);
		if (!strcmp(name, "COM1")) {
			assert_int_equal(p - body, sizeof(com1));
			assert_memory_equal(body, com1, sizeof(com1));
		} else if (!strcmp(name, "GED_")) {
			assert_int_equal(p - body, sizeof(ged));
			assert_memory_equal(body, ged, sizeof(ged));
		} else if (!strcmp(name, "PWRB")) {
			assert_memory_equal(body, "\x08_HID\x0c\x41\xd0\x0c\x0c", 10);
			assert_int_equal(p - body, 10);
		}
	}
	assert_ptr_equal(p, end);
}

static void test_virtio(void **state)
{
	struct board *b = *state;
	const uint8_t *p, *end, *body;
	char name[5], seen[64][5];

	add_virtio(b, 64, false);
	p = open_sb(b, &end);
	p = next_device(p, name, &body);
	for (unsigned int i = 0; i < 64; i++) {
		const uint8_t *crs;

		p = next_device(p, seen[i], &body);
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(seen[i], seen[j]);
		assert_memory_equal(body, "\x08_HID\x0dLNRO0005\0\x08_UID", 20);
		assert_int_equal(i <= 1 ? body[20] : body[21], i);
		crs = p - 23;
		assert_memory_equal(crs, "\x86\x09\x00\x01", 4);
		assert_int_equal(le(crs + 4, 4), 0xd0000000 + i * 0x1000);
		assert_int_equal(le(crs + 8, 4), 0x1000);
		assert_memory_equal(crs + 12, "\x89\x06\x00\x09\x01",
				    5); /* level, high, shared, one number */
		assert_int_equal(le(crs + 17, 4), 5 + i % 19);
		assert_memory_equal(crs + 21, "\x79\x00", 2);
	}
	assert_ptr_equal(p, end);
}

static void test_deterministic(void **state)
{
	struct board *b = *state;
	uint8_t *area = gmem_at(&b->mem, ACPI_GPA, ACPI_MAX_BYTES), *copy = malloc(ACPI_MAX_BYTES);

	assert_non_null(copy);
	add_pc(b);
	add_virtio(b, 10, true);
	rsdp(b);
	memcpy(copy, area, ACPI_MAX_BYTES);
	rsdp(b);
	assert_memory_equal(copy, area, ACPI_MAX_BYTES);
	free(copy);
}

/*
 * The maximum number of processors fits with every possible device. One more is refused, no RSDP
 * remains, and the memory after the area is unchanged.
 */
static void test_limit(void **state)
{
	struct board *b = *state;
	const uint8_t *area = gmem_at(&b->mem, ACPI_GPA, 8),
		      *behind = gmem_at(&b->mem, ACPI_GPA + ACPI_MAX_BYTES, 8);
	static const uint8_t zeros[8];
	unsigned int fit = 1000, fail = MAX_CPUS;

	add_pc(b);
	add_virtio(b, 64, false);
	while (fail - fit > 1) {
		unsigned int middle = (fit + fail) / 2;

		b->config.nr_cpus = middle;
		if (acpi_write(&b->mem, &b->config, &b->rsdp))
			fail = middle;
		else
			fit = middle;
	}
	print_message("           %u processors fit\n", fit);
	assert_true(fit >= 2500);
	b->config.nr_cpus = fit;
	read_madt(b);
	b->config.nr_cpus = fail;
	assert_int_equal(acpi_write(&b->mem, &b->config, &b->rsdp), -ENOSPC);
	assert_memory_equal(area, zeros, 8);
	assert_memory_equal(behind, zeros, 8);
}

static void test_no_memory(void **state)
{
	struct board *b = *state;
	struct gmem small;
	gpa_t rsdp_gpa;

	gmem_init(&small);
	assert_int_equal(gmem_add(&small, 0, ACPI_GPA + ACPI_MAX_BYTES - 4096, GMEM_NORMAL), 0);
	assert_int_equal(acpi_write(&small, &b->config, &rsdp_gpa), -EFAULT);
	gmem_fini(&small);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rsdt),
		TEST(test_rsdp),
		TEST(test_fadt),
		TEST(test_pm_registers),
		TEST(test_boot_flags),
		TEST(test_madt),
		TEST(test_sparse_apic_ids),
		TEST(test_overrides),
		TEST(test_processors),
		TEST(test_devices),
		TEST(test_virtio),
		TEST(test_deterministic),
		TEST(test_limit),
		TEST(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
