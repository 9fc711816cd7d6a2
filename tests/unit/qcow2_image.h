/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes a minimal qcow2 image in memory from the specification, not with our own code. Tests and
 * the fuzzer damage it.
 *
 * The header, the refcount table, one refcount block and an L1 table are in the first clusters,
 * with correct refcounts.
 */
#ifndef QCOW2_IMAGE_H
#define QCOW2_IMAGE_H

#include <endian.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct image {
	unsigned char *bytes;
	uint64_t len, cluster, reftable, refblock, l1;
};

static inline void image_put32(struct image *m, uint64_t at, uint32_t v)
{
	v = htobe32(v);
	memcpy(m->bytes + at, &v, sizeof(v));
}

static inline void image_put64(struct image *m, uint64_t at, uint64_t v)
{
	v = htobe64(v);
	memcpy(m->bytes + at, &v, sizeof(v));
}

static inline uint64_t image_get64(const struct image *m, uint64_t at)
{
	uint64_t v;

	memcpy(&v, m->bytes + at, sizeof(v));
	return be64toh(v);
}

/* The refcounts of the first clusters, all 1. */
static inline void image_count(struct image *m, unsigned int order, unsigned int clusters)
{
	for (unsigned int i = 0; i < clusters; i++) {
		unsigned int bit = i << order;

		if (order < 3)
			m->bytes[m->refblock + bit / 8] |= (unsigned char)(1U << bit % 8);
		else
			m->bytes[m->refblock + bit / 8 + (1U << (order - 3)) - 1] = 1;
	}
}

static inline struct image image_make(unsigned int version, unsigned int cluster_bits,
				      unsigned int order, uint64_t size)
{
	uint64_t cluster = 1ULL << cluster_bits, covers = cluster * cluster / 8;
	uint64_t l1_entries = (size + covers - 1) / covers,
		 l1_clusters = (l1_entries * 8 + cluster - 1) / cluster;
	struct image m = {
		.cluster = cluster, .reftable = cluster, .refblock = 2 * cluster, .l1 = 3 * cluster
	};

	m.len = (3 + l1_clusters) * cluster;
	m.bytes = calloc(1, m.len);
	memcpy(m.bytes, "QFI\xfb", 4);
	image_put32(&m, 4, version);
	image_put32(&m, 20, cluster_bits);
	image_put64(&m, 24, size);
	image_put32(&m, 36, (uint32_t)l1_entries);
	image_put64(&m, 40, m.l1);
	image_put64(&m, 48, m.reftable);
	image_put32(&m, 56, 1);
	if (version >= 3) {
		image_put32(&m, 96, order);
		image_put32(&m, 100, 104);
	}
	image_put64(&m, m.reftable, m.refblock);
	image_count(&m, order, (unsigned int)(3 + l1_clusters));
	return m;
}

#endif
