/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Builds the device tree from the device list, with libfdt's sequential writer.
 *
 * Models the Devicetree Specification 0.4 and what Linux's arch/x86/kernel/devicetree.c reads:
 * - processors, by their local APIC's id in "reg"
 * - one "intel,ce4100-lapic", and one "intel,ce4100-ioapic" whose interrupt specifiers are a pin
 *   and a sense
 * - "intel,ce4100-cp" for the bus of devices with addresses, and "isa" for that of devices with
 *   ports
 *
 * (The names come from the SoC that was the first x86 with a device tree; they mean the common PC
 * chips.) "simple-bus" is there for Linux's generic code, which looks for devices before the x86
 * code does.
 *
 * A list entry without a "compatible" has no node. Errors of libfdt are collected: after one,
 * further calls of the writer do nothing, and fdt_build() returns it at the end. The only possible
 * one is lack of room.
 */
#include "fdt.h"

#include "kvm/device.h"
#include "x86/layout.h"

#include <assert.h>
#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#define IOAPIC_PHANDLE 1
#define APIC_BYTES 0x1000
#define ISA_IO 1 /* first cell of an ISA address: ports (IEEE 1275 ISA binding) */
#define PORTS 0x10000
#define UART_HZ 1843200
#define REG_CELLS 4 /* of one address and size, at most */

/* An interrupt's second cell, as in devicetree.c's of_ioapic_type. */
enum { SENSE_LEVEL_HIGH = 1, SENSE_EDGE_RISING = 3 };

struct tree {
	void *fdt;
	int err; /* the first error of libfdt */
};

static void note(struct tree *t, int err)
{
	if (!t->err)
		t->err = err;
}

static void begin(struct tree *t, const char *name)
{
	note(t, fdt_begin_node(t->fdt, name));
}

static void begin_at(struct tree *t, const char *name, uint64_t address)
{
	char full[32];

	snprintf(full, sizeof(full), "%s@%llx", name, (unsigned long long)address);
	begin(t, full);
}

static void end(struct tree *t)
{
	note(t, fdt_end_node(t->fdt));
}

static void flag(struct tree *t, const char *name)
{
	note(t, fdt_property(t->fdt, name, NULL, 0));
}

static void string(struct tree *t, const char *name, const char *value)
{
	note(t, fdt_property_string(t->fdt, name, value));
}

static void cell(struct tree *t, const char *name, uint32_t value)
{
	note(t, fdt_property_u32(t->fdt, name, value));
}

static void cells(struct tree *t, const char *name, const uint32_t *value, unsigned int nr)
{
	fdt32_t be[REG_CELLS * DEVICE_MAX_RESOURCES];

	assert(nr <= ARRAY_SIZE(be));
	for (unsigned int i = 0; i < nr; i++)
		be[i] = cpu_to_fdt32(value[i]);
	note(t, fdt_property(t->fdt, name, be, (int)(nr * sizeof(be[0]))));
}

static void cell_counts(struct tree *t, uint32_t address, uint32_t size)
{
	cell(t, "#address-cells", address);
	cell(t, "#size-cells", size);
}

static void chosen(struct tree *t, const struct fdt_config *config)
{
	begin(t, "chosen");
	string(t, "bootargs", config->bootargs);
	if (config->initrd_bytes) {
		cell(t, "linux,initrd-start", (uint32_t)config->initrd);
		cell(t, "linux,initrd-end", (uint32_t)(config->initrd + config->initrd_bytes));
	}
	end(t);
}

static void cpus(struct tree *t, const struct tables_config *tables)
{
	begin(t, "cpus");
	cell_counts(t, 1, 0);
	for (unsigned int i = 0; i < tables->nr_cpus; i++) {
		begin_at(t, "cpu", tables->apic_id[i]);
		string(t, "device_type", "cpu");
		string(t, "compatible", "intel,ce4100");
		cell(t, "reg", tables->apic_id[i]);
		end(t);
	}
	end(t);
}

static void memory(struct tree *t, const struct gmem *mem)
{
	for (unsigned int i = 0; i < mem->nr_regions; i++) {
		const struct gmem_region *r = &mem->region[i];
		uint32_t reg[] = { (uint32_t)(r->gpa >> 32), (uint32_t)r->gpa,
				   (uint32_t)(r->size_bytes >> 32), (uint32_t)r->size_bytes };

		begin_at(t, "memory", r->gpa);
		string(t, "device_type", "memory");
		cells(t, "reg", reg, ARRAY_SIZE(reg));
		end(t);
	}
}

static void apic(struct tree *t, const char *compatible, uint32_t gpa)
{
	uint32_t reg[] = { 0, gpa, 0, APIC_BYTES };

	begin_at(t, "interrupt-controller", gpa);
	string(t, "compatible", compatible);
	cells(t, "reg", reg, ARRAY_SIZE(reg));
	flag(t, "interrupt-controller");
	cell(t, "#interrupt-cells", 2);
	cell(t, "#address-cells", 0);
}

static void apics(struct tree *t)
{
	apic(t, "intel,ce4100-ioapic", IOAPIC_GPA);
	cell(t, "phandle", IOAPIC_PHANDLE);
	end(t);
	apic(t, "intel,ce4100-lapic", LAPIC_GPA);
	flag(t, "intel,virtual-wire-mode"); /* the 8259 reaches LINT0 directly */
	end(t);
}

/*
 * Names nodes after what they are, not after what programs them (Devicetree Specification, 2.2.2).
 */
static const char *node_name(const char *compatible)
{
	static const struct {
		const char *compatible, *name;
	} known[] = { { "ns16550a", "serial" },
		      { "motorola,mc146818", "rtc" },
		      { "virtio,mmio", "virtio" } };

	for (unsigned int i = 0; i < ARRAY_SIZE(known); i++) {
		if (!strcmp(known[i].compatible, compatible))
			return known[i].name;
	}
	return "device";
}

/*
 * Appends to "reg": two cells each for addresses, ISA's form for ports. Returns the new number of
 * cells.
 */
static unsigned int append_reg(uint32_t *reg, unsigned int nr, const struct resource *r)
{
	assert(r->base < 4 * GIB && r->size_bytes <= 4 * GIB - r->base);
	reg[nr++] = r->type == RES_PIO ? ISA_IO : 0;
	reg[nr++] = (uint32_t)r->base;
	if (r->type == RES_MMIO)
		reg[nr++] = 0;
	reg[nr++] = (uint32_t)r->size_bytes;
	return nr;
}

/*
 * Writes "reg" and "interrupts". @type, the bus's kind, selects the resources that are addresses.
 */
static void resources(struct tree *t, const struct device_info *info, enum resource_type type)
{
	uint32_t reg[REG_CELLS * DEVICE_MAX_RESOURCES], irq[2 * DEVICE_MAX_RESOURCES];
	unsigned int nr_reg = 0, nr_irq = 0;

	for (unsigned int i = 0; i < DEVICE_MAX_RESOURCES && info->res[i].type != RES_END; i++) {
		const struct resource *r = &info->res[i];

		if (r->type == RES_IRQ) {
			irq[nr_irq++] = (uint32_t)r->base;
			irq[nr_irq++] = r->edge ? SENSE_EDGE_RISING : SENSE_LEVEL_HIGH;
		} else if (r->type == type) {
			nr_reg = append_reg(reg, nr_reg, r);
		}
	}
	if (nr_reg)
		cells(t, "reg", reg, nr_reg);
	if (nr_irq)
		cells(t, "interrupts", irq, nr_irq);
}

/* Writes the devices whose first resource is of the bus's kind. */
static void devices(struct tree *t, const struct device_list *list, enum resource_type type)
{
	for (unsigned int i = 0; i < list->nr; i++) {
		const struct device_info *info = &list->dev[i];

		if (!info->fdt_compatible || info->res[0].type != type)
			continue;
		begin_at(t, node_name(info->fdt_compatible), info->res[0].base);
		string(t, "compatible", info->fdt_compatible);
		resources(t, info, type);
		if (!strcmp(info->fdt_compatible, "ns16550a"))
			cell(t, "clock-frequency", UART_HZ);
		end(t);
	}
}

static void isa(struct tree *t, const struct device_list *list)
{
	static const uint32_t ranges[] = { ISA_IO, 0, 0, 0, PORTS };

	begin(t, "isa@0");
	string(t, "compatible", "isa");
	cell_counts(t, 2, 1);
	cells(t, "ranges", ranges, ARRAY_SIZE(ranges));
	devices(t, list, RES_PIO);
	end(t);
}

static void soc(struct tree *t, const struct device_list *list)
{
	static const char compatible[] = "intel,ce4100-cp\0simple-bus";

	begin(t, "soc");
	note(t, fdt_property(t->fdt, "compatible", compatible, sizeof(compatible)));
	cell_counts(t, 2, 2);
	flag(t, "ranges");
	apics(t);
	devices(t, list, RES_MMIO);
	isa(t, list);
	end(t);
}

int fdt_build(void *buf, uint32_t cap_bytes, const struct fdt_config *config)
{
	struct tree t = { .fdt = buf };

	note(&t, fdt_create(buf, (int)cap_bytes));
	note(&t, fdt_finish_reservemap(buf));
	begin(&t, "");
	cell_counts(&t, 2, 2);
	string(&t, "compatible", "linux,dummy-virt");
	string(&t, "model", "KVM machine");
	cell(&t, "interrupt-parent", IOAPIC_PHANDLE);
	chosen(&t, config);
	cpus(&t, config->tables);
	memory(&t, config->mem);
	soc(&t, config->tables->devices);
	end(&t);
	note(&t, fdt_finish(buf));
	assert(!t.err || t.err == -FDT_ERR_NOSPACE);
	return t.err ? -ENOSPC : (int)fdt_totalsize(buf);
}
