/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads files that may be compressed. */
#ifndef KVM_BASE_UNPACK_H
#define KVM_BASE_UNPACK_H

#include "kvm/types.h"

/*
 * Reads a whole file; unpacks one whose name ends in .gz, .xz or .zst, as gzip(1), xz(1) or zstd(1)
 * does. The caller frees *@bytes. Returns 0, or -errno (reported); -EFBIG as soon as there are more
 * than @max_bytes, some MiB. Thread: main, at set-up.
 */
int unpack_file(const char *path, size_t max_bytes, uint8_t **bytes, size_t *len);

#endif
