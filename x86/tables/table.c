/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shares code between the writers of ACPI and MP tables: begins, ends and checksums a table, and
 * finds the IOAPIC's id and the lines in use.
 *
 * Thread: setup, before any vCPU runs.
 */
#include "acpi_parts.h"
#include "x86/layout.h"

#include <string.h>

#define TABLE_ALIGN 16
#define CREATOR_ID "KVM "

uint8_t tables_checksum(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

size_t acpi_table_begin(struct aml *out, const char *signature, uint8_t revision,
			const char *oem_table_id)
{
	struct acpi_header header = { .revision = revision,
				      .oem_revision = 1,
				      .creator_revision = 1 };
	size_t at;

	memcpy(header.signature, signature, sizeof(header.signature));
	memcpy(header.oem_id, ACPI_OEM_ID, sizeof(header.oem_id));
	memcpy(header.oem_table_id, oem_table_id, sizeof(header.oem_table_id));
	memcpy(header.creator_id, CREATOR_ID, sizeof(header.creator_id));
	aml_align(out, TABLE_ALIGN);
	at = out->len;
	aml_bytes(out, &header, sizeof(header));
	return at;
}

gpa_t acpi_table_end(struct aml *out, size_t at)
{
	struct acpi_header *header = (struct acpi_header *)(out->buf + at);

	if (!out->overflow) {
		header->length = (uint32_t)(out->len - at);
		header->checksum = tables_checksum(header, header->length);
	}
	return ACPI_GPA + at;
}

uint8_t tables_ioapic_id(const struct tables_config *config)
{
	uint64_t used[4] = { 0 };
	unsigned int id = 0;

	for (unsigned int i = 0; i < config->nr_cpus; i++) {
		if (config->apic_id[i] <= TABLES_MAX_APIC_ID)
			used[config->apic_id[i] / 64] |= 1ULL << config->apic_id[i] % 64;
	}
	while (id < TABLES_MAX_APIC_ID && used[id / 64] & 1ULL << id % 64)
		id++;
	return (uint8_t)id;
}

struct tables_lines tables_lines(const struct device_list *list)
{
	struct tables_lines lines = { 0 };

	for (unsigned int i = 0; i < list->nr; i++) {
		const struct resource *res = list->dev[i].res;

		for (unsigned int j = 0; j < DEVICE_MAX_RESOURCES && res[j].type != RES_END; j++) {
			if (res[j].type != RES_IRQ || res[j].base >= NR_IOAPIC_PINS)
				continue;
			lines.used |= 1U << res[j].base;
			lines.level |= res[j].edge ? 0 : 1U << res[j].base;
		}
	}
	return lines;
}
