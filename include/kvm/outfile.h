/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reports into files: a regular file is there as a whole or not at all, or as it was before.
 */
#ifndef KVM_OUTFILE_H
#define KVM_OUTFILE_H

#include "kvm/types.h"

#include <stdio.h>

/* Whether @path can be written, as far as can be told before. Returns 0 or -errno having said why; @option is for the message. */
int outfile_check(const char *option, const char *path);

/*
 * Writes to @path what @writer makes of @ctx. Anything but a regular file (a pipe, /dev/stdout) is written to as it is, but not @early, when there
 * is another one to come. Returns 0 or -errno having said why.
 */
int outfile_write(const char *option, const char *path, void (*writer)(FILE *f, const void *ctx),
		  const void *ctx, bool early);

#endif
