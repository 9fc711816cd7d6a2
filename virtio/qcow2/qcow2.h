/* SPDX-License-Identifier: GPL-2.0-only */
/* The functions of the qcow2 format for struct disk_format; private to virtio/. */
#ifndef VIRTIO_QCOW2_QCOW2_H
#define VIRTIO_QCOW2_QCOW2_H

#include "virtio/disk/disk_impl.h"

/* Whether it is a qcow2 image of a supported version. */
bool qcow2_probe(const void *sector, size_t len);
int qcow2_open(struct disk_node **out, struct disk_file *f, const struct disk_options *options,
	       const struct disk_chain *above, bool guessed);

#endif
