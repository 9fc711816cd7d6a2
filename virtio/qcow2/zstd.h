/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unpacks one frame of the Zstandard compressed data format (RFC 8878) from memory to memory.
 */
#ifndef VIRTIO_QCOW2_ZSTD_H
#define VIRTIO_QCOW2_ZSTD_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Unpacks the frame that @in begins with; ignores what follows it. Returns how many bytes of @out
 * are filled, or -EINVAL if the frame is malformed, needs a dictionary, is cut short or holds more
 * than @out_bytes; the contents of @out are then undefined. Does not verify the frame's checksum.
 * Uses some 25 KiB of stack and no other memory. Thread: any.
 */
ssize_t zstd_unpack(const void *in, size_t in_bytes, void *out, size_t out_bytes);

#endif
