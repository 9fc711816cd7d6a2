/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes the ACPI tables of a hardware-reduced machine: the fixed ones, and the pointers that join
 * all of them.
 *
 * Models ACPI 6.5: RSDP (5.2.5), XSDT (5.2.8), FADT (5.2.9). dsdt.c and madt.c write the two that
 * depend on the machine. The board calls acpi_write() once, before any vCPU runs. Thread: setup.
 *
 * - Hardware-reduced means: no PM1 registers, no PM timer, no SCI, no FACS. (With --testdev all of
 *   them except the SCI exist, for guests that do not check the kind of machine.) Sleep and reset
 *   use the registers that the FADT names; the power button is the interrupt of a generic event
 *   device.
 * - The FADT's boot flags follow the device list: a guest probes a keyboard controller or a clock
 *   only if there is one.
 * - Tables are written in place, one after the other from ACPI_GPA: RSDP, DSDT, FADT, MADT, XSDT,
 *   RSDT. The RSDP is filled in when all the rest is known to fit.
 * - The RSDT and the FADT's 32-bit address of the DSDT are for kernels that know only these, such
 *   as seL4; OSPM prefers the 64-bit forms.
 *
 * Invariant: the same configuration gives the same bytes. Not described: PCI, NUMA, caches.
 */
#include "acpi_parts.h"

#include "hw/ports.h"
#include "hw/rtc.h"
#include "x86/layout.h"

#include <errno.h>
#include <string.h>

struct acpi_rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_rsdp) == 36, "RSDP, revision 2");
#define RSDP_V1_BYTES 20

struct acpi_gas {
	uint8_t space;
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access_size;
	uint64_t address;
} __attribute__((packed));
#define GAS_SYSTEM_IO 1
#define GAS_ACCESS_BYTE 1

/* The FADT after its header. Fields that a hardware-reduced machine does not use have no names. */
struct acpi_fadt {
	uint32_t facs;
	uint32_t dsdt;
	uint8_t unused[12];  /* offsets 44 .. 55 */
	uint32_t pm1a_event; /* 56 */
	uint32_t pm1b_event;
	uint32_t pm1a_control;
	uint32_t pm1b_control;
	uint32_t pm2_control;
	uint32_t pm_timer; /* 76 */
	uint64_t gpe;
	uint8_t pm1_event_bytes; /* 88 */
	uint8_t pm1_control_bytes;
	uint8_t pm2_control_bytes;
	uint8_t pm_timer_bytes;
	uint8_t unused_more[16]; /* 92 .. 107 */
	uint8_t century;	 /* 108 */
	uint16_t boot_flags;	 /* 109 */
	uint8_t reserved;
	uint32_t flags;		   /* 112 */
	struct acpi_gas reset_reg; /* 116 */
	uint8_t reset_value;	   /* 128 */
	uint16_t arm_boot_flags;
	uint8_t minor_version; /* 131 */
	uint64_t x_facs;
	uint64_t x_dsdt; /* 140 */
	struct acpi_gas unused_x_pm[8];
	struct acpi_gas sleep_control; /* 244 */
	struct acpi_gas sleep_status;  /* 256 */
	char hypervisor_id[8];	       /* 268 */
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_header) + sizeof(struct acpi_fadt) == 276, "FADT, revision 6");
_Static_assert(sizeof(struct acpi_header) + offsetof(struct acpi_fadt, pm_timer) == 76,
	       "FADT, PM timer");
_Static_assert(sizeof(struct acpi_header) + offsetof(struct acpi_fadt, flags) == 112,
	       "FADT, flags");
_Static_assert(sizeof(struct acpi_header) + offsetof(struct acpi_fadt, x_dsdt) == 140,
	       "FADT, X_DSDT");
_Static_assert(sizeof(struct acpi_header) + offsetof(struct acpi_fadt, sleep_control) == 244,
	       "FADT, sleep");

struct acpi_facs {
	char signature[4];
	uint32_t length;
	uint32_t hardware_signature;
	uint32_t waking_vector;
	uint32_t global_lock;
	uint32_t flags;
	uint64_t x_waking_vector;
	uint8_t version;
	uint8_t reserved[31];
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_facs) == 64, "FACS");
_Static_assert(FACS_GPA % 64 == 0 && FACS_GPA - ACPI_GPA >= sizeof(struct acpi_rsdp),
	       "FACS, after the RSDP");
#define FACS_VERSION 2

#define FADT_REVISION 6
#define FADT_MINOR 5
#define FADT_WBINVD (1U << 0)
#define FADT_PWR_BUTTON (1U << 4) /* set: no fixed-feature button */
#define FADT_SLP_BUTTON (1U << 5) /* set: no fixed-feature button */
#define FADT_RESET_REG_SUP (1U << 10)
#define FADT_HW_REDUCED (1U << 20)
#define FADT_BOOT_LEGACY_DEVICES (1U << 0)
#define FADT_BOOT_8042 (1U << 1)
#define FADT_BOOT_NO_VGA (1U << 2)
#define FADT_BOOT_NO_CMOS_RTC (1U << 5)

static bool has_hid(const struct device_list *list, const char *hid)
{
	for (unsigned int i = 0; i < list->nr; i++) {
		if (list->dev[i].acpi_hid && !strcmp(list->dev[i].acpi_hid, hid))
			return true;
	}
	return false;
}

static struct acpi_gas io_byte(uint16_t port)
{
	return (struct acpi_gas){ .space = GAS_SYSTEM_IO,
				  .bit_width = 8,
				  .access_size = GAS_ACCESS_BYTE,
				  .address = port };
}

static uint16_t boot_flags(const struct device_list *devices)
{
	unsigned int flags = FADT_BOOT_NO_VGA;

	if (has_hid(devices, "PNP0501") || has_hid(devices, "PNP0303"))
		flags |= FADT_BOOT_LEGACY_DEVICES;
	if (has_hid(devices, "PNP0303"))
		flags |= FADT_BOOT_8042;
	if (!has_hid(devices, "PNP0B00"))
		flags |= FADT_BOOT_NO_CMOS_RTC;
	return (uint16_t)flags;
}

/*
 * Sets the fields that OSPM ignores on a hardware-reduced machine (5.2.9, HW_REDUCED_ACPI).
 * Programs that test KVM read them.
 */
static void name_pm_registers(struct acpi_fadt *fadt)
{
	fadt->facs = FACS_GPA;
	fadt->pm1a_event = PORT_PM1;
	fadt->pm1_event_bytes = 4;
	fadt->pm1a_control = PORT_PM1 + 4;
	fadt->pm1_control_bytes = 2;
	fadt->pm_timer = PORT_PM_TIMER;
	fadt->pm_timer_bytes = 4;
}

static gpa_t write_fadt(struct aml *out, const struct tables_config *config, gpa_t dsdt)
{
	struct acpi_fadt fadt = {
		.boot_flags = boot_flags(config->devices),
		.dsdt = (uint32_t)dsdt,
		.flags = FADT_WBINVD | FADT_PWR_BUTTON | FADT_SLP_BUTTON | FADT_RESET_REG_SUP |
			 FADT_HW_REDUCED,
		.reset_reg = io_byte(PORT_ACPI_SLEEP + 2),
		.reset_value = ACPI_RESET_VALUE,
		.minor_version = FADT_MINOR,
		.x_dsdt = dsdt,
		.sleep_control = io_byte(PORT_ACPI_SLEEP),
		.sleep_status = io_byte(PORT_ACPI_SLEEP + 1),
		.hypervisor_id = "KVM",
	};
	size_t at = acpi_table_begin(out, "FACP", FADT_REVISION, "KVMFACP ");

	if (has_hid(config->devices, "PNP0B00"))
		fadt.century = RTC_CENTURY_REGISTER;
	if (config->pm_registers)
		name_pm_registers(&fadt);
	aml_bytes(out, &fadt, sizeof(fadt));
	return acpi_table_end(out, at);
}

static void write_facs(struct aml *out)
{
	struct acpi_facs facs = { .length = sizeof(facs), .version = FACS_VERSION };

	memcpy(facs.signature, "FACS", sizeof(facs.signature));
	aml_align(out, FACS_GPA - ACPI_GPA);
	aml_bytes(out, &facs, sizeof(facs));
}

static gpa_t write_xsdt(struct aml *out, gpa_t fadt, gpa_t madt)
{
	uint64_t entry[] = { fadt, madt };
	size_t at = acpi_table_begin(out, "XSDT", 1, "KVMXSDT ");

	aml_bytes(out, entry, sizeof(entry));
	return acpi_table_end(out, at);
}

static gpa_t write_rsdt(struct aml *out, gpa_t fadt, gpa_t madt)
{
	uint32_t entry[] = { (uint32_t)fadt, (uint32_t)madt };
	size_t at = acpi_table_begin(out, "RSDT", 1, "KVMRSDT ");

	aml_bytes(out, entry, sizeof(entry));
	return acpi_table_end(out, at);
}

static void fill_rsdp(struct acpi_rsdp *rsdp, gpa_t xsdt, gpa_t rsdt)
{
	*rsdp = (struct acpi_rsdp){
		.revision = 2, .rsdt = (uint32_t)rsdt, .length = sizeof(*rsdp), .xsdt = xsdt
	};
	memcpy(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature));
	memcpy(rsdp->oem_id, ACPI_OEM_ID, sizeof(rsdp->oem_id));
	rsdp->checksum = tables_checksum(rsdp, RSDP_V1_BYTES);
	rsdp->extended_checksum = tables_checksum(rsdp, sizeof(*rsdp));
}

int acpi_write(const struct gmem *mem, const struct tables_config *config, gpa_t *rsdp)
{
	struct acpi_rsdp *head = gmem_at(mem, ACPI_GPA, ACPI_MAX_BYTES);
	gpa_t dsdt, fadt, madt, xsdt, rsdt;
	struct aml out;

	if (!head)
		return -EFAULT;
	aml_init(&out, head, ACPI_MAX_BYTES);
	memset(head, 0, sizeof(*head));
	out.len = sizeof(*head);
	if (config->pm_registers)
		write_facs(&out);
	dsdt = acpi_write_dsdt(&out, config);
	fadt = write_fadt(&out, config, dsdt);
	madt = acpi_write_madt(&out, config);
	xsdt = write_xsdt(&out, fadt, madt);
	rsdt = write_rsdt(&out, fadt, madt);
	if (out.overflow)
		return -ENOSPC;
	fill_rsdp(head, xsdt, rsdt);
	*rsdp = ACPI_GPA;
	return 0;
}
