/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes the DSDT: AML made from the device list.
 *
 * Models ACPI 6.5, 5.2.11.1, with objects of chapters 5 to 7:
 * - \_S5 and the processors (ACPI0007)
 * - one Device for each list entry that has a _HID, with its ranges and lines as _CRS
 * - for the power button a PNP0C0C, and a generic event device (5.6.9) that notifies it
 *
 * acpi_write() calls it. Thread: setup.
 *
 * On a hardware-reduced machine Linux drops the 8259 and with it all fixed ISA interrupts. It takes
 * each line's number, trigger and polarity from _CRS alone, so they must be correct there.
 *
 * AML that a guest interprets at boot costs it instructions, so there are names, not methods: a
 * processor is a _HID and a _UID that the MADT also has, so that it needs no _STA and no _MAT.
 * Invariant: names are unique as long as no two devices share _HID and _UID. Not described: ranges
 * above 4 GiB, more than one power button.
 */
#include "acpi_parts.h"

#include "hw/ports.h"
#include "x86/layout.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define MAX_PROCESSORS 0x1000 /* C000 .. CFFF */

static void dsdt_s5(struct aml *out)
{
	size_t package;

	aml_name(out, "_S5");
	package = aml_package(out, 4);
	aml_integer(out, ACPI_SLP_TYP_S5);
	aml_integer(out, ACPI_SLP_TYP_S5);
	aml_integer(out, 0);
	aml_integer(out, 0);
	aml_end(out, package);
}

/*
 * Writes a letter and three hexadecimal digits: cheaper than snprintf() for each of a thousand
 * processors.
 */
static void numbered_name(char name[5], char letter, unsigned int number)
{
	static const char digit[] = "0123456789ABCDEF";

	name[0] = letter;
	name[1] = digit[number >> 8 & 0xf];
	name[2] = digit[number >> 4 & 0xf];
	name[3] = digit[number & 0xf];
	name[4] = '\0';
}

static void dsdt_processors(struct aml *out, unsigned int nr_cpus)
{
	if (nr_cpus > MAX_PROCESSORS) {
		out->overflow = true;
		return;
	}
	for (unsigned int uid = 0; uid < nr_cpus; uid++) {
		size_t device;
		char name[5];

		numbered_name(name, 'C', uid);
		device = aml_device(out, name);
		aml_name(out, "_HID");
		aml_string(out, "ACPI0007");
		aml_name(out, "_UID");
		aml_integer(out, uid);
		aml_end(out, device);
	}
}

/* Chooses names that people know from a PC's logs. Other devices get a number. */
static void device_name(char name[5], const struct device_info *info, unsigned int index)
{
	static const struct {
		const char *hid;
		const char *name;
	} known[] = { { "PNP0303", "KBD" }, { "PNP0F13", "MOU" }, { "PNP0B00", "RTC" } };

	if (!strcmp(info->acpi_hid, "PNP0501") && info->uid < 10) {
		memcpy(name, "COM0", 5);
		name[3] += (char)info->uid;
		return;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(known); i++) {
		if (!strcmp(info->acpi_hid, known[i].hid) && info->uid == 0) {
			memcpy(name, known[i].name, 4);
			return;
		}
	}
	numbered_name(name, 'D', index);
}

static void dsdt_hid(struct aml *out, const char *hid)
{
	aml_name(out, "_HID");
	if (aml_is_eisa_id(hid))
		aml_eisa_id(out, hid);
	else
		aml_string(out, hid);
}

static void dsdt_resource(struct aml *out, const struct resource *res, bool isa)
{
	switch (res->type) {
	case RES_PIO:
		assert(res->size_bytes <= UINT8_MAX && res->base <= UINT16_MAX);
		aml_res_io(out, (uint16_t)res->base, (uint8_t)res->size_bytes);
		break;
	case RES_MMIO:
		assert(res->base < 4 * GIB && res->size_bytes <= 4 * GIB - res->base);
		aml_res_memory32(out, (uint32_t)res->base, (uint32_t)res->size_bytes);
		break;
	case RES_IRQ:
		assert(res->base < NR_IOAPIC_PINS);
		if (isa && res->base < NR_ISA_IRQS)
			aml_res_irq(out, (unsigned int)res->base, res->edge, res->shared);
		else
			aml_res_interrupt(out, (uint32_t)res->base, res->edge, res->shared);
		break;
	case RES_END:
		break;
	}
}

/* @isa: describes interrupts below 16 as ISA lines, as PNP devices do. */
static void dsdt_resources(struct aml *out, const struct device_info *info, bool isa)
{
	size_t resources;

	if (info->res[0].type == RES_END)
		return;
	aml_name(out, "_CRS");
	resources = aml_resources(out);
	for (unsigned int i = 0; i < DEVICE_MAX_RESOURCES && info->res[i].type != RES_END; i++)
		dsdt_resource(out, &info->res[i], isa);
	aml_resources_end(out, resources);
}

static void dsdt_device(struct aml *out, const struct device_info *info, unsigned int index)
{
	size_t device;
	char name[5];

	device_name(name, info, index);
	device = aml_device(out, name);
	dsdt_hid(out, info->acpi_hid);
	aml_name(out, "_UID");
	aml_integer(out, info->uid);
	dsdt_resources(out, info, !strncmp(info->acpi_hid, "PNP", 3));
	aml_end(out, device);
}

/*
 * Writes the button itself, and the generic event device whose interrupt reports that it was
 * pressed.
 */
static void dsdt_power_button(struct aml *out, const struct device_info *info)
{
	size_t device, method;

	device = aml_device(out, "PWRB");
	dsdt_hid(out, "PNP0C0C");
	aml_end(out, device);

	device = aml_device(out, "GED");
	dsdt_hid(out, "ACPI0013");
	dsdt_resources(out, info, false);
	method = aml_method(out, "_EVT", 1);
	aml_notify(out, "PWRB", 0x80);
	aml_end(out, method);
	aml_end(out, device);
}

gpa_t acpi_write_dsdt(struct aml *out, const struct tables_config *config)
{
	const struct device_list *list = config->devices;
	size_t at = acpi_table_begin(out, "DSDT", 2, "KVMDSDT ");
	size_t scope;

	dsdt_s5(out);
	scope = aml_scope(out, "_SB");
	dsdt_processors(out, config->nr_cpus);
	for (unsigned int i = 0; i < list->nr; i++) {
		if (list->dev[i].kind == DEVICE_POWER_BUTTON)
			dsdt_power_button(out, &list->dev[i]);
		else if (list->dev[i].acpi_hid)
			dsdt_device(out, &list->dev[i], i);
	}
	aml_end(out, scope);
	return acpi_table_end(out, at);
}
