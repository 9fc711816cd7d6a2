/* SPDX-License-Identifier: GPL-2.0-only */
/* A memory balloon (virtio 1.2, 5.5): what the guest does not need goes back to the host. */
#ifndef VIRTIO_BALLOON_H
#define VIRTIO_BALLOON_H

#include "virtio/virtio.h"

/* What the configuration space can say: 32 bits of pages. */
#define BALLOON_MAX_BYTES ((uint64_t)UINT32_MAX * 4 * KIB)

/*
 * @v is the caller's. @target_bytes, at most BALLOON_MAX_BYTES: what the driver is asked to take
 * from its guest as soon as it runs, rounded down to pages of 4 KiB. Returns 0 or -errno;
 * virtio_fini() in either case. Set-up time.
 */
int balloon_init(struct virtio_device *v, const struct gmem *mem, struct loop *loop,
		 uint64_t target_bytes);

#endif
