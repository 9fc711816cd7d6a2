/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Implements the front end of vhost-user: messages over a socket, like the ioctls in vhost.c, with
 * file descriptors attached (QEMU's documentation, "Vhost-user Protocol"). Each message is a header
 * of 12 bytes and a payload. Answers arrive in order and have the request's number.
 *
 * The back end gets all of guest memory, by the regions' files, and the rings at our own addresses,
 * which it translates by that table. It gets the driver's notifications by one eventfd and
 * interrupts by another, so that requests bypass this process.
 *
 * The back end is not trusted: an answer must match the request, have the right length and ring,
 * carry no descriptor (none is received), and arrive in time. Otherwise the connection ends. The
 * back end can only change guest memory.
 *
 * We request an acknowledgement (REPLY_ACK) where a refusal would otherwise not be noticed: for the
 * memory table, and for the last message about a ring, after which all earlier ones have been
 * processed. Without REPLY_ACK we assume that the back end accepts.
 */
#include "vhost_user.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define BIT(n) (1ULL << (n))
#define RING_FEATURES                                                                              \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX))
#define F_PROTOCOL_FEATURES BIT(30)
#define PROTOCOL_MQ BIT(0)
#define PROTOCOL_REPLY_ACK BIT(3)

#define FLAGS_VERSION 0x1U
#define FLAGS_VERSION_MASK 0x3U
#define FLAGS_REPLY 0x4U
#define FLAGS_NEED_REPLY 0x8U

enum request {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	SET_VRING_ERR = 14,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	GET_QUEUE_NUM = 17,
	SET_VRING_ENABLE = 18,
};

struct header {
	uint32_t request, flags, size_bytes;
};

struct ring_state {
	uint32_t index, num;
};

struct ring_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
};

struct mem_region {
	uint64_t gpa, size_bytes, hva, file_offset;
};

struct mem_table {
	uint32_t nr, padding;
	struct mem_region region[GMEM_MAX_REGIONS];
};

struct message {
	struct header h;
	union {
		uint64_t u64;
		struct ring_state state;
		struct ring_addr addr;
		struct mem_table mem;
	};
};

static_assert(sizeof(struct header) == 12, "as the protocol has it");

struct vhost_user {
	int fd, error_fd;
	bool can_acknowledge;
	bool has_memory;
	unsigned int running; /* one bit for each ring */
	char why[80];
};

/* Ends the connection. Keeps the first reason. */
static int give_up(struct vhost_user *vu, int err, const char *why)
{
	if (!vu->why[0])
		snprintf(vu->why, sizeof(vu->why), "%s", why);
	shutdown(vu->fd, SHUT_RDWR);
	vu->running = 0;
	return err;
}

static void set_patience(const struct vhost_user *vu, int wait_ms)
{
	struct timeval t = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };

	setsockopt(vu->fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(vu->fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

int vhost_user_open(struct vhost_user **out, int fd)
{
	struct vhost_user *vu = calloc(1, sizeof(*vu));
	int err;

	if (!vu) {
		close(fd);
		return -ENOMEM;
	}
	vu->fd = fd;
	vu->error_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vu->error_fd < 0) {
		err = -errno;
		vhost_user_close(vu);
		return err;
	}
	*out = vu;
	return 0;
}

void vhost_user_close(struct vhost_user *vu)
{
	if (!vu)
		return;
	close(vu->fd);
	if (vu->error_fd >= 0)
		close(vu->error_fd);
	free(vu);
}

int vhost_user_fd(const struct vhost_user *vu)
{
	return vu->fd;
}

int vhost_user_error_fd(const struct vhost_user *vu)
{
	return vu->error_fd;
}

const char *vhost_user_why(const struct vhost_user *vu)
{
	return vu->why;
}

bool vhost_user_runs(const struct vhost_user *vu, unsigned int index)
{
	return vu->running & 1U << index;
}

/* ---- messages -------------------------------------------------------------------------------- */

static int say(struct vhost_user *vu, struct message *m, const int *fds, unsigned int nr_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(GMEM_MAX_REGIONS * sizeof(int))];
	} control = { .bytes = { 0 } };
	size_t len = sizeof(m->h) + m->h.size_bytes;
	/* In memory there is padding between the two. */
	struct iovec iov[] = { { &m->h, sizeof(m->h) }, { &m->u64, m->h.size_bytes } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov) };

	m->h.flags |= FLAGS_VERSION;
	if (nr_fds) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, nr_fds * sizeof(int));
	}
	for (;;) {
		ssize_t n = sendmsg(vu->fd, &msg, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return give_up(vu, -errno,
				       errno == EAGAIN ? "it does not listen" : "it has ended");
		/*
		 * A message is far smaller than a socket's buffer, so the socket takes it whole or
		 * not at all.
		 */
		if ((size_t)n == len)
			return 0;
		return give_up(vu, -EIO, "it accepted only part of a message");
	}
}

/*
 * Receives exactly @len bytes, and no descriptors: the kernel closes those for which there is no
 * room.
 */
static int hear_bytes(struct vhost_user *vu, void *to, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = recv(vu->fd, (char *)to + at, len - at, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return give_up(vu, -ETIMEDOUT, "it does not answer");
		if (n <= 0)
			return give_up(vu, n ? -errno : -ECONNRESET, "it has ended");
		at += (size_t)n;
	}
	return 0;
}

/* Receives the answer to @request, of @size bytes, into @m. */
static int hear(struct vhost_user *vu, uint32_t request, size_t size, struct message *m)
{
	int err = hear_bytes(vu, &m->h, sizeof(m->h));

	if (err)
		return err;
	if (m->h.request != request || m->h.size_bytes != size || !(m->h.flags & FLAGS_REPLY) ||
	    (m->h.flags & FLAGS_VERSION_MASK) != FLAGS_VERSION)
		return give_up(vu, -EPROTO, "its answer does not match the request");
	return hear_bytes(vu, &m->u64, size);
}

static int say_u64(struct vhost_user *vu, enum request request, uint64_t value)
{
	struct message m = { .h = { .request = request, .size_bytes = sizeof(value) },
			     .u64 = value };

	return say(vu, &m, NULL, 0);
}

static int ask_u64(struct vhost_user *vu, enum request request, uint64_t *value)
{
	struct message m = { .h = { .request = request } };
	int err = say(vu, &m, NULL, 0);

	if (!err)
		err = hear(vu, request, sizeof(m.u64), &m);
	*value = err ? 0 : m.u64;
	return err;
}

static int say_state(struct vhost_user *vu, enum request request, unsigned int index,
		     unsigned int num)
{
	struct message m = { .h = { .request = request, .size_bytes = sizeof(m.state) },
			     .state = { .index = index, .num = num } };

	return say(vu, &m, NULL, 0);
}

static int say_fd(struct vhost_user *vu, enum request request, unsigned int index, int fd)
{
	struct message m = { .h = { .request = request, .size_bytes = sizeof(m.u64) },
			     .u64 = index };

	return say(vu, &m, &fd, 1);
}

/* Sends @m and, if possible, waits for the acknowledgement. */
static int say_and_hear(struct vhost_user *vu, struct message *m, const int *fds,
			unsigned int nr_fds)
{
	uint32_t request = m->h.request;
	int err;

	if (vu->can_acknowledge)
		m->h.flags = FLAGS_NEED_REPLY;
	err = say(vu, m, fds, nr_fds);
	if (err || !vu->can_acknowledge)
		return err;
	err = hear(vu, request, sizeof(m->u64), m);
	return !err && m->u64 ? give_up(vu, -EPROTO, "it refuses a queue or the guest's memory")
			      : err;
}

/* ---- requests -------------------------------------------------------------------------------- */

static int agree_on_protocol(struct vhost_user *vu, unsigned int nr_rings)
{
	uint64_t features, rings = 0;
	int err = ask_u64(vu, GET_PROTOCOL_FEATURES, &features);

	if (err)
		return err;
	features &= PROTOCOL_MQ | PROTOCOL_REPLY_ACK;
	err = say_u64(vu, SET_PROTOCOL_FEATURES, features);
	vu->can_acknowledge = features & PROTOCOL_REPLY_ACK;
	/* Without MQ the back end has as many queues as this kind of device needs. */
	if (!err && features & PROTOCOL_MQ) {
		err = ask_u64(vu, GET_QUEUE_NUM, &rings);
		if (!err && rings < nr_rings)
			err = give_up(vu, -EPROTO, "it has too few queues");
	}
	return err;
}

int vhost_user_greet(struct vhost_user *vu, unsigned int nr_rings, int wait_ms)
{
	uint64_t features, needed = RING_FEATURES | F_PROTOCOL_FEATURES;
	int err;

	set_patience(vu, wait_ms);
	err = ask_u64(vu, GET_FEATURES, &features);
	if (!err && (features & needed) != needed)
		err = give_up(vu, -EPROTO, "it lacks features that virtio 1.0 and kvm need");
	if (!err)
		err = agree_on_protocol(vu, nr_rings);
	if (!err) {
		struct message owner = { .h = { .request = SET_OWNER } };

		err = say(vu, &owner, NULL, 0);
	}
	set_patience(vu, VHOST_USER_WAIT_MS);
	return err;
}

static int give_memory(struct vhost_user *vu, const struct gmem *mem)
{
	struct message m = { .h = { .request = SET_MEM_TABLE } };
	int fds[GMEM_MAX_REGIONS];
	int err;

	m.mem.nr = mem->nr_regions;
	m.h.size_bytes =
		(uint32_t)(offsetof(struct mem_table, region) + m.mem.nr * sizeof(m.mem.region[0]));
	for (unsigned int i = 0; i < mem->nr_regions; i++) {
		assert(mem->region[i].fd >= 0);
		fds[i] = mem->region[i].fd;
		m.mem.region[i] = (struct mem_region){
			.gpa = mem->region[i].gpa,
			.size_bytes = mem->region[i].size_bytes,
			.hva = (uintptr_t)mem->region[i].hva,
		};
	}
	/* cppcheck-suppress uninitvar ; a machine has memory, so there is at least one region */
	err = say_and_hear(vu, &m, fds, mem->nr_regions);
	vu->has_memory = !err;
	return err;
}

/* Sets what all rings have in common. */
static int prepare(struct vhost_user *vu, const struct gmem *mem, uint64_t features)
{
	int err = 0;

	if (!vu->running)
		err = say_u64(vu, SET_FEATURES, (features & RING_FEATURES) | F_PROTOCOL_FEATURES);
	if (!err && !vu->has_memory)
		err = give_memory(vu, mem);
	return err;
}

static int set_ring(struct vhost_user *vu, unsigned int index, const struct virtqueue *vq)
{
	struct message m = { .h = { .request = SET_VRING_ADDR, .size_bytes = sizeof(m.addr) },
			     .addr = {
				     .index = index,
				     .desc = (uintptr_t)vq->desc,
				     .used = (uintptr_t)vq->used,
				     .avail = (uintptr_t)vq->avail,
			     } };
	int err = say_state(vu, SET_VRING_NUM, index, vq->size);

	if (!err)
		err = say_state(vu, SET_VRING_BASE, index, vq->last_avail_idx);
	return err ? err : say(vu, &m, NULL, 0);
}

static int enable_ring(struct vhost_user *vu, unsigned int index, bool on)
{
	struct message m = { .h = { .request = SET_VRING_ENABLE, .size_bytes = sizeof(m.state) },
			     .state = { .index = index, .num = on } };

	return say_and_hear(vu, &m, NULL, 0);
}

int vhost_user_start(struct vhost_user *vu, unsigned int index, const struct vhost_ring *ring,
		     uint64_t features)
{
	int err;

	assert(index < VHOST_USER_MAX_RINGS && ring->vq->ready && !vhost_user_runs(vu, index));
	err = prepare(vu, ring->vq->mem, features);
	if (!err)
		err = set_ring(vu, index, ring->vq);
	if (!err)
		err = say_fd(vu, SET_VRING_CALL, index, ring->call_fd);
	if (!err)
		err = say_fd(vu, SET_VRING_ERR, index, vu->error_fd);
	if (!err)
		err = say_fd(vu, SET_VRING_KICK, index, ring->kick_fd);
	if (!err)
		err = enable_ring(vu, index, true);
	if (!err)
		vu->running |= 1U << index;
	return err;
}

int vhost_user_stop(struct vhost_user *vu, unsigned int index)
{
	struct message m;
	int err;

	if (!vhost_user_runs(vu, index))
		return 0;
	/*
	 * virtiofsd logs an error about a kick that it finds after it has stopped a ring, unless
	 * the ring is disabled.
	 */
	err = enable_ring(vu, index, false);
	if (!err)
		err = say_state(vu, GET_VRING_BASE, index, 0);
	if (!err)
		err = hear(vu, GET_VRING_BASE, sizeof(m.state), &m);
	if (!err && m.state.index != index)
		err = give_up(vu, -EPROTO, "its answer is about another queue");
	vu->running &= ~(1U << index);
	return err;
}

int vhost_user_check(struct vhost_user *vu)
{
	char byte;
	ssize_t n = recv(vu->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n > 0)
		return give_up(vu, -EPROTO, "it sent a message that was not requested");
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return give_up(vu, n ? -errno : -ECONNRESET, "it has ended");
}
