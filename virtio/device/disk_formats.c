/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lists the formats of disk images for format=, for images that name their backing file's format,
 * and for guessing a format that is not named. To add a format, add its file and a row here.
 */
#include "disk_formats.h"

#include "virtio/qcow2/qcow2.h"

const struct disk_format disk_formats[] = {
	{ "raw", NULL, disk_raw_open },
	{ "qcow2", qcow2_probe, qcow2_open },
	{ NULL, NULL, NULL },
};
