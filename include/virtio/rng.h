/* SPDX-License-Identifier: GPL-2.0-only */
/* An entropy device (virtio 1.2, 5.4) fills the driver's buffers from the host's getrandom(2). */
#ifndef VIRTIO_RNG_H
#define VIRTIO_RNG_H

#include "virtio/virtio.h"

/*
 * Sets up @v, which stays the caller's. Returns 0 or -errno; call virtio_fini() in either case.
 * Thread: setup.
 */
int rng_init(struct virtio_device *v, const struct gmem *mem, struct loop *loop);

#endif
