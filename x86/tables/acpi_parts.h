/* SPDX-License-Identifier: GPL-2.0-only */
/* What the writers of ACPI tables share: acpi.c, dsdt.c and madt.c, with table.c below them. */
#ifndef X86_TABLES_ACPI_PARTS_H
#define X86_TABLES_ACPI_PARTS_H

#include "aml.h"
#include "table.h"

#define NR_ISA_IRQS 16
#define ACPI_OEM_ID "KVM   "

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_header) == 36, "table header");

/*
 * Begins a table on its border; returns its offset for acpi_table_end(). @signature has four
 * characters, @oem_table_id eight.
 */
size_t acpi_table_begin(struct aml *out, const char *signature, uint8_t revision,
			const char *oem_table_id);
/* Sets length and checksum. Returns the table's address. */
gpa_t acpi_table_end(struct aml *out, size_t at);

/* Append a table; return its address, which is worthless after an overflow of @out. */
gpa_t acpi_write_dsdt(struct aml *out, const struct tables_config *config);
gpa_t acpi_write_madt(struct aml *out, const struct tables_config *config);

#endif
