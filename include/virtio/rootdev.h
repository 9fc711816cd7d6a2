/* SPDX-License-Identifier: GPL-2.0-only */
/* Where on a disk the root file system is, as far as the disk itself says. */
#ifndef VIRTIO_ROOTDEV_H
#define VIRTIO_ROOTDEV_H

#include "kvm/types.h"

#define GUID_BYTES 16
#define ROOTDEV_CHOICES_BYTES 512

struct rootdev_disk {
	/* Returns 0 or -errno. Called with ranges inside @size_bytes only. */
	int (*read)(void *ctx, uint64_t offset_bytes, void *buf, uint64_t len_bytes);
	void *ctx;
	uint64_t size_bytes;
	/* GPT's type of this architecture's root, GUID_BYTES as they are on a disk */
	const uint8_t *root_type;
};

struct rootdev {
	bool found;
	unsigned int partition; /* as Linux numbers it; 0: the whole disk */
	const char *why;	/* when found: how the disk says so */
	/*
	 * When not: the partitions with types and labels, printable, cut with "..." where there are
	 * too many; "" if none.
	 */
	char choices[ROOTDEV_CHOICES_BYTES];
};

/* Returns 0, also when there is nothing to find, or what @disk's read() said. Set-up time. */
int rootdev_find(const struct rootdev_disk *disk, struct rootdev *root);

#endif
