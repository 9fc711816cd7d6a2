/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes the MP table, for kernels without ACPI.
 *
 * Models the MultiProcessor Specification 1.4, chapter 4. The floating pointer lies in the BIOS
 * area, one of the places where section 4 makes a system look for it. The configuration table
 * follows directly, with its base entries in the order that the specification requires: processors,
 * bus, IOAPIC, I/O interrupts, local interrupts. The board calls mptable_write() once, before any
 * vCPU runs. Thread: setup.
 *
 * - All lines belong to one ISA bus, 1:1 on the IOAPIC's pins, even those above 15: there is no
 *   other bus, and the entries state trigger and polarity themselves.
 * - The timer is on pin 0, as in KVM's default routing.
 * - The 8259s reach the local APICs' LINT0 directly (virtual wire mode without an IMCR), so no
 *   IOAPIC pin is ExtINT.
 * - A processor whose id has more than eight bits, or is the IOAPIC's, is left out.
 *
 * Invariant: no two APICs in the table have the same id. Not written: extended entries, default
 * configurations.
 */
#include "table.h"
#include "x86/layout.h"

#include <errno.h>
#include <string.h>

struct mp_pointer {
	char signature[4];
	uint32_t table;
	uint8_t length; /* in 16 bytes */
	uint8_t spec_revision;
	uint8_t checksum;
	uint8_t feature[5]; /* [0] 0: has a table; [1] bit 7 clear: no IMCR */
} __attribute__((packed));
_Static_assert(sizeof(struct mp_pointer) == 16, "MP floating pointer");

struct mp_config {
	char signature[4];
	uint16_t length;
	uint8_t spec_revision;
	uint8_t checksum;
	char oem_id[8];
	char product_id[12];
	uint32_t oem_table;
	uint16_t oem_table_bytes;
	uint16_t nr_entries;
	uint32_t lapic;
	uint16_t extended_length;
	uint8_t extended_checksum;
	uint8_t reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct mp_config) == 44, "MP configuration table header");

struct mp_processor {
	uint8_t type;
	uint8_t apic_id;
	uint8_t apic_version;
	uint8_t flags;
	uint32_t signature;
	uint32_t features;
	uint32_t reserved[2];
} __attribute__((packed));
_Static_assert(sizeof(struct mp_processor) == 20, "MP processor entry");

struct mp_bus {
	uint8_t type;
	uint8_t id;
	char name[6];
} __attribute__((packed));

struct mp_ioapic {
	uint8_t type;
	uint8_t id;
	uint8_t version;
	uint8_t flags;
	uint32_t gpa;
} __attribute__((packed));

/* I/O and local interrupts have the same form. */
struct mp_interrupt {
	uint8_t type;
	uint8_t kind;
	uint16_t flags;
	uint8_t bus;
	uint8_t bus_irq;
	uint8_t apic_id;
	uint8_t pin;
} __attribute__((packed));
_Static_assert(sizeof(struct mp_interrupt) == 8, "MP interrupt entry");

enum { MP_PROCESSOR, MP_BUS, MP_IOAPIC, MP_IO_INTERRUPT, MP_LOCAL_INTERRUPT };
enum { MP_INT = 0, MP_NMI = 1, MP_EXTINT = 3 };

#define MP_SPEC_REVISION 4
#define MP_ISA_BUS 0
#define MP_ENABLED 1
#define MP_BOOT_PROCESSOR 2
#define MP_ALL_APICS 0xff
#define MP_BUS_CONFORMING 0 /* ISA: edge, active high */
#define LAPIC_VERSION 0x14  /* as in KVM's local APIC */
#define IOAPIC_VERSION 0x11 /* as in KVM's IOAPIC */
#define CPU_SIGNATURE 0x600 /* family 6; kernels use CPUID instead */
#define CPU_FEATURES 0x201  /* FPU, APIC */
#define TIMER_PIN 0

/* All ids, and all pins as well as both local interrupts. */
#define MP_MAX_BYTES                                                                               \
	(sizeof(struct mp_pointer) + sizeof(struct mp_config) +                                    \
	 (TABLES_MAX_APIC_ID + 1) * sizeof(struct mp_processor) + sizeof(struct mp_bus) +          \
	 sizeof(struct mp_ioapic) + (NR_IOAPIC_PINS + 2) * sizeof(struct mp_interrupt))
_Static_assert(MP_MAX_BYTES <= MPTABLE_MAX_BYTES, "every table has room");

static void append(struct mp_config *head, const void *entry, size_t len)
{
	memcpy((uint8_t *)head + head->length, entry, len);
	head->length = (uint16_t)(head->length + len);
	head->nr_entries++;
}

static void append_processors(struct mp_config *head, const struct tables_config *config,
			      uint8_t ioapic_id)
{
	for (unsigned int i = 0; i < config->nr_cpus; i++) {
		struct mp_processor e = { .type = MP_PROCESSOR, .apic_version = LAPIC_VERSION };

		if (config->apic_id[i] > TABLES_MAX_APIC_ID || config->apic_id[i] == ioapic_id)
			continue;
		e.apic_id = (uint8_t)config->apic_id[i];
		e.flags = i == 0 ? MP_ENABLED | MP_BOOT_PROCESSOR : MP_ENABLED;
		e.signature = CPU_SIGNATURE;
		e.features = CPU_FEATURES;
		append(head, &e, sizeof(e));
	}
}

static void append_chips(struct mp_config *head, uint8_t ioapic_id)
{
	struct mp_bus bus = { .type = MP_BUS,
			      .id = MP_ISA_BUS,
			      .name = { 'I', 'S', 'A', ' ', ' ', ' ' } };
	struct mp_ioapic ioapic = { .type = MP_IOAPIC,
				    .id = ioapic_id,
				    .version = IOAPIC_VERSION,
				    .flags = MP_ENABLED,
				    .gpa = IOAPIC_GPA };

	append(head, &bus, sizeof(bus));
	append(head, &ioapic, sizeof(ioapic));
}

static void append_lines(struct mp_config *head, struct tables_lines lines, uint8_t ioapic_id)
{
	for (unsigned int gsi = 0; gsi < NR_IOAPIC_PINS; gsi++) {
		struct mp_interrupt e = { .type = MP_IO_INTERRUPT,
					  .kind = MP_INT,
					  .bus = MP_ISA_BUS };

		if (!(lines.used & 1U << gsi))
			continue;
		e.flags = lines.level & 1U << gsi ? TABLES_LEVEL_HIGH : MP_BUS_CONFORMING;
		e.bus_irq = (uint8_t)gsi;
		e.apic_id = ioapic_id;
		e.pin = (uint8_t)gsi;
		append(head, &e, sizeof(e));
	}
}

/* Writes the wiring of a local APIC's two pins. */
static void append_local(struct mp_config *head, uint8_t boot_apic_id)
{
	struct mp_interrupt extint = { .type = MP_LOCAL_INTERRUPT,
				       .kind = MP_EXTINT,
				       .bus = MP_ISA_BUS,
				       .apic_id = boot_apic_id,
				       .pin = 0 };
	struct mp_interrupt nmi = { .type = MP_LOCAL_INTERRUPT,
				    .kind = MP_NMI,
				    .bus = MP_ISA_BUS,
				    .apic_id = MP_ALL_APICS,
				    .pin = 1 };

	append(head, &extint, sizeof(extint));
	append(head, &nmi, sizeof(nmi));
}

static void fill_table(struct mp_config *head, const struct tables_config *config)
{
	struct tables_lines lines = tables_lines(config->devices);
	uint8_t ioapic_id = tables_ioapic_id(config);

	lines.used |= 1U << TIMER_PIN;
	*head = (struct mp_config){ .length = sizeof(*head),
				    .spec_revision = MP_SPEC_REVISION,
				    .lapic = LAPIC_GPA };
	memcpy(head->signature, "PCMP", 4);
	memcpy(head->oem_id, "KVM     ", 8);
	memcpy(head->product_id, "MACHINE     ", 12);
	append_processors(head, config, ioapic_id);
	append_chips(head, ioapic_id);
	append_lines(head, lines, ioapic_id);
	append_local(head, (uint8_t)config->apic_id[0]);
	head->checksum = tables_checksum(head, head->length);
}

int mptable_write(const struct gmem *mem, const struct tables_config *config)
{
	struct mp_pointer *pointer = gmem_at(mem, MPTABLE_GPA, MPTABLE_MAX_BYTES);

	if (!pointer)
		return -EFAULT;
	*pointer = (struct mp_pointer){ .table = MPTABLE_GPA + sizeof(*pointer), .length = 1 };
	memcpy(pointer->signature, "_MP_", 4);
	pointer->spec_revision = MP_SPEC_REVISION;
	pointer->checksum = tables_checksum(pointer, sizeof(*pointer));
	fill_table((struct mp_config *)(pointer + 1), config);
	return 0;
}
