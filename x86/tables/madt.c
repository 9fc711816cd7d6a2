/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes the MADT: the processors, the IOAPIC, and the ISA lines that differ from ISA's defaults.
 *
 * Models ACPI 6.5, 5.2.12. acpi_write() calls it. Thread: setup.
 *
 * - Processors come in the order of their indexes, the boot processor first, all enabled. Those
 *   whose id and UID fit eight bits have a LAPIC entry, the others an x2APIC entry.
 * - Lines are identity mapped from GSI 0. That includes the timer: KVM's default routing connects
 *   GSI 0 to IOAPIC pin 0, not to pin 2 as on most PCs. So there are overrides only for lines below
 *   16 that a device uses level triggered. An override for IRQ 0 would also be wrong because Linux
 *   would take it for the SCI's, whose number is 0 on a hardware-reduced machine.
 *
 * Not described: hot-pluggable or online-capable processors, a second IOAPIC.
 */
#include "acpi_parts.h"

#include "x86/layout.h"

struct madt_head {
	uint32_t lapic_gpa;
	uint32_t flags;
} __attribute__((packed));
#define MADT_PCAT_COMPAT 1 /* KVM's irqchip has the two 8259s as well */

struct madt_lapic {
	uint8_t type, length;
	uint8_t uid;
	uint8_t apic_id;
	uint32_t flags;
} __attribute__((packed));

struct madt_ioapic {
	uint8_t type, length;
	uint8_t id;
	uint8_t reserved;
	uint32_t gpa;
	uint32_t gsi_base;
} __attribute__((packed));

struct madt_override {
	uint8_t type, length;
	uint8_t bus;
	uint8_t source;
	uint32_t gsi;
	uint16_t flags;
} __attribute__((packed));

struct madt_lapic_nmi {
	uint8_t type, length;
	uint8_t uid;
	uint16_t flags;
	uint8_t lint;
} __attribute__((packed));

struct madt_x2apic {
	uint8_t type, length;
	uint16_t reserved;
	uint32_t apic_id;
	uint32_t flags;
	uint32_t uid;
} __attribute__((packed));

struct madt_x2apic_nmi {
	uint8_t type, length;
	uint16_t flags;
	uint32_t uid;
	uint8_t lint;
	uint8_t reserved[3];
} __attribute__((packed));

enum {
	MADT_LAPIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2,
	MADT_LAPIC_NMI = 4,
	MADT_X2APIC = 9,
	MADT_X2APIC_NMI = 10,
};
#define MADT_CPU_ENABLED 1
/* ids and UIDs below this have LAPIC entries, others x2APIC entries */
#define MADT_XAPIC_IDS 255
#define MADT_ALL_UIDS 0xff
#define MADT_ALL_X2_UIDS 0xffffffff
#define MADT_NMI_LINT 1

static bool is_xapic_cpu(const struct tables_config *config, unsigned int uid)
{
	return uid < MADT_XAPIC_IDS && config->apic_id[uid] < MADT_XAPIC_IDS;
}

/* A processor's UID is its index, also in the DSDT. Returns whether there are x2APIC entries. */
static bool madt_cpus(struct aml *out, const struct tables_config *config)
{
	bool x2apic = false;

	for (unsigned int uid = 0; uid < config->nr_cpus; uid++) {
		if (is_xapic_cpu(config, uid)) {
			struct madt_lapic e = { .type = MADT_LAPIC,
						.length = sizeof(e),
						.uid = (uint8_t)uid };

			e.apic_id = (uint8_t)config->apic_id[uid];
			e.flags = MADT_CPU_ENABLED;
			aml_bytes(out, &e, sizeof(e));
		} else {
			struct madt_x2apic e = { .type = MADT_X2APIC,
						 .length = sizeof(e),
						 .uid = uid };

			e.apic_id = config->apic_id[uid];
			e.flags = MADT_CPU_ENABLED;
			aml_bytes(out, &e, sizeof(e));
			x2apic = true;
		}
	}
	return x2apic;
}

/* Writes an override for each ISA line that is level triggered, since ISA's default is edge. */
static void madt_overrides(struct aml *out, uint32_t level)
{
	for (unsigned int irq = 0; irq < NR_ISA_IRQS; irq++) {
		struct madt_override e = { .type = MADT_OVERRIDE,
					   .length = sizeof(e),
					   .source = (uint8_t)irq };

		if (!(level & 1U << irq))
			continue;
		e.gsi = irq;
		e.flags = TABLES_LEVEL_HIGH;
		aml_bytes(out, &e, sizeof(e));
	}
}

gpa_t acpi_write_madt(struct aml *out, const struct tables_config *config)
{
	struct madt_head head = { .lapic_gpa = LAPIC_GPA, .flags = MADT_PCAT_COMPAT };
	struct madt_ioapic ioapic = { .type = MADT_IOAPIC,
				      .length = sizeof(ioapic),
				      .gpa = IOAPIC_GPA };
	struct madt_lapic_nmi nmi = { .type = MADT_LAPIC_NMI,
				      .length = sizeof(nmi),
				      .uid = MADT_ALL_UIDS,
				      .lint = MADT_NMI_LINT };
	struct madt_x2apic_nmi x2nmi = { .type = MADT_X2APIC_NMI,
					 .length = sizeof(x2nmi),
					 .uid = MADT_ALL_X2_UIDS,
					 .lint = MADT_NMI_LINT };
	size_t at = acpi_table_begin(out, "APIC", 6, "KVMAPIC ");
	bool x2apic;

	ioapic.id = tables_ioapic_id(config);
	aml_bytes(out, &head, sizeof(head));
	x2apic = madt_cpus(out, config);
	aml_bytes(out, &ioapic, sizeof(ioapic));
	madt_overrides(out, tables_lines(config->devices).level);
	aml_bytes(out, &nmi, sizeof(nmi));
	if (x2apic)
		aml_bytes(out, &x2nmi, sizeof(x2nmi));
	return acpi_table_end(out, at);
}
