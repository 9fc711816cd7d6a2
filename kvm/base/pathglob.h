/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds files by patterns with * ? [ ], as in fnmatch(3), in any part of a path. (libc's glob(3)
 * looks up users' home folders, which a static program cannot do.)
 */
#ifndef KVM_BASE_PATHGLOB_H
#define KVM_BASE_PATHGLOB_H

#include "strlist.h"

/*
 * Appends to @l the paths that match, in the order of their bytes; a path without a pattern
 * unchanged, whether it exists or not. Returns 0, also if none matches, -E2BIG if @l would have
 * more than @max, or -ENOMEM. Thread: setup.
 */
int pathglob(struct strlist *l, const char *pattern, unsigned int max);

#endif
