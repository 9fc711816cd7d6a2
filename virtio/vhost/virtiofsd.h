/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Starts and stops a virtiofsd, the process that serves a virtio-fs device; private to virtio/.
 * Thread: main.
 */
#ifndef VIRTIO_VHOST_VIRTIOFSD_H
#define VIRTIO_VHOST_VIRTIOFSD_H

#include "kvm/types.h"

#include <sys/types.h>

struct virtiofsd {
	pid_t pid;  /* 0: none; leader of a process group */
	int log_fd; /* its output, to be read without waiting; -1: none */
};

struct virtiofsd_options {
	const char *option; /* the user's option, for messages */
	const char *dir;    /* absolute */
	bool read_only;	    /* enforced on the host: no guest can change that */
	bool privileged;    /* it may do what root may (CAP_SYS_ADMIN); else what this user may */
};

/*
 * Starts a virtiofsd that is connected to *@fd, which becomes the caller's. Returns 0, or -errno
 * (reported). If the new process fails later, the connection ends.
 */
int virtiofsd_start(struct virtiofsd *d, const struct virtiofsd_options *o, int *fd);

/*
 * Call it after the connection is closed. Waits a moment for virtiofsd to end; kills it then, or at
 * once if not @patient. After the return it does not touch guest memory. The log stays open. Does
 * nothing if there is no process.
 */
void virtiofsd_stop(struct virtiofsd *d, bool patient);

/*
 * Reads the next piece of its output, up to @size - 1 bytes, and adds a NUL. Returns how many
 * bytes; 0: nothing now; -1: no more, and the log is closed.
 */
int virtiofsd_read_log(struct virtiofsd *d, char *text, size_t size);

#endif
