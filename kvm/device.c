/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps the list of devices that ACPI, the MP table, the device tree and the command line describe.
 * See device.h.
 */
#include "kvm/device.h"

#include <errno.h>

int device_publish(struct device_list *list, const struct device_info *info)
{
	if (list->nr == DEVICE_LIST_MAX)
		return -ENOSPC;
	list->dev[list->nr++] = *info;
	return 0;
}
