/* SPDX-License-Identifier: GPL-2.0-only */
/* A virtiofsd of ours, the process behind a virtio-fs device; private to virtio/. Main's thread. */
#ifndef VIRTIO_VHOST_VIRTIOFSD_H
#define VIRTIO_VHOST_VIRTIOFSD_H

#include "kvm/types.h"

#include <sys/types.h>

struct virtiofsd {
	pid_t pid;  /* 0: none; leader of a process group */
	int log_fd; /* what it says, to be read without waiting; -1: none */
};

struct virtiofsd_options {
	const char *option; /* which the user gave the folder with, for messages */
	const char *dir;    /* absolute */
	bool read_only;	    /* on the host's side: no guest can change that */
	bool privileged;    /* it may do what root may (CAP_SYS_ADMIN); else what this user may */
};

/*
 * Starts one, connected to *@fd, which becomes the caller's. Returns 0, or -errno having said why.
 * What goes wrong in the new process shows by the end of the connection.
 */
int virtiofsd_start(struct virtiofsd *d, const struct virtiofsd_options *o, int *fd);

/*
 * Once the connection is closed: waits for its end for a moment, or, when not @patient, ends it at
 * once; touches no guest memory when this returns. The log stays open. Does nothing when there is
 * none.
 */
void virtiofsd_stop(struct virtiofsd *d, bool patient);

/*
 * The next piece of what it has said, up to @size - 1 bytes, with a NUL behind. Returns how many
 * bytes; 0: nothing now, -1: that was all, and the log is closed.
 */
int virtiofsd_read_log(struct virtiofsd *d, char *text, size_t size);

#endif
