/* SPDX-License-Identifier: GPL-2.0-only */
/* What the writers of ACPI and MP tables have in common. Main's thread. */
#ifndef X86_TABLES_TABLE_H
#define X86_TABLES_TABLE_H

#include "tables.h"

#define TABLES_MAX_APIC_ID 254 /* of ids that have eight bits; 255 means all APICs */
/* How a line is wired, in either table: polarity 1 (active high), trigger 3 (level). */
#define TABLES_LEVEL_HIGH 0xd

/* What a zero byte among @bytes has to become for all of them to add up to 0 modulo 256. */
uint8_t tables_checksum(const void *bytes, size_t len);

/* The IOAPIC's id in both tables: the lowest that no local APIC has; 254 if they have all. */
uint8_t tables_ioapic_id(const struct tables_config *config);

/* The IOAPIC's lines that devices use, and those of them that are level triggered; a bit a GSI. */
struct tables_lines {
	uint32_t used, level;
};
struct tables_lines tables_lines(const struct device_list *list);

#endif
