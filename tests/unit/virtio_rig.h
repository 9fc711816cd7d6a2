/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver's side of a virtqueue for tests: 4 MiB of guest memory, another region above 4 GiB,
 * and a ring.
 *
 * The ring is written as a driver, also a hostile one, would write it.
 */
#ifndef VIRTIO_RIG_H
#define VIRTIO_RIG_H

#include "kvm/gmem.h"
#include "virtio/virtqueue.h"

#include <string.h>

#define RIG_MEM_BYTES (4 * MIB)
#define RIG_HIGH_GPA (4 * GIB)
#define RIG_HIGH_BYTES (2 * GIB) /* never touched */
#define RIG_SIZE 8
#define RIG_DESC_GPA 0x1000
#define RIG_AVAIL_GPA 0x2000
#define RIG_USED_GPA 0x3000
#define RIG_INDIRECT_GPA 0x4000
#define RIG_DATA_GPA 0x10000

struct ring_rig {
	struct gmem mem;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	struct vring_desc *indirect;
	uint16_t size;
};

static inline void rig_init(struct ring_rig *r)
{
	memset(r, 0, sizeof(*r));
	gmem_init(&r->mem);
	assert_int_equal(gmem_add(&r->mem, 0, RIG_MEM_BYTES, GMEM_NORMAL), 0);
	assert_int_equal(gmem_add(&r->mem, RIG_HIGH_GPA, RIG_HIGH_BYTES, GMEM_NORMAL), 0);
	r->desc = gmem_at(&r->mem, RIG_DESC_GPA, 16 * 256);
	r->avail = gmem_at(&r->mem, RIG_AVAIL_GPA, 4096);
	r->used = gmem_at(&r->mem, RIG_USED_GPA, 4096);
	r->indirect = gmem_at(&r->mem, RIG_INDIRECT_GPA, 4096);
	r->size = RIG_SIZE;
}

static inline void rig_fini(struct ring_rig *r)
{
	gmem_fini(&r->mem);
}

static inline void rig_desc(struct ring_rig *r, unsigned int i, gpa_t addr, uint32_t len,
			    uint16_t flags, uint16_t next)
{
	r->desc[i] = (struct vring_desc){ .addr = addr, .len = len, .flags = flags, .next = next };
}

static inline void rig_avail(struct ring_rig *r, uint16_t head)
{
	uint16_t idx = r->avail->idx;

	r->avail->ring[idx % r->size] = head;
	__atomic_store_n(&r->avail->idx, (uint16_t)(idx + 1), __ATOMIC_RELEASE);
}

static inline uint16_t *rig_used_event(struct ring_rig *r)
{
	return &r->avail->ring[r->size];
}

static inline uint16_t *rig_avail_event(struct ring_rig *r)
{
	return (uint16_t *)&r->used->ring[r->size];
}

#endif
