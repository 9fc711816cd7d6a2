/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file that is there as a whole or not at all: it has no name until newfile_commit(), or, where the file system cannot do that, one
 * of its own beside the real one. Its owner alone may read it. One thread.
 */
#ifndef KVM_BASE_NEWFILE_H
#define KVM_BASE_NEWFILE_H

#include <limits.h>
#include <stdbool.h>

struct newfile {
	int fd;	    /* open for reading and writing; -1: none */
	bool named; /* @temporary exists */
	char path[PATH_MAX], temporary[PATH_MAX];
};

/*
 * Whether newfile_open() can be expected to work, for before a long wait: a regular file or nothing is there, and its folder can be written
 * to. Returns 0 or -errno having said why, with @what ("--dump") in front.
 */
int newfile_check(const char *what, const char *path);

/* Returns 0, or -errno (then there is nothing to abandon). */
int newfile_open(struct newfile *f, const char *path);
/* Replaces what is at the path. Returns 0, or -errno: then nothing was changed. The fd is closed in either case. */
int newfile_commit(struct newfile *f);
void newfile_abandon(struct newfile *f);

#endif
