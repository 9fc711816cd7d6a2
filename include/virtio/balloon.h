/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory balloon (virtio 1.2, 5.5) gives memory that the guest does not need back to the host.
 */
#ifndef VIRTIO_BALLOON_H
#define VIRTIO_BALLOON_H

#include "virtio/virtio.h"

/* The most that the configuration space can express: 32 bits of pages. */
#define BALLOON_MAX_BYTES ((uint64_t)UINT32_MAX * 4 * KIB)

/*
 * Sets up @v, which stays the caller's. The driver takes @target_bytes from its guest as soon as it
 * runs; the target is at most BALLOON_MAX_BYTES and is rounded down to pages of 4 KiB. Returns 0 or
 * -errno; call virtio_fini() in either case. Thread: setup.
 */
int balloon_init(struct virtio_device *v, const struct gmem *mem, struct loop *loop,
		 uint64_t target_bytes);

#endif
