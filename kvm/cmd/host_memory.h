/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds how much memory this process's control groups allow, see cgroups(7). */
#ifndef KVM_CMD_HOST_MEMORY_H
#define KVM_CMD_HOST_MEMORY_H

#include "kvm/types.h"

/*
 * Returns the lowest memory limit of this process's control group and those above it, as far as it
 * can see them, of version 1 or 2; UINT64_MAX: none. @root: "", or a folder with a test's /proc and
 * /sys. Thread: any.
 */
uint64_t host_memory_limit(const char *root);

/*
 * Does the same for the control group that a container shows as its root, and so in at most four
 * system calls: two where there is no limit, as on a host.
 */
uint64_t host_memory_limit_here(const char *root);

#endif
