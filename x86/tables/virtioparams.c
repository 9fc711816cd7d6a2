/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names virtio devices on the kernel's command line, for kernels that do not find them by ACPI or a
 * device tree.
 *
 * Linux's virtio_mmio driver (CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES) takes one <size>@<address>:<irq>
 * for each device and numbers the devices in their order.
 */
#include "tables.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct resource *find(const struct device_info *info, enum resource_type type)
{
	for (unsigned int i = 0; i < DEVICE_MAX_RESOURCES && info->res[i].type != RES_END; i++) {
		if (info->res[i].type == type)
			return &info->res[i];
	}
	return NULL;
}

void tables_virtio_params(const struct device_list *devices,
			  char params[TABLES_VIRTIO_PARAMS_BYTES])
{
	char *at = params, *end = params + TABLES_VIRTIO_PARAMS_BYTES;

	*at = '\0';
	for (unsigned int i = 0; i < devices->nr; i++) {
		const struct device_info *info = &devices->dev[i];
		const struct resource *mmio = find(info, RES_MMIO), *irq = find(info, RES_IRQ);

		if (!info->fdt_compatible || strcmp(info->fdt_compatible, "virtio,mmio") != 0)
			continue;
		at += snprintf(at, (size_t)(end - at), "%svirtio_mmio.device=%lluK@0x%llx:%llu",
			       at == params ? "" : " ",
			       (unsigned long long)(mmio->size_bytes / KIB),
			       (unsigned long long)mmio->base, (unsigned long long)irq->base);
		assert(at < end);
	}
}
