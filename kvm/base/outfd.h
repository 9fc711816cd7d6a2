/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes to a descriptor without blocking in write(2), and without changing flags of a descriptor
 * that other processes share. For consoles, our messages, and reports into pipes.
 */
#ifndef KVM_BASE_OUTFD_H
#define KVM_BASE_OUTFD_H

#include "kvm/types.h"

#include <sys/types.h>

enum out_kind {
	OUT_UNKNOWN,  /* found out at the first write */
	OUT_PLAIN,    /* a file: never returns EAGAIN */
	OUT_SOCKET,   /* send() with MSG_DONTWAIT */
	OUT_NONBLOCK, /* our own open file description, with O_NONBLOCK */
	/* a blocking pipe or terminal that we could not reopen: poll, then write little */
	OUT_POLLED,
};

struct outfd {
	int fd; /* -1: none */
	bool own;
	bool tty; /* valid once the kind is known, if that was found out */
	enum out_kind kind;
	_Atomic uint64_t stuck_ns; /* since when outfd_put() could write nothing; 0: it could */
};

/* Finds out how to write to @o. Returns 0, or -errno. */
int outfd_find_kind(struct outfd *o);
/* Returns the number of bytes written, or -errno: -EAGAIN where write(2) would block. */
ssize_t outfd_write(struct outfd *o, const void *bytes, size_t len);
/*
 * Writes all, and waits while nothing can be written: for at most @limit_ms since that began, or
 * without limit (OUTFD_PATIENT) until a signal that ends the launcher is pending. Returns how many
 * bytes are left, or -errno. Thread: any.
 */
ssize_t outfd_put(struct outfd *o, const void *bytes, size_t len, int limit_ms);
#define OUTFD_PATIENT (-1)
/* What a patient wait becomes when a signal is pending, and the limit while a machine runs. */
#define OUTFD_STALL_MS 2000
/* Does the same for a descriptor of others; no thread but this one writes to it. */
ssize_t outfd_put_to(int fd, const void *bytes, size_t len, int limit_ms);
/* Closes the descriptor if it is our own. */
void outfd_close(struct outfd *o);

/*
 * Opens the file behind @fd anew and non-blocking; @access is O_RDONLY or O_WRONLY. Returns the new
 * descriptor, or -errno.
 */
int outfd_reopen(int fd, int access);

#endif
