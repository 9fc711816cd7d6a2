/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The network device: virtio 1.2, 5.1. Frames from the transmit queues go to the backend, and the backend's into the receive queues, on the
 * loop's thread, under the device's lock. The control queue is net_ctrl.c's, the cable net_link.c's. Where the backend has vhost the host's
 * kernel moves the frames instead, and nothing here runs: net_vhost.c.
 *
 * Transmit (5.1.6.2). A chain is popped, its header copied and checked, and the rest handed to the backend as it is; then it is
 * returned. So nothing is ever under way. A backend that is full has the chain put back, and the queue parked until the backend is
 * writable. A frame that makes no sense, or uses an offload that was not negotiated, is dropped; the device lives on.
 *
 * Receive (5.1.6.4). The backend's next frame is its own memory until it is asked again. It is copied into one chain, or into
 * as many as it needs with mergeable buffers. While the ring is empty the backend is not watched, so a frame waits and those
 * behind it wait in the host; the driver's next notification goes on where this stopped. While the backend is empty the ring is
 * parked, and the driver is not asked to notify. A frame that the whole ring cannot hold is dropped. The receive queues of pairs
 * that the driver does not use are left alone.
 *
 * Only the loop's thread may change what it watches. A reset, on a vCPU's thread, only forgets (net_quiesce()); what is watched too
 * much then is noticed by the next event, which changes that. Every change goes through net_sync_watch(), on the way out.
 *
 * The backend's offloads are offered and no others: checksums and segmentation are the host kernel's work (5.1.6.2, 5.1.6.4) or
 * nobody's. They are switched on when the driver's first queue runs.
 *
 * It does not filter by address, as 5.1.6.5.1 and 5.1.6.5.2 allow, nor hash: the driver gets all that the backend brings.
 */
#include "net_impl.h"

#include "kvm/log.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#define RX_BUDGET 64  /* frames, until other devices have their turn */
#define TX_BUDGET 256 /* likewise */
#define MIN_MTU 68    /* 5.1.4.2 */
#define MAX_MTU UINT16_MAX
#define HEADER_BYTES sizeof(struct virtio_net_hdr_mrg_rxbuf) /* always this one since 1.0 */

static struct net *to_net(struct virtio_device *v)
{
	return (struct net *)v;
}

static void on_backend(void *ctx, uint32_t events);

void net_sync_watch(struct net_pair *p)
{
	uint32_t events = (p->want_in ? EPOLLIN : 0U) | (p->want_out ? EPOLLOUT : 0U);
	int err;

	if (p->closed)
		return;
	if (p->source.loop)
		err = loop_mod(&p->source, events);
	else if (events)
		err = loop_add(p->net->loop, &p->source, netdev_fd(p->backend), events, on_backend, p);
	else
		err = 0;
	if (err)
		pr_err("network %s cannot be watched: %s", netdev_name(p->backend), strerror(-err));
}

/* ---- transmit ----------------------------------------------------------------------------------------------------- */

/* Returns 0 or -EAGAIN. @c->iov[-1] is free. */
static int transmit(struct net_pair *p, const struct vq_chain *c)
{
	struct net *n = p->net;
	struct virtio_net_hdr_mrg_rxbuf header;
	unsigned int nr = c->nr_readable;
	struct iovec *iov = c->iov;
	const char *why;

	if (!vq_iov_pull(&iov, &nr, &header, HEADER_BYTES)) {
		pr_guest("virtio net: a frame without a header; dropped");
		return 0;
	}
	why = net_check_header(n, &header.hdr, c->readable_bytes - HEADER_BYTES);
	if (why) {
		pr_guest("virtio net: %s; dropped", why);
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
	for (unsigned int i = 0; i < TX_BUDGET && virtio_pop(v, queue, &c); i++) {
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

/* ---- receive ------------------------------------------------------------------------------------------------------ */

/* Makes the next frame the one to be handed on. */
static bool fetch(struct net_pair *p)
{
	ssize_t n = 0;

	if (p->frame)
		return true;
	if (p->gone)
		return false;
	for (unsigned int i = 0; i < RX_BUDGET; i++) {
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
	if (n >= 0) /* there may be more in the backend's memory, of which its descriptor says nothing */
		virtio_kick(&p->net->v, 2 * (unsigned int)(p - p->net->pair));
	else if (n != -EAGAIN)
		p->gone = (int)n; /* the loop sees it too, and on_backend() says so */
	return false;
}

/* Copies to @iov from byte @skip on. Returns how much. */
static size_t scatter(const struct iovec *iov, unsigned int nr, size_t skip, const void *from, size_t len)
{
	size_t done = 0;

	for (unsigned int i = 0; i < nr && done < len; i++) {
		size_t over = min_u64(skip, iov[i].iov_len), n = min_u64(iov[i].iov_len - over, len - done);

		memcpy((uint8_t *)iov[i].iov_base + over, (const uint8_t *)from + done, n);
		skip -= over;
		done += n;
	}
	return done;
}

static uint8_t *byte_at(const struct iovec *iov, size_t at)
{
	for (; at >= iov->iov_len; iov++)
		at -= iov->iov_len;
	return (uint8_t *)iov->iov_base + at;
}

/* Puts as much of the frame as fits into @c. */
static void fill(struct net_pair *p, const struct vq_chain *c)
{
	struct virtio_net_hdr_mrg_rxbuf header = { .hdr = p->hdr, .num_buffers = htole16(1) };
	const struct iovec *iov = c->iov + c->nr_readable;
	size_t head = p->nr_held ? 0 : HEADER_BYTES, n;

	if (head) {
		scatter(iov, c->nr_writable, 0, &header, head);
		for (unsigned int i = 0; i < 2; i++)
			p->num_buffers[i] =
				byte_at(iov, offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers) + i);
	}
	n = scatter(iov, c->nr_writable, head, p->frame + p->copied_bytes, p->frame_bytes - p->copied_bytes);
	p->copied_bytes += n;
	p->held[p->nr_held].head = c->head;
	p->held[p->nr_held++].written = (uint32_t)(head + n);
}

void net_forget_frame(struct net_pair *p)
{
	p->frame = NULL;
	p->nr_held = 0;
}

/* Last one first. */
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

/* Hands the frame on. False when the ring is empty: some of it may be there already. */
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
			virtio_break(v, "a receive buffer with no room for a header");
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
	for (unsigned int i = 0; i < RX_BUDGET; i++) {
		if (!fetch(p)) {
			p->want_in = true;
			virtio_park(v, queue);
			return;
		}
		if (!deliver(p, queue))
			return; /* the core asks the driver to notify, and looks again */
	}
	/* As in fetch(). */
	virtio_kick(v, queue);
	virtio_park(v, queue);
}

/* ---- both --------------------------------------------------------------------------------------------------------- */

unsigned int net_ctrl_queue(const struct net *n)
{
	return virtio_has(&n->v, VIRTIO_NET_F_MQ) ? 2 * n->nr_pairs : 2;
}

bool net_is_active(const struct net *n, unsigned int index)
{
	return index < n->nr_active;
}

void net_apply(struct net *n)
{
	for (unsigned int i = 0; i < n->nr_pairs; i++) {
		struct netdev *backend = n->pair[i].backend;
		bool active = net_is_active(n, i);
		int err;

		if (!active) {
			net_vhost_stop(n, 2 * i, true);
			net_vhost_stop(n, 2 * i + 1, true);
		}
		err = netdev_set_active(backend, active);
		if (!err && active)
			err = netdev_set_offloads(backend, n->offloads);
		if (err)
			pr_guest("network %s: what the guest asks for is refused: %s", netdev_name(backend),
				 strerror(-err));
		/* Left alone until now. */
		virtio_kick(&n->v, 2 * i);
		virtio_kick(&n->v, 2 * i + 1);
	}
}

static void start(struct net *n)
{
	if (n->started)
		return;
	n->started = true;
	n->offloads = n->v.driver_features & NET_GUEST_OFFLOADS;
	net_apply(n);
}

static void move_frames(struct net_pair *p, unsigned int queue)
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

static void net_handle(struct virtio_device *v, unsigned int queue)
{
	struct net *n = to_net(v);
	struct net_pair *p = &n->pair[queue / 2];

	start(n);
	if (queue == net_ctrl_queue(n)) {
		net_ctrl_handle(n, queue);
		if (v->status & VIRTIO_CONFIG_S_NEEDS_RESET)
			net_vhost_stop_all(n, false);
		return;
	}
	/* Queues behind the control queue of a driver that knows no multi-queue. */
	if (queue / 2 >= (virtio_has(v, VIRTIO_NET_F_MQ) ? n->nr_pairs : 1)) {
		virtio_park(v, queue);
		return;
	}
	if (!net_vhost_take(n, queue))
		move_frames(p, queue);
	net_sync_watch(p);
}

static void net_quiesce(struct virtio_device *v, unsigned int queue)
{
	struct net *n = to_net(v);
	unsigned int ctrl = net_ctrl_queue(n);

	/* What was set by commands outlives the reset of one queue, not that of the device, which ends the control queue too. */
	if (queue == ctrl || !v->queue[ctrl].vq.ready)
		n->started = false;
	if (queue == ctrl) {
		n->nr_active = 1;
		memcpy(v->config, n->mac, ETH_ALEN);
		net_quiet_status(n);
	} else if (queue / 2 < n->nr_pairs) {
		net_vhost_stop(n, queue, false);
		if (!(queue % 2))
			net_forget_frame(&n->pair[queue / 2]);
	}
}

static void on_backend(void *ctx, uint32_t events)
{
	struct net_pair *p = ctx;
	struct virtio_device *v = &p->net->v;
	unsigned int rx = 2 * (unsigned int)(p - p->net->pair);
	bool in = p->want_in && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)), gone;

	virtio_lock(v);
	/* Wanted again if the queue is live and says so. */
	p->want_in = p->want_in && !in;
	if (in)
		virtio_run(v, rx);
	else if (events & (EPOLLERR | EPOLLHUP))
		p->gone = -EPIPE; /* nobody takes what is left */
	if (p->want_out && (events & ~(uint32_t)EPOLLIN)) {
		/* Half a frame is sent whole even when its queue is gone. */
		p->want_out = !p->gone && !netdev_flush(p->backend);
		if (!p->want_out)
			virtio_run(v, rx + 1);
	}
	/* A hang-up that no queue looked at would come again and again. */
	if (!p->gone && in && !p->want_in && (events & EPOLLHUP))
		p->gone = -EPIPE;
	gone = p->gone && !p->closed;
	net_sync_watch(p);
	virtio_unlock(v);
	if (gone)
		net_close_backend(p);
}

static const struct virtio_ops net_ops = {
	.name = "net",
	.device_id = VIRTIO_ID_NET,
	.handle = net_handle,
	.quiesce = net_quiesce,
};

static uint64_t make_config(const struct net *n, struct virtio_net_config *c)
{
	uint64_t features = VIRTIO_BIT(VIRTIO_NET_F_MAC) | VIRTIO_BIT(VIRTIO_NET_F_STATUS) |
			    VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF) | VIRTIO_BIT(VIRTIO_NET_F_CTRL_VQ) |
			    VIRTIO_BIT(VIRTIO_NET_F_CTRL_RX) | VIRTIO_BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) |
			    VIRTIO_BIT(VIRTIO_NET_F_GUEST_ANNOUNCE);
	uint64_t offloads = netdev_offloads(n->pair[0].backend);
	unsigned int mtu = netdev_mtu(n->pair[0].backend);

	memcpy(c->mac, n->mac, ETH_ALEN);
	c->status = htole16(VIRTIO_NET_S_LINK_UP);
	c->max_virtqueue_pairs = htole16((uint16_t)n->nr_pairs);
	/* Ethernet's own is what drivers assume; saying it would forbid them a larger one, should the interface get that later. */
	if (mtu >= MIN_MTU && mtu <= MAX_MTU && mtu != ETH_DATA_LEN) {
		c->mtu = htole16((uint16_t)mtu);
		features |= VIRTIO_BIT(VIRTIO_NET_F_MTU);
	}
	if (offloads)
		features |= offloads | VIRTIO_BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
	return features | (n->nr_pairs > 1 ? VIRTIO_BIT(VIRTIO_NET_F_MQ) : 0);
}

int net_create(struct net **out, struct netdev *const *backend, unsigned int nr_pairs,
	       const uint8_t mac[ETH_ALEN], const struct gmem *mem, struct loop *loop)
{
	struct net *n = calloc(1, sizeof(*n) + nr_pairs * sizeof(n->pair[0]));
	struct virtio_net_config config = { 0 };
	uint64_t features;
	int err;

	assert(nr_pairs >= 1 && nr_pairs <= NETDEV_MAX_QUEUES);
	if (!n) {
		pr_err("out of memory");
		for (unsigned int i = 0; i < nr_pairs; i++)
			netdev_close(backend[i]);
		return -ENOMEM;
	}
	n->loop = loop;
	n->link_up = true;
	n->nr_pairs = nr_pairs;
	n->nr_active = 1;
	memcpy(n->mac, mac, ETH_ALEN);
	for (unsigned int i = 0; i < nr_pairs; i++) {
		n->pair[i].net = n;
		n->pair[i].backend = backend[i];
	}
	net_link_init(n);
	features = make_config(n, &config);
	err = virtio_init(&n->v, &net_ops, mem, loop, 2 * nr_pairs + 1, NET_QUEUE_SIZE, features, &config,
			  offsetof(struct virtio_net_config, speed));
	if (err) {
		pr_err("cannot set up network %s: %s", netdev_name(backend[0]), strerror(-err));
		net_destroy(n);
		return err;
	}
	*out = n;
	return 0;
}

void net_destroy(struct net *n)
{
	if (!n)
		return;
	virtio_fini(&n->v);
	loop_timer_fini(&n->retry);
	for (unsigned int i = 0; i < n->nr_pairs; i++) {
		loop_del(&n->pair[i].source);
		loop_del(&n->pair[i].mistake);
		netdev_close(n->pair[i].backend);
	}
	free(n);
}

struct virtio_device *net_virtio(struct net *n)
{
	return &n->v;
}
