/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes files that are there as a whole or not at all: a core or a report has its name only when
 * all of it is written, and until then what was there before stays. One thread a file.
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
 * Checks whether newfile_open() can be expected to work, before a long wait: a regular file or
 * nothing is there, and its folder can be written to. @option, "dump", is for the message. Returns
 * 0 or -errno (reported).
 */
int newfile_check(const char *option, const char *path);

/*
 * Begins a file with @mode, less the process's umask. Returns 0, or -errno (then there is nothing
 * to abandon); -ENOTSUP: something is there that is no regular file.
 */
int newfile_open(struct newfile *f, const char *path, mode_t mode);
/*
 * Replaces what is at the path. Returns 0, or -errno: then nothing was changed. Closes the fd in
 * either case.
 */
int newfile_commit(struct newfile *f);
void newfile_abandon(struct newfile *f);

/* The same as newfile_check(), for newfile_write(). */
int newfile_check_report(const char *option, const char *path);

/*
 * Writes to @path what @writer makes of @ctx. Anything but a regular file (a link, a pipe,
 * /dev/stdout) is written to in place, and with @early, when a later report is to come, not at all.
 * Returns 0 or -errno (reported). The caller blocks the signals that end the process.
 */
int newfile_write(const char *option, const char *path, void (*writer)(FILE *f, const void *ctx),
		  const void *ctx, bool early);

#endif
