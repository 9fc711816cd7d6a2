/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the search for the root file system with an untrusted disk.
 *
 * The first byte is the disk's size; then come sectors, each after its number (2 bytes), over a
 * disk of zeros. Reads stay on the disk and are few, and the answer is consistent and printable.
 */
#include "virtio/rootdev.h"

#include "unit/partition_image.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SECTORS 4096
#define MAX_READS 600

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
	unsigned char *image;
	uint64_t size_bytes;
	unsigned int nr_reads;
};

static int source_read(void *ctx, uint64_t offset, void *buf, uint64_t len)
{
	struct source *s = ctx;

	if (!len || offset >= s->size_bytes || len > s->size_bytes - offset ||
	    ++s->nr_reads > MAX_READS)
		abort();
	memcpy(buf, s->image + offset, len);
	return 0;
}

static void check(const struct rootdev *root)
{
	size_t len = strnlen(root->choices, sizeof(root->choices));

	if (len == sizeof(root->choices) || root->partition > 255 || root->found != !!root->why ||
	    (root->partition && !root->found))
		abort();
	for (size_t i = 0; i < len; i++) {
		if (root->choices[i] < ' ' || root->choices[i] > '~')
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t root_type[GUID_BYTES];
	struct rootdev root;
	struct source s = { 0 };
	struct rootdev_disk disk = { .read = source_read, .ctx = &s, .root_type = root_type };

	if (!size)
		return 0;
	disk.block_bytes = size % 2 ? 4096 : 512;
	s.size_bytes = (data[0] == 255 ? MAX_SECTORS : data[0]) * (uint64_t)SECTOR;
	s.image = calloc(MAX_SECTORS, SECTOR);
	put_guid(root_type, GUID_ROOT);
	for (data++, size--; size > 2;) {
		uint64_t lba = (data[0] | data[1] << 8) % MAX_SECTORS;
		size_t len = min_u64(size - 2, SECTOR);

		memcpy(s.image + lba * SECTOR, data + 2, len);
		data += 2 + len;
		size -= 2 + len;
	}
	disk.size_bytes = s.size_bytes;
	if (!rootdev_find(&disk, &root))
		check(&root);
	free(s.image);
	return 0;
}
