/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Transfers frames on sockets, without virtio's headers and hence without offloads. On a stream
 * each frame has its length in front, 32 bits big-endian, as with passt(1) and QEMU's -netdev
 * stream. On a socket that preserves message boundaries each frame is a message. Thread: loop.
 *
 * A stream may accept a part of a frame. The rest is copied and sent before anything else: guest
 * memory is not read again, and at most one frame is ever kept. One read fills the buffer with as
 * many frames as there are; frames are then taken from it one by one. A frame's tail that does not
 * fit is moved to the front once.
 */
#include "netdev_impl.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_PENDING_ERRORS 16 /* of a datagram socket; more of them will not go away */

/* Takes a whole frame out of the buffer. Returns its bytes, 0 if there is none, or -EPROTO. */
static ssize_t take_frame(struct netdev *d, const uint8_t **frame)
{
	size_t have = d->in_have - d->in_at;
	uint32_t len;

	if (have < sizeof(len))
		return 0;
	memcpy(&len, d->in + d->in_at, sizeof(len));
	len = be32toh(len);
	if (!len || len > NETDEV_MAX_FRAME_BYTES)
		return -EPROTO;
	if (have - sizeof(len) < len)
		return 0;
	*frame = d->in + d->in_at + sizeof(len);
	d->in_at += sizeof(len) + len;
	return len;
}

static ssize_t stream_recv(struct netdev *d, struct virtio_net_hdr *hdr, const uint8_t **frame)
{
	ssize_t n;

	(void)hdr;
	for (;;) {
		n = take_frame(d, frame);
		if (n)
			return n;
		d->in_have -= d->in_at;
		memmove(d->in, d->in + d->in_at, d->in_have);
		d->in_at = 0;
		/* There is room: a whole frame fits. */
		n = recv(d->fd, d->in + d->in_have, NETDEV_IN_BYTES - d->in_have, MSG_DONTWAIT);
		if (!n)
			return -EPIPE;
		if (n < 0 && errno != EINTR)
			return errno == EWOULDBLOCK ? -EAGAIN : -errno;
		if (n > 0)
			d->in_have += (size_t)n;
	}
}

/* Keeps the bytes of @iov from byte @sent on. */
static void keep_rest(struct netdev *d, const struct iovec *iov, unsigned int nr, size_t sent)
{
	d->out_at = d->out_have = 0;
	for (unsigned int i = 0; i < nr; i++) {
		size_t skip = min_u64(sent, iov[i].iov_len), n = iov[i].iov_len - skip;

		memcpy(d->out + d->out_have, (const uint8_t *)iov[i].iov_base + skip, n);
		d->out_have += n;
		sent -= skip;
	}
}

/* Writes the kept bytes. Returns whether none is left. */
static bool flush_rest(struct netdev *d)
{
	while (d->out_at < d->out_have) {
		ssize_t n = send(d->fd, d->out + d->out_at, d->out_have - d->out_at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0)
			d->out_at = d->out_have; /* the peer has disconnected; reading reports it */
		else
			d->out_at += (size_t)n;
	}
	return true;
}

static ssize_t send_iov(struct netdev *d, struct iovec *iov, unsigned int nr)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = nr };
	ssize_t n;

	do
		n = sendmsg(d->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int stream_send(struct netdev *d, const struct virtio_net_hdr *hdr, struct iovec *iov,
		       unsigned int nr, size_t bytes)
{
	uint32_t len = htobe32((uint32_t)bytes);
	ssize_t n;

	(void)hdr;
	if (!d->out)
		d->out = malloc(NETDEV_IN_BYTES);
	if (!d->out)
		return 0; /* dropped: half a frame must not be sent */
	if (!flush_rest(d))
		return -EAGAIN;
	iov[-1] = (struct iovec){ .iov_base = &len, .iov_len = sizeof(len) };
	n = send_iov(d, iov - 1, nr + 1);
	if (n == -EAGAIN)
		return -EAGAIN;
	if (n >= 0 && (size_t)n < sizeof(len) + bytes)
		keep_rest(d, iov - 1, nr + 1, (size_t)n);
	return 0;
}

static ssize_t packet_recv(struct netdev *d, struct virtio_net_hdr *hdr, const uint8_t **frame)
{
	unsigned int errors = 0;
	ssize_t n;

	(void)hdr;
	/* An error of a datagram's way belongs to a frame that was sent: reading takes it away. */
	do
		n = recv(d->fd, d->in, NETDEV_IN_BYTES, MSG_DONTWAIT | MSG_TRUNC);
	while ((n < 0 && errno == EINTR) || n > NETDEV_MAX_FRAME_BYTES ||
	       (n < 0 && errno != EAGAIN && d->datagrams && errors++ < MAX_PENDING_ERRORS));
	*frame = d->in;
	/* With SOCK_SEQPACKET this is the end; a datagram may be empty. */
	if (!n && !d->datagrams)
		return -EPIPE;
	return n < 0 ? -errno : n;
}

static int packet_send(struct netdev *d, const struct virtio_net_hdr *hdr, struct iovec *iov,
		       unsigned int nr, size_t bytes)
{
	(void)hdr;
	(void)bytes;
	return send_iov(d, iov, nr) == -EAGAIN ? -EAGAIN : 0;
}

const struct netdev_ops stream_ops = { .recv = stream_recv,
				       .send = stream_send,
				       .flush = flush_rest };
const struct netdev_ops packet_ops = { .recv = packet_recv, .send = packet_send };
