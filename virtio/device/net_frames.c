/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Moves frames between the network device's data queues and its backend, where the host's kernel
 * does not do it (net_vhost.c). Thread: loop. Locks: the device's, held.
 *
 * Transmit (5.1.6.2). The device pops a chain, copies and checks its header, passes the rest
 * unchanged to the backend, and returns the chain. So no frame is ever under way. If the backend is
 * full, the chain is put back and the queue is parked until the backend is writable. A frame that
 * makes no sense, or uses an offload that was not negotiated, is dropped; the device keeps running.
 *
 * Receive (5.1.6.4). The backend's next frame stays in the backend's memory until the next request
 * for one. The device copies it into one chain, or with mergeable buffers into as many as it needs.
 * While the ring is empty the loop does not watch the backend: this frame and those after it wait
 * in the host, and the driver's next notification continues the copy. While the backend is empty
 * the ring is parked, and the driver need not notify us. A frame that the whole ring cannot hold is
 * dropped. The receive queues of pairs that the driver does not use are not touched.
 */
#include "net_impl.h"

#include "kvm/log.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define MAX_DROPPED 64	      /* frames, in a row, that the driver must not see */
#define FRAME_PRICE (8 * KIB) /* of the system call, for virtio_charge() */
#define HEADER_BYTES sizeof(struct virtio_net_hdr_mrg_rxbuf) /* always this one since virtio 1.0 */

void net_sync_watch(struct net_pair *p)
{
	uint32_t events = (p->want_in ? EPOLLIN : 0U) | (p->want_out ? EPOLLOUT : 0U);
	int err;

	if (p->closed)
		return;
	if (p->source.loop)
		err = loop_mod(&p->source, events);
	else if (events)
		err = loop_add(p->net->loop, &p->source, netdev_fd(p->backend), events,
			       p->on_backend, p);
	else
		err = 0;
	if (err)
		pr_err("network %s: cannot watch it in the event loop: %s", netdev_name(p->backend),
		       strerror(-err));
}

/* ---- transmit -------------------------------------------------------------------------------- */

/* Returns 0 or -EAGAIN. @c->iov[-1] is free for use. */
static int transmit(struct net_pair *p, const struct vq_chain *c)
{
	struct net *n = p->net;
	struct virtio_net_hdr_mrg_rxbuf header;
	unsigned int nr = c->nr_readable;
	struct iovec *iov = c->iov;
	const char *why;

	if (!vq_iov_pull(&iov, &nr, &header, HEADER_BYTES)) {
		pr_guest("virtio net: dropped a frame without a header");
		return 0;
	}
	why = net_check_header(n, &header.hdr, c->readable_bytes - HEADER_BYTES);
	if (why) {
		pr_guest("virtio net: dropped a frame: %s", why);
		return 0;
	}
	if (!n->link_up || p->gone)
		return 0;
	return netdev_send(p->backend, &header.hdr, iov, nr, c->readable_bytes - HEADER_BYTES);
}

static void handle_tx(struct net_pair *p, unsigned int queue)
{
	struct virtio_device *v = &p->net->v;
	struct iovec iov[1 + NET_MAX_PIECES];
	struct vq_chain c = { .iov = iov + 1, .iov_cap = NET_MAX_PIECES };

	p->want_out = false;
	while (virtio_pop(v, queue, &c)) {
		virtio_charge(v, FRAME_PRICE);
		if (transmit(p, &c) == -EAGAIN) {
			vq_unpop(&v->queue[queue].vq, &c);
			p->want_out = true;
			virtio_park(v, queue);
			return;
		}
		virtio_push(v, queue, c.head, 0);
	}
	p->want_out = !p->gone && !netdev_flush(p->backend);
}

/* ---- receive --------------------------------------------------------------------------------- */

/* Makes sure that there is a frame to pass on to the driver. Returns false if there is none. */
static bool fetch(struct net_pair *p)
{
	ssize_t n = 0;

	if (p->frame)
		return true;
	if (p->gone)
		return false;
	for (unsigned int i = 0; i < MAX_DROPPED; i++) {
		virtio_charge(&p->net->v, FRAME_PRICE);
		n = netdev_recv(p->backend, &p->hdr, &p->frame);
		if (n < 0)
			break;
		if (p->net->link_up && n >= ETH_HLEN && net_driver_takes(p->net, &p->hdr)) {
			p->frame_bytes = (size_t)n;
			p->copied_bytes = 0;
			return true;
		}
	}
	p->frame = NULL;
	/* The backend's memory may hold more frames, which its descriptor does not show. */
	if (n >= 0)
		virtio_kick(&p->net->v, 2 * (unsigned int)(p - p->net->pair));
	else if (n != -EAGAIN)
		p->gone = (int)n; /* the loop sees it too, and on_backend() reports it */
	return false;
}

static uint8_t *byte_at(const struct iovec *iov, size_t at)
{
	for (; at >= iov->iov_len; iov++)
		at -= iov->iov_len;
	return (uint8_t *)iov->iov_base + at;
}

/* Copies as much of the frame as fits into @c. */
static void fill(struct net_pair *p, const struct vq_chain *c)
{
	struct virtio_net_hdr_mrg_rxbuf header = { .hdr = p->hdr, .num_buffers = htole16(1) };
	const struct iovec *iov = c->iov + c->nr_readable;
	size_t head = p->nr_held ? 0 : HEADER_BYTES, n;

	if (head) {
		vq_iov_push(iov, c->nr_writable, 0, &header, head);
		for (unsigned int i = 0; i < 2; i++)
			p->num_buffers[i] = byte_at(
				iov, offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers) + i);
	}
	n = vq_iov_push(iov, c->nr_writable, head, p->frame + p->copied_bytes,
			p->frame_bytes - p->copied_bytes);
	p->copied_bytes += n;
	p->held[p->nr_held].head = c->head;
	p->held[p->nr_held++].written = (uint32_t)(head + n);
}

void net_forget_frame(struct net_pair *p)
{
	p->frame = NULL;
	p->nr_held = 0;
}

/* Puts the chains back, the last one first. */
void net_drop_frame(struct net_pair *p, unsigned int queue)
{
	while (p->nr_held) {
		struct vq_chain c = { .head = p->held[--p->nr_held].head };

		vq_unpop(&p->net->v.queue[queue].vq, &c);
	}
	p->frame = NULL;
}

static void finish_frame(struct net_pair *p, unsigned int queue)
{
	if (p->nr_held > 1) {
		*p->num_buffers[0] = (uint8_t)p->nr_held;
		*p->num_buffers[1] = (uint8_t)(p->nr_held >> 8);
	}
	for (unsigned int i = 0; i < p->nr_held; i++)
		virtio_push(&p->net->v, queue, p->held[i].head, p->held[i].written);
	net_forget_frame(p);
}

/*
 * Passes the frame on. Returns false if the ring is empty; a part of the frame may have been copied
 * already.
 */
static bool deliver(struct net_pair *p, unsigned int queue)
{
	struct virtio_device *v = &p->net->v;
	bool mergeable = virtio_has(v, VIRTIO_NET_F_MRG_RXBUF);
	struct iovec iov[NET_MAX_PIECES];
	struct vq_chain c = { .iov = iov, .iov_cap = NET_MAX_PIECES };

	while (p->copied_bytes < p->frame_bytes) {
		if (p->nr_held == v->queue[queue].vq.size) {
			net_drop_frame(p, queue);
			return true;
		}
		if (!virtio_pop(v, queue, &c))
			return false;
		if (c.writable_bytes < (p->nr_held ? 1 : HEADER_BYTES)) {
			virtio_break(v, "a receive buffer too small for a header");
			return false;
		}
		fill(p, &c);
		if (!mergeable && p->copied_bytes < p->frame_bytes) {
			net_drop_frame(p, queue);
			return true;
		}
	}
	finish_frame(p, queue);
	return true;
}

static void handle_rx(struct net_pair *p, unsigned int queue)
{
	struct virtio_device *v = &p->net->v;

	p->want_in = false;
	while (fetch(p)) {
		if (!deliver(p, queue))
			return; /* the core asks the driver to notify us, or had enough */
	}
	p->want_in = true;
	virtio_park(v, queue);
}

/* ---- both ------------------------------------------------------------------------------------ */

bool net_is_active(const struct net *n, unsigned int index)
{
	return index < n->nr_active;
}

void net_move_frames(struct net_pair *p, unsigned int queue)
{
	if (queue % 2) {
		handle_tx(p, queue);
	} else if (net_is_active(p->net, queue / 2)) {
		handle_rx(p, queue);
	} else {
		p->want_in = false;
		virtio_park(&p->net->v, queue);
	}
}
