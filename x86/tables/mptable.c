/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes the MP table, for kernels without ACPI.
 *
 * Models the MultiProcessor Specification 1.4, chapter 4. The floating pointer lies at the
 * beginning of the EBDA's last KiB, where section 4 makes a system look for it. The configuration
 * table follows directly, with its base entries in the order that the specification requires:
 * processors, bus, IOAPIC, I/O interrupts, local interrupts. The board calls mptable_write() once,
 * before any vCPU runs. Thread: setup.
 *
 * - All lines belong to one ISA bus, 1:1 on the IOAPIC's pins, even those above 15: there is no
 *   other bus, and the entries state trigger and polarity themselves.
 * - The timer is on pin 0, as in KVM's default routing.
 * - The 8259s reach the local APICs' LINT0 directly (virtual wire mode without an IMCR), so no
 *   IOAPIC pin is ExtINT.
 * - Interrupts have precedence in the KiB; then follow as many processors as there is room for, in
 *   their order.
 *
 * Invariant: no two APICs in the table have the same id. Not written: extended entries, default
 * configurations.
 */
#include "kvm/log.h"
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

struct mp_table {
	struct mp_config *head;
	size_t cap_bytes;
};

/* Returns false if there is no room. */
static bool append(struct mp_table *t, const void *entry, size_t len)
{
	if (t->cap_bytes - t->head->length < len)
		return false;
	memcpy((uint8_t *)t->head + t->head->length, entry, len);
	t->head->length = (uint16_t)(t->head->length + len);
	t->head->nr_entries++;
	return true;
}

/* Leaves @reserve_bytes free for the entries that follow. */
static void append_processors(struct mp_table *t, const struct tables_config *config,
			      size_t reserve_bytes)
{
	uint8_t ioapic_id = tables_ioapic_id(config);
	unsigned int nr = 0;

	t->cap_bytes -= reserve_bytes;
	for (unsigned int i = 0; i < config->nr_cpus; i++) {
		struct mp_processor e = { .type = MP_PROCESSOR, .apic_version = LAPIC_VERSION };

		if (config->apic_id[i] > TABLES_MAX_APIC_ID || config->apic_id[i] == ioapic_id)
			continue;
		e.apic_id = (uint8_t)config->apic_id[i];
		e.flags = i == 0 ? MP_ENABLED | MP_BOOT_PROCESSOR : MP_ENABLED;
		e.signature = CPU_SIGNATURE;
		e.features = CPU_FEATURES;
		if (!append(t, &e, sizeof(e)))
			break;
		nr++;
	}
	t->cap_bytes += reserve_bytes;
	if (nr < config->nr_cpus)
		pr_debug("the MP table names %u of %u vCPUs", nr, config->nr_cpus);
}

static void append_chips(struct mp_table *t, uint8_t ioapic_id)
{
	struct mp_bus bus = { .type = MP_BUS,
			      .id = MP_ISA_BUS,
			      .name = { 'I', 'S', 'A', ' ', ' ', ' ' } };
	struct mp_ioapic ioapic = { .type = MP_IOAPIC,
				    .id = ioapic_id,
				    .version = IOAPIC_VERSION,
				    .flags = MP_ENABLED,
				    .gpa = IOAPIC_GPA };

	append(t, &bus, sizeof(bus));
	append(t, &ioapic, sizeof(ioapic));
}

static void append_lines(struct mp_table *t, struct tables_lines lines, uint8_t ioapic_id)
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
		append(t, &e, sizeof(e));
	}
}

/* Writes the wiring of a local APIC's two pins. */
static void append_local(struct mp_table *t, uint8_t boot_apic_id)
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

	append(t, &extint, sizeof(extint));
	append(t, &nmi, sizeof(nmi));
}

static void fill_table(struct mp_table *t, const struct tables_config *config)
{
	struct tables_lines lines = tables_lines(config->devices);
	uint8_t ioapic_id = tables_ioapic_id(config);
	unsigned int nr_interrupts;

	lines.used |= 1U << TIMER_PIN;
	nr_interrupts = (unsigned int)__builtin_popcount(lines.used) + 2;
	*t->head =
		(struct mp_config){ .length = sizeof(*t->head), .spec_revision = MP_SPEC_REVISION };
	memcpy(t->head->signature, "PCMP", 4);
	memcpy(t->head->oem_id, "KVM     ", 8);
	memcpy(t->head->product_id, "MACHINE     ", 12);
	t->head->lapic = LAPIC_GPA;
	append_processors(t, config,
			  sizeof(struct mp_bus) + sizeof(struct mp_ioapic) +
				  nr_interrupts * sizeof(struct mp_interrupt));
	append_chips(t, ioapic_id);
	append_lines(t, lines, ioapic_id);
	append_local(t, (uint8_t)config->apic_id[0]);
	t->head->checksum = tables_checksum(t->head, t->head->length);
}

int mptable_write(const struct gmem *mem, const struct tables_config *config)
{
	struct mp_pointer *pointer = gmem_at(mem, EBDA_GPA, EBDA_BYTES);
	struct mp_table t;

	if (!pointer)
		return -EFAULT;
	*pointer = (struct mp_pointer){ .table = EBDA_GPA + sizeof(*pointer), .length = 1 };
	memcpy(pointer->signature, "_MP_", 4);
	pointer->spec_revision = MP_SPEC_REVISION;
	pointer->checksum = tables_checksum(pointer, sizeof(*pointer));

	t = (struct mp_table){ .head = (struct mp_config *)(pointer + 1),
			       .cap_bytes = EBDA_BYTES - sizeof(*pointer) };
	fill_table(&t, config);
	return 0;
}
