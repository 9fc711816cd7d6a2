/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The front end of a vhost-user device: another process, at the other end of a unix socket, serves
 * the device's queues. Private to virtio/. Thread: any. Locks: the device's lets one thread at a
 * time use a struct vhost_user. Functions that wait for an answer wait for VHOST_USER_WAIT_MS at
 * most.
 *
 * A function that returns an error has ended the connection: vhost_user_why() returns the reason,
 * and only vhost_user_close() may be called after that.
 */
#ifndef VIRTIO_VHOST_VHOST_USER_H
#define VIRTIO_VHOST_VHOST_USER_H

#include "vhost.h"

#define VHOST_USER_MAX_RINGS 16
#define VHOST_USER_WAIT_MS 20000

struct vhost_user;

/*
 * Takes over @fd, which is connected, also when it fails. Sends nothing to the back end. Returns 0
 * or -errno.
 */
int vhost_user_open(struct vhost_user **out, int fd);
/*
 * Closes the connection; NULL is allowed. The back end sees the end and may touch guest memory
 * until then.
 */
void vhost_user_close(struct vhost_user *vu);

/*
 * Negotiates. The back end must support virtio 1.0, indirect descriptors, event indices, and
 * @nr_rings rings. @wait_ms is how long an answer may take this time. Returns 0 or -errno.
 */
int vhost_user_greet(struct vhost_user *vu, unsigned int nr_rings, int wait_ms);

/*
 * Like vhost_start(), but ignores ring->tap_fd. Guest memory must be shared (GMEM_SHARED). Waits
 * for answers, up to VHOST_USER_WAIT_MS each. Thread: any but the loop's, as for vhost_user_stop().
 */
int vhost_user_start(struct vhost_user *vu, unsigned int index, const struct vhost_ring *ring,
		     uint64_t features);
bool vhost_user_runs(const struct vhost_user *vu, unsigned int index);
/*
 * Like vhost_stop(), for a driver that starts anew. Returns 0, or -errno if the back end may still
 * use the ring.
 */
int vhost_user_stop(struct vhost_user *vu, unsigned int index);

/*
 * The descriptor to watch for EPOLLIN; then call vhost_user_check(), which returns -errno if the
 * back end has disconnected or has sent a message that was not requested.
 */
int vhost_user_fd(const struct vhost_user *vu);
int vhost_user_check(struct vhost_user *vu);
/* Like vhost_error_fd(). */
int vhost_user_error_fd(const struct vhost_user *vu);

const char *vhost_user_why(const struct vhost_user *vu);

#endif
