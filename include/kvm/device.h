/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lists the devices from which the guest's tables are made. Each device on the board publishes its
 * resources; ACPI, MP table, device tree and kernel command line are generated from this list, so
 * that a new device appears in all of them.
 */
#ifndef KVM_DEVICE_H
#define KVM_DEVICE_H

#include "kvm/types.h"

enum resource_type { RES_END = 0, RES_PIO, RES_MMIO, RES_IRQ };

struct resource {
	enum resource_type type;
	uint64_t base;	     /* port, gpa or GSI */
	uint64_t size_bytes; /* 1 for RES_IRQ */
	bool edge;	     /* RES_IRQ: edge triggered, active high; else level, active high */
	bool shared;	     /* RES_IRQ */
};

#define DEVICE_MAX_RESOURCES 4

/* What a device is to the tables, beyond its resources. */
enum device_kind {
	DEVICE_PLAIN,	     /* described by HID and resources; no HID: not in ACPI */
	DEVICE_POWER_BUTTON, /* a generic event device (ACPI0013) that notifies PNP0C0C */
};

struct device_info {
	const char *name; /* "COM1": for messages; not owned */
	enum device_kind kind;
	const char *acpi_hid; /* "PNP0501" or "LNRO0005"; NULL: none */
	const char *fdt_compatible;
	unsigned int uid;			   /* among devices of one HID */
	struct resource res[DEVICE_MAX_RESOURCES]; /* ended by RES_END unless full */
};

#define DEVICE_LIST_MAX 96

struct device_list {
	unsigned int nr;
	struct device_info dev[DEVICE_LIST_MAX];
};

/* Appends a device to the list. Returns 0, or -ENOSPC. Thread: setup. */
int device_publish(struct device_list *list, const struct device_info *info);

#endif
