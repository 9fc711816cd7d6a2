/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unpacks the DEFLATE compressed data format (RFC 1951), without a wrapper, from memory to memory.
 */
#ifndef VIRTIO_QCOW2_INFLATE_H
#define VIRTIO_QCOW2_INFLATE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Unpacks until the stream ends or @out is full; ignores the rest of @in. Returns how many bytes of
 * @out are filled, or -EINVAL if the stream is malformed or @in ends before it; the contents of
 * @out are then undefined. Uses some KiB of stack and no other memory. Thread: any.
 */
ssize_t inflate_raw(const void *in, size_t in_bytes, void *out, size_t out_bytes);

#endif
