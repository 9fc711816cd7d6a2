/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file system device (virtio 1.2, 5.11) shares a folder of the host. The guest mounts it as type
 * virtiofs, by its tag. virtiofsd serves its queues over vhost-user.
 *
 * Order of calls: fs_create -> fs_launch -> fs_greet -> (the guest runs) -> fs_hang_up ->
 * fs_destroy. Other work can be done between fs_launch() and fs_greet(), while virtiofsd starts.
 * fs_destroy() is allowed after any of them.
 */
#ifndef VIRTIO_FS_H
#define VIRTIO_FS_H

#include "virtio/virtio.h"

#define FS_MAX_TAG_BYTES 36	/* 5.11.4 */
#define FS_MAX_SOCKET_BYTES 107 /* the longest path in a socket's address */

struct fs_options {
	const char *option; /* the user's option, for messages */
	const char *tag;    /* 1 to FS_MAX_TAG_BYTES */
	const char *dir;    /* absolute; empty: the virtiofsd at @socket has it */
	/*
	 * The socket of a virtiofsd that runs already, up to FS_MAX_SOCKET_BYTES; empty: start one.
	 */
	const char *socket;
	bool read_only;	 /* only for a virtiofsd that we start, like the next field */
	bool privileged; /* it may do what root may (CAP_SYS_ADMIN) */
};

struct fs;

/*
 * The strings of @options outlive the device. Guest memory must be shared, see gmem.h. Returns 0 or
 * -errno; call fs_destroy() if *@out is set. Thread: setup, as for the next two.
 */
int fs_create(struct fs **out, const struct fs_options *options, const struct gmem *mem,
	      struct loop *loop);
struct virtio_device *fs_virtio(struct fs *f);

/*
 * Sets the function to call, once, when virtiofsd has ended. Call this before fs_greet(). @fn's
 * thread: any. Locks: the device's, held.
 */
void fs_on_loss(struct fs *f, void (*fn)(void *ctx, const char *why), void *ctx);

/* Starts virtiofsd, or connects to the one at the socket. Returns 0, or -errno (reported). */
int fs_launch(struct fs *f);
/* Negotiates with virtiofsd. Returns 0, or -errno (reported). */
int fs_greet(struct fs *f);

/* Waits for virtiofsd to end. Call it with no vCPU running. NULL is allowed, here and below. */
void fs_hang_up(struct fs *f);
void fs_destroy(struct fs *f);

#endif
