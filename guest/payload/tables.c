/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the ACPI tables (ACPI 6.5, 5.2) and the MP table (MultiProcessor Specification 1.4, 4) as
 * an operating system finds them.
 */
#include "payload.h"

#define MADT_LAPIC 0
#define MADT_X2APIC 9

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static bool sums_to_zero(const uint8_t *at, uint32_t bytes)
{
	return !(sum_bytes(at, bytes) & 0xff);
}

/* The zero page has the RSDP's address. With PVH and Multiboot, search the BIOS area. */
static const uint8_t *rsdp(void)
{
	const uint8_t *at = (const uint8_t *)0xe0000;

	if (!handover_cmdline())
		return (const uint8_t *)boot_params()->acpi_rsdp_addr;
	while (memcmp(at, "RSD PTR ", 8))
		at += 16;
	return at;
}

static const uint8_t *xsdt(void)
{
	return (const uint8_t *)get64(rsdp() + 24);
}

const uint8_t *acpi_table(const char *signature)
{
	const uint8_t *x = xsdt();
	uint32_t bytes = get32(x + 4);

	for (uint32_t at = 36; at + 8 <= bytes; at += 8) {
		const uint8_t *table = (const uint8_t *)get64(x + at);

		if (!memcmp(table, signature, 4))
			return table;
	}
	return NULL;
}

static void check_table(const uint8_t *table)
{
	uint32_t bytes = get32(table + 4);

	print("table %c%c%c%c at %llx bytes %u\n", table[0], table[1], table[2], table[3],
	      (unsigned long long)(uintptr_t)table, bytes);
	check("in the BIOS area",
	      (uintptr_t)table >= 0xe0000 && (uintptr_t)table + bytes <= 0x100000);
	check("checksum", bytes >= 36 && sums_to_zero(table, bytes));
}

static void check_fadt(const uint8_t *fadt)
{
	uint32_t flags = get32(fadt + 112);
	const uint8_t *dsdt = (const uint8_t *)get64(fadt + 140);

	check_eq("hardware-reduced", flags >> 20 & 1, 1);
	check_eq("reset register supported", flags >> 10 & 1, 1);
	check_eq("reset register", get64(fadt + 116 + 4), ACPI_SLEEP_PORT + 2);
	check_eq("reset register is a port", fadt[116], 1);
	check_eq("reset value", fadt[128], 1);
	check_eq("sleep control", get64(fadt + 244 + 4), ACPI_SLEEP_PORT);
	check_eq("sleep status", get64(fadt + 256 + 4), ACPI_SLEEP_PORT + 1);
	check_eq("DSDT", get32(dsdt), 0x54445344);
	check_table(dsdt);
}

unsigned int madt_apic_ids(uint32_t *ids, unsigned int max)
{
	const uint8_t *madt = acpi_table("APIC");
	uint32_t bytes = madt ? get32(madt + 4) : 0;
	unsigned int n = 0;

	for (uint32_t at = 44; at + 2 <= bytes && madt[at + 1] >= 2 && n < max;
	     at += madt[at + 1]) {
		if (madt[at] == MADT_LAPIC && (get32(madt + at + 4) & 1))
			ids[n++] = madt[at + 3];
		else if (madt[at] == MADT_X2APIC && (get32(madt + at + 8) & 1))
			ids[n++] = get32(madt + at + 4);
	}
	return n;
}

/* Argument: the number of CPUs. */
void test_acpi(void)
{
	const uint8_t *rsdp = (const uint8_t *)boot_params()->acpi_rsdp_addr;
	static uint32_t ids[MAX_APS];

	check_eq("RSDP", get64(rsdp), 0x2052545020445352);
	check("RSDP checksum", sums_to_zero(rsdp, 20));
	check("RSDP revision", rsdp[15] >= 2);
	check("RSDP extended checksum", sums_to_zero(rsdp, 36));
	check_table(xsdt());
	for (uint32_t at = 36; at + 8 <= get32(xsdt() + 4); at += 8)
		check_table((const uint8_t *)get64(xsdt() + at));
	check("FADT", acpi_table("FACP"));
	if (acpi_table("FACP"))
		check_fadt(acpi_table("FACP"));
	check_eq("CPUs in the MADT", madt_apic_ids(ids, MAX_APS), arg(0, 1));
}

static const uint8_t *find_mp_pointer(uintptr_t from, uintptr_t to)
{
	for (uintptr_t at = from; at < to; at += 16) {
		if (!memcmp((const void *)at, "_MP_", 4))
			return (const uint8_t *)at;
	}
	return NULL;
}

static unsigned int mp_processors(const uint8_t *table)
{
	static const uint8_t entry_bytes[] = { 20, 8, 8, 8, 8 };
	unsigned int n = 0, entries = table[34] | table[35] << 8;
	const uint8_t *at = table + 44;

	for (unsigned int i = 0; i < entries && at[0] < sizeof(entry_bytes); i++) {
		n += at[0] == 0 && (at[3] & 1);
		at += entry_bytes[at[0]];
	}
	return n;
}

/* Argument: the number of CPUs, as many as fit. */
void test_mptable(void)
{
	const uint8_t *fp = find_mp_pointer(0xf0000, 0x100000), *table;

	check("floating pointer in the BIOS area", fp);
	if (!fp)
		return;
	check("floating pointer's checksum", sums_to_zero(fp, fp[8] * 16U));
	table = (const uint8_t *)(uintptr_t)get32(fp + 4);
	check("PCMP", !memcmp(table, "PCMP", 4));
	check("table's checksum", sums_to_zero(table, table[4] | (uint32_t)table[5] << 8));
	check_eq("local APIC", get32(table + 36), LAPIC_GPA);
	check_eq("CPUs", mp_processors(table), arg(0, 1));
}
