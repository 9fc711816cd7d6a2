/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ACPI tables and the MP table, generated from the device list. Both are written once, on main's thread,
 * before a vCPU runs; the same configuration gives the same bytes. They say nothing themselves: the caller
 * has the error to report.
 *
 * A device's resources must lie below 4 GiB, its lines below NR_IOAPIC_PINS, and a port range holds at
 * most 255 ports.
 */
#ifndef X86_TABLES_H
#define X86_TABLES_H

#include "kvm/device.h"
#include "kvm/gmem.h"

struct tables_config {
	unsigned int nr_cpus;	 /* at least 1; the first is the boot processor */
	const uint32_t *apic_id; /* [nr_cpus], as CPUID gives them to each vCPU; no two alike */
	const struct device_list *devices;
};

/* What a zero byte among @bytes has to become for all of them to add up to 0 modulo 256. */
uint8_t tables_checksum(const void *bytes, size_t len);

/* The IOAPIC's id in both tables: the lowest that no local APIC has; 254 when they have all of them. */
uint8_t tables_ioapic_id(const struct tables_config *config);

/*
 * Writes RSDP (at ACPI_GPA), DSDT, hardware-reduced FADT, MADT and XSDT (ACPI 6.5). A processor's UID is
 * its index. Returns 0 and the RSDP's address, or -ENOSPC when they do not fit ACPI_MAX_BYTES, -EFAULT
 * when the memory is not there; then what the guest finds at ACPI_GPA is no valid RSDP.
 */
int acpi_write(const struct gmem *mem, const struct tables_config *config, gpa_t *rsdp);

/*
 * Writes the MP floating pointer and configuration table (MultiProcessor Specification 1.4) into the
 * EBDA's last KiB. CPUs with an APIC id above 254 are left out; as many as fit are named. Returns 0 or
 * -EFAULT.
 */
int mptable_write(const struct gmem *mem, const struct tables_config *config);

#endif
