/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes UNIX stream sockets at paths, and removes those that killed processes have left. Anyone who
 * can connect controls a machine or its console, so a socket is for its owner only, whatever the
 * umask is. Descriptors do not block and are closed on exec.
 */
#ifndef KVM_BASE_UNIX_SOCKET_H
#define KVM_BASE_UNIX_SOCKET_H

#include <sys/types.h>

/* The longest path that a socket can have, with its NUL. */
#define UNIX_PATH_BYTES 108

/* Recognises the file that we have made. */
struct unix_file {
	dev_t dev;
	ino_t ino;
};

/*
 * Connects to @path; waits up to @patience_s seconds for room in its backlog. Returns a descriptor,
 * or -errno: -ECONNREFUSED if no process listens, -EAGAIN if there was no room.
 */
int unix_connect(const char *path, unsigned int patience_s);
/*
 * Removes a socket at @path on which no process listens. Returns 0 if the path is free, or -errno:
 * -EADDRINUSE if a process listens, -EEXIST if there is another kind of file.
 */
int unix_clear(const char *path);
/*
 * Listens at @path, which unix_clear() has cleared or not. Fills in @file for unix_remove().
 * Returns a descriptor, or -errno as of unix_clear().
 */
int unix_listen(const char *path, int backlog, struct unix_file *file);
/* Removes @path if it still is @file. */
void unix_remove(const char *path, const struct unix_file *file);

#endif
