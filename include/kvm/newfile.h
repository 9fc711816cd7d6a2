/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes files that appear as a whole or not at all. A core or a report gets its name only when all
 * of it is written; until then an older file stays. Thread: any, but one per file.
 */
#ifndef KVM_NEWFILE_H
#define KVM_NEWFILE_H

#include "kvm/types.h"

#include <limits.h>
#include <stdio.h>
#include <sys/types.h>

struct newfile {
	int fd;	    /* open for reading and writing; -1: none */
	bool named; /* @temporary exists */
	char path[PATH_MAX], temporary[PATH_MAX];
};

/*
 * Checks, before a long wait, whether newfile_open() can work: @path is a regular file or nothing,
 * and its folder is writable. @option, for example "dump", is for the message. Returns 0, or -errno
 * (reported).
 */
int newfile_check(const char *option, const char *path);

/*
 * Begins a file with @mode, less the process's umask. Returns 0, or -errno (then there is nothing
 * to abandon); -ENOTSUP: @path exists and is not a regular file.
 */
int newfile_open(struct newfile *f, const char *path, mode_t mode);
/*
 * Replaces what is at the path, and closes the fd. Returns 0, or -errno: then nothing was changed.
 */
int newfile_commit(struct newfile *f);
void newfile_abandon(struct newfile *f);

/* Does the same as newfile_check() for newfile_write(). */
int newfile_check_report(const char *option, const char *path);

/*
 * Writes to @path what @writer makes of @ctx. Anything except a regular file (a link, a pipe,
 * /dev/stdout) is written in place, and with @early, when a later report will follow, not at all.
 * The caller blocks the signals that end the process. Returns 0, or -errno (reported, but not with
 * @early).
 */
int newfile_write(const char *option, const char *path, void (*writer)(FILE *f, const void *ctx),
		  const void *ctx, bool early);

#endif
