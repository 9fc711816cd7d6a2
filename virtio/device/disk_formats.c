/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lists the formats of disk images. A new one is its file and a row here: -d's format=, images that
 * name the format of their backing file, and the guess where no format is named go by this table.
 */
#include "disk_formats.h"

#include "virtio/qcow2/qcow2.h"

const struct disk_format disk_formats[] = {
	{ "raw", NULL, disk_raw_open },
	{ "qcow2", qcow2_probe, qcow2_open },
	{ NULL, NULL, NULL },
};
