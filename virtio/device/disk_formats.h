/* SPDX-License-Identifier: GPL-2.0-only */
/* The table of disk formats; private to virtio/. */
#ifndef VIRTIO_DEVICE_DISK_FORMATS_H
#define VIRTIO_DEVICE_DISK_FORMATS_H

#include "virtio/disk/disk_impl.h"

/* For struct disk_options. */
extern const struct disk_format disk_formats[];

#endif
