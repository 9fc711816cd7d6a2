/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The DEFLATE compressed data format (RFC 1951) without a wrapper around it, from memory to memory.
 */
#ifndef VIRTIO_QCOW2_INFLATE_H
#define VIRTIO_QCOW2_INFLATE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Unpacks until the stream ends or @out is full; what follows in @in is not looked at. Returns how
 * many bytes of @out were filled, or -EINVAL: the stream is malformed, or @in ends before it. Then
 * @out holds anything. Any thread; takes some KiB of stack and nothing else.
 */
ssize_t inflate_raw(const void *in, size_t in_bytes, void *out, size_t out_bytes);

#endif
