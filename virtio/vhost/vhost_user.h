/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The front end of a vhost-user device: its queues are served by another process, at the other end
 * of a unix socket. Private to virtio/. All functions are for any thread, one at a time for each
 * struct vhost_user: the device's lock. Those that wait for an answer do so for VHOST_USER_WAIT_MS
 * at most.
 *
 * What returns an error has ended the connection: vhost_user_why() says why, and nothing but
 * vhost_user_close() is of use.
 */
#ifndef VIRTIO_VHOST_VHOST_USER_H
#define VIRTIO_VHOST_VHOST_USER_H

#include "vhost.h"

#define VHOST_USER_MAX_RINGS 16
#define VHOST_USER_WAIT_MS 20000

struct vhost_user;

/* Takes @fd, connected, also when it fails. Returns 0 or -errno. Says nothing to the back end. */
int vhost_user_open(struct vhost_user **out, int fd);
/*
 * NULL is fine. Whoever is at the other end sees that we are gone, and may touch guest memory until
 * then.
 */
void vhost_user_close(struct vhost_user *vu);

/*
 * The first words. The back end must have virtio 1.0, indirect descriptors, event indices, and
 * @nr_rings rings. @wait_ms is how long an answer may take this time. Returns 0 or -errno.
 */
int vhost_user_greet(struct vhost_user *vu, unsigned int nr_rings, int wait_ms);

/* As vhost_start(); ring->tap_fd is not looked at. Guest memory must be shared (GMEM_SHARED). */
int vhost_user_start(struct vhost_user *vu, unsigned int index, const struct vhost_ring *ring,
		     uint64_t features);
bool vhost_user_runs(const struct vhost_user *vu, unsigned int index);
/*
 * As vhost_stop(), for a driver that starts anew. When it fails the back end may still have the
 * ring.
 */
int vhost_user_stop(struct vhost_user *vu, unsigned int index);

/*
 * To be watched for EPOLLIN, then vhost_user_check(): -errno when the back end is gone, or has said
 * something that it was not asked.
 */
int vhost_user_fd(const struct vhost_user *vu);
int vhost_user_check(struct vhost_user *vu);
/* As vhost_error_fd(). */
int vhost_user_error_fd(const struct vhost_user *vu);

const char *vhost_user_why(const struct vhost_user *vu);

#endif
