/* SPDX-License-Identifier: GPL-2.0-only */
/* Removes the paths of sockets when a signal ends the process (fatal.h). Thread: main. */
#ifndef KVM_BASE_LEFTOVER_H
#define KVM_BASE_LEFTOVER_H

#include <sys/stat.h>

/* @path, a file of ours as @st says, must not outlive the process. */
void leftover_add(const char *path, const struct stat *st);
/* The path is removed, or will be by others. Does nothing if it was not added. */
void leftover_drop(const char *path);

#endif
