/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds the root file system of a disk from the disk's own data. */
#ifndef VIRTIO_ROOTDEV_H
#define VIRTIO_ROOTDEV_H

#include "kvm/types.h"

#define GUID_BYTES 16
#define ROOTDEV_CHOICES_BYTES 512

struct rootdev_disk {
	/* Returns 0 or -errno. Called only with ranges inside @size_bytes. */
	int (*read)(void *ctx, uint64_t offset_bytes, void *buf, uint64_t len_bytes);
	void *ctx;
	uint64_t size_bytes;
	unsigned int block_bytes; /* of a sector: 512 or 4096 */
	/* The GPT partition type of this architecture's root: GUID_BYTES bytes as on a disk. */
	const uint8_t *root_type;
};

struct rootdev {
	bool found;
	unsigned int partition; /* Linux's number of it; 0: the whole disk */
	const char *why;	/* if found: how the disk shows it */
	/* If not found: the GPT is for sectors of this size, not @block_bytes; else 0. */
	unsigned int table_block_bytes;
	/*
	 * If not found: the partitions with types and labels, printable, cut with "..." if there
	 * are too many; "" if there are none.
	 */
	char choices[ROOTDEV_CHOICES_BYTES];
};

/* Returns 0, also if there is no root to find, or the error of @disk's read(). Thread: setup. */
int rootdev_find(const struct rootdev_disk *disk, struct rootdev *root);

#endif
