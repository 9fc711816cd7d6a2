/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Accepts clients of a listening socket on the loop. A launcher that has no descriptor left for a
 * client tries again a moment later: until then the client waits in the socket's backlog.
 * Thread: loop, or set-up.
 */
#ifndef KVM_LISTENER_H
#define KVM_LISTENER_H

#include "kvm/base/unix_socket.h"
#include "kvm/loop.h"

struct listener {
	int fd;		  /* -1: not open */
	const char *path; /* to remove at the end; the caller's, NULL: none */
	struct unix_file file;
	struct loop_source source;
	struct loop_timer retry;
	bool wanted;
	void (*accepted)(void *ctx, int fd);
	void *ctx;
};

/*
 * Listens at the UNIX socket @path, see unix_listen(). Returns 0, or -errno. listener_close() works
 * in either case, and on one whose fd is -1.
 */
int listener_open(struct listener *l, const char *path, int backlog);
/* Closes the socket, and removes the path if it still is ours. */
void listener_close(struct listener *l);

/*
 * Calls @accepted(@ctx, fd) with each client's descriptor, which does not block, from now on.
 * Returns 0, or -errno.
 */
int listener_start(struct listener *l, struct loop *loop, void (*accepted)(void *ctx, int fd),
		   void *ctx);
/* Sets whether more clients are accepted; others wait in the backlog. */
void listener_want(struct listener *l, bool wanted);
/* Undoes listener_start(); the socket stays open. */
void listener_stop(struct listener *l);

#endif
