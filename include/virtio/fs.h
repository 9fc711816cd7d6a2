/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file system device (virtio 1.2, 5.11): a folder of the host's, which the guest mounts as type
 * virtiofs by its tag. Its queues are served by virtiofsd, over vhost-user.
 *
 * Life: fs_create -> fs_launch -> fs_greet -> (the guest runs) -> fs_hang_up -> fs_destroy. Between
 * the second and the third there is time for other things: virtiofsd starts meanwhile. fs_destroy()
 * is fine after any of them.
 */
#ifndef VIRTIO_FS_H
#define VIRTIO_FS_H

#include "virtio/virtio.h"

#define FS_MAX_TAG_BYTES 36	/* 5.11.4 */
#define FS_MAX_SOCKET_BYTES 107 /* what a socket's address has room for */

struct fs_options {
	const char *option; /* which the user gave it with, for messages */
	const char *tag;    /* 1 to FS_MAX_TAG_BYTES */
	const char *dir;    /* absolute; empty: the virtiofsd at @socket knows it */
	/* Of a virtiofsd that runs already, up to FS_MAX_SOCKET_BYTES; empty: we start one. */
	const char *socket;
	bool read_only;	 /* for one that we start, as the next */
	bool privileged; /* it may do what root may (CAP_SYS_ADMIN) */
};

struct fs;

/*
 * The strings of @options outlive the device. Guest memory is to be shared, see gmem.h. Returns 0
 * or -errno; fs_destroy() if *@out is set. Set-up time, as the next two.
 */
int fs_create(struct fs **out, const struct fs_options *options, const struct gmem *mem,
	      struct loop *loop);
struct virtio_device *fs_virtio(struct fs *f);

/*
 * Called once when there is no virtiofsd any more, on any thread, with the device's lock held.
 * Before fs_greet().
 */
void fs_on_loss(struct fs *f, void (*fn)(void *ctx, const char *why), void *ctx);

/* Starts virtiofsd, or connects to the one at the socket. Returns 0 or -errno having said why. */
int fs_launch(struct fs *f);
/* The first words with it. Returns 0 or -errno having said why. */
int fs_greet(struct fs *f);

/* With no vCPU running: virtiofsd's end is waited for. NULL is fine, here and below. */
void fs_hang_up(struct fs *f);
void fs_destroy(struct fs *f);

#endif
