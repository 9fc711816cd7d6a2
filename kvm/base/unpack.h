/* SPDX-License-Identifier: GPL-2.0-only */
/* Files that may be compressed. */
#ifndef KVM_BASE_UNPACK_H
#define KVM_BASE_UNPACK_H

#include "kvm/types.h"

/*
 * Reads a file whole; one that is called .gz, .xz or .zst as what gzip(1), xz(1) or zstd(1) unpack
 * it to. The caller frees *@bytes. Returns 0 or -errno having said why. Set-up time, main's thread.
 */
int unpack_file(const char *path, uint8_t **bytes, size_t *len);

#endif
