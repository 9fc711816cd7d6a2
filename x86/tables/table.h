/* SPDX-License-Identifier: GPL-2.0-only */
/* Declares what the writers of ACPI and MP tables share. Thread: setup. */
#ifndef X86_TABLES_TABLE_H
#define X86_TABLES_TABLE_H

#include "tables.h"

#define TABLES_MAX_APIC_ID 254 /* the largest id of eight bits; 255 means all APICs */
/* A line that is active high (polarity 1) and level triggered (trigger 3), in either table. */
#define TABLES_LEVEL_HIGH 0xd

/* The value that a zero byte among @bytes must get for all of them to add up to 0 modulo 256. */
uint8_t tables_checksum(const void *bytes, size_t len);

/* The IOAPIC's id in both tables: the lowest that no local APIC has, or 254 if they have all. */
uint8_t tables_ioapic_id(const struct tables_config *config);

/* The IOAPIC's lines that devices use, and those that are level triggered; one bit for each GSI. */
struct tables_lines {
	uint32_t used, level;
};
struct tables_lines tables_lines(const struct device_list *list);

#endif
