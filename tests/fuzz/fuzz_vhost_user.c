/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the vhost-user front end with a hostile back end.
 *
 * Whatever it answers, the front end ends at once, with a reason if something was wrong, and
 * accepts no descriptor. The first byte says what to do with the front end; the rest is everything
 * that the back end sends.
 */
#include "virtio/vhost/vhost_user.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MEM_BYTES (2 * MIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* Its messages carry a descriptor, which the front end must not accept. */
static void say(int fd, const uint8_t *data, size_t size)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)data, size };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	check(!size || sendmsg(fd, &msg, MSG_NOSIGNAL) == (ssize_t)size);
	shutdown(fd, SHUT_WR);
}

static int next_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static int live(struct vhost_user *vu, const struct vhost_ring *ring, uint8_t how)
{
	int err = vhost_user_greet(vu, 1 + (how & 1), 1000);

	for (unsigned int i = 0; i < 3 && !err; i++) {
		err = vhost_user_start(vu, 0, ring, UINT64_MAX);
		if (!err && how & 2)
			err = vhost_user_start(vu, 1, ring, UINT64_MAX);
		if (!err && how & 4)
			err = vhost_user_check(vu);
		if (!err)
			err = vhost_user_stop(vu, 0);
		if (!err)
			err = vhost_user_stop(vu, 1);
	}
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gmem mem;
	struct virtqueue vq;
	struct vhost_ring ring = {
		.vq = &vq, .kick_fd = eventfd(0, 0), .call_fd = eventfd(0, 0), .tap_fd = -1
	};
	struct vhost_user *vu;
	int pair[2], free_fd;

	if (!size || size > 4096)
		return 0;
	gmem_init(&mem);
	check(!gmem_add(&mem, 0, MEM_BYTES, GMEM_SHARED));
	vq_init(&vq, &mem, 8);
	vq.size = 8;
	vq.desc_gpa = 0x1000;
	vq.driver_gpa = 0x2000;
	vq.device_gpa = 0x3000;
	check(!vq_start(&vq, true, true));
	check(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	check(!vhost_user_open(&vu, pair[0]));
	say(pair[1], data + 1, size - 1);
	free_fd = next_fd();
	if (live(vu, &ring, data[0])) {
		check(vhost_user_why(vu)[0] && !vhost_user_runs(vu, 0) && !vhost_user_runs(vu, 1));
		check(vhost_user_check(vu) < 0);
	}
	check(next_fd() == free_fd);
	vhost_user_close(vu);
	close(pair[1]);
	close(ring.kick_fd);
	close(ring.call_fd);
	gmem_fini(&mem);
	return 0;
}
