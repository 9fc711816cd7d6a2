/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Generates ACPI tables, the MP table and kernel parameters from the device list (the device tree:
 * fdt.h).
 *
 * They are written once, before any vCPU runs; the same configuration gives the same bytes. The
 * functions print nothing: the caller reports an error. Thread: setup.
 *
 * A device's resources must lie below 4 GiB and its lines below NR_IOAPIC_PINS, and a port range
 * holds at most 255 ports.
 */
#ifndef X86_TABLES_TABLES_H
#define X86_TABLES_TABLES_H

#include "kvm/device.h"
#include "kvm/gmem.h"

/*
 * The ways by which a guest can find its CPUs and devices; a set of bits. None: by the command line
 * alone.
 */
enum tables_kind { TABLES_ACPI = 1, TABLES_MP = 2, TABLES_DT = 4 };

struct tables_config {
	unsigned int nr_cpus; /* at least 1; the first is the boot processor */
	uint32_t *apic_id;    /* [nr_cpus], as in each vCPU's CPUID; all different */
	const struct device_list *devices;
	bool pm_registers; /* with PM1 registers, a PM timer and a FACS: --testdev */
};

/*
 * Writes RSDP (at ACPI_GPA), DSDT, hardware-reduced FADT, MADT, XSDT and RSDT (ACPI 6.5), and with
 * @pm_registers a FACS (at FACS_GPA). A processor's UID is its index. Returns 0 and the RSDP's
 * address, -ENOSPC if they do not fit ACPI_MAX_BYTES, or -EFAULT if the memory does not exist;
 * after an error the guest finds no valid RSDP at ACPI_GPA.
 */
int acpi_write(const struct gmem *mem, const struct tables_config *config, gpa_t *rsdp);

/*
 * Writes the MP floating pointer and configuration table (MultiProcessor Specification 1.4) to
 * MPTABLE_GPA. CPUs and IOAPIC share its 255 ids, so it names at most TABLES_MP_MAX_CPUS. Returns
 * 0, or -EFAULT.
 */
#define TABLES_MP_MAX_CPUS 254
int mptable_write(const struct gmem *mem, const struct tables_config *config);

/*
 * Writes "virtio_mmio.device=4K@0xd0000000:16 ...": the list's virtio devices, in its order, as
 * parameters of Linux's driver (admin-guide/kernel-parameters).
 */
#define TABLES_VIRTIO_PARAMS_BYTES (DEVICE_LIST_MAX * 96)
void tables_virtio_params(const struct device_list *devices,
			  char params[TABLES_VIRTIO_PARAMS_BYTES]);

#endif
