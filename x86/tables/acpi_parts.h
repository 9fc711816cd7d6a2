/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Declares what the writers of ACPI tables (acpi.c, dsdt.c, madt.c) share; table.c implements it.
 */
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
 * Begins a table on its alignment. Returns its offset, for acpi_table_end(). @signature has four
 * characters, @oem_table_id eight.
 */
size_t acpi_table_begin(struct aml *out, const char *signature, uint8_t revision,
			const char *oem_table_id);
/* Sets length and checksum. Returns the table's address. */
gpa_t acpi_table_end(struct aml *out, size_t at);

/* Append a table. Return its address, which is not valid after an overflow of @out. */
gpa_t acpi_write_dsdt(struct aml *out, const struct tables_config *config);
gpa_t acpi_write_madt(struct aml *out, const struct tables_config *config);

#endif
