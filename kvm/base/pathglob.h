/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files by patterns with * ? [ ], as fnmatch(3) has them, in any part of a path. (libc's glob(3)
 * asks for users' home folders, which a static program cannot look up.)
 */
#ifndef KVM_BASE_PATHGLOB_H
#define KVM_BASE_PATHGLOB_H

#include "strlist.h"

/*
 * Appends to @l the paths that match, in the order of their bytes; a path without a pattern in it
 * as it is, whether it is there or not. Returns 0, also when there are none, -E2BIG when @l would
 * have more than @max, or -ENOMEM. Set-up time.
 */
int pathglob(struct strlist *l, const char *pattern, unsigned int max);

#endif
