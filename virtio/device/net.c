/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Implements the network device (virtio 1.2, 5.1), which moves frames between a guest's queues and
 * a backend. This file sets the device up and dispatches events of the driver and the backend to
 * these files:
 *
 *     net_frames.c  frames, one by one, on the loop's thread
 *     net_vhost.c   queues that the host's kernel serves instead
 *     net_ctrl.c    the control queue
 *     net_link.c    the cable
 *     net_header.c  checks of frames' headers
 *
 * Only the loop's thread may change what the loop watches. A reset, on a vCPU's thread, only clears
 * state (net_quiesce()); if the loop then watches more than it needs to, the next event corrects
 * that. Every change is made by net_sync_watch(), at the end of an event.
 *
 * The device offers exactly the backend's offloads: only the host's kernel can do checksums and
 * segmentation (5.1.6.2, 5.1.6.4). They are switched on when the driver's first queue runs.
 *
 * Not supported: filtering by address, which 5.1.6.5.1 and 5.1.6.5.2 leave optional, and hashing.
 * The driver gets all frames of the backend.
 */
#include "net_impl.h"

#include "kvm/log.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#define MIN_MTU 68 /* 5.1.4.2 */
#define MAX_MTU UINT16_MAX

static struct net *to_net(struct virtio_device *v)
{
	return (struct net *)v;
}

unsigned int net_ctrl_queue(const struct net *n)
{
	return virtio_has(&n->v, VIRTIO_NET_F_MQ) ? 2 * n->nr_pairs : 2;
}

static void start(struct net *n)
{
	if (n->started)
		return;
	n->started = true;
	n->offloads = n->v.driver_features & NET_GUEST_OFFLOADS;
	net_apply(n);
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
	/* A queue beyond the control queue of a driver that does not use multi-queue. */
	if (queue / 2 >= (virtio_has(v, VIRTIO_NET_F_MQ) ? n->nr_pairs : 1)) {
		virtio_park(v, queue);
		return;
	}
	if (!net_vhost_take(n, queue))
		net_move_frames(p, queue);
	net_sync_watch(p);
}

static void net_quiesce(struct virtio_device *v, unsigned int queue)
{
	struct net *n = to_net(v);
	unsigned int ctrl = net_ctrl_queue(n);

	/*
	 * The state that commands have set outlives the reset of one queue, but not that of the
	 * device, which stops the control queue too.
	 */
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
	/* net_move_frames() sets it again if the queue is running and wants frames. */
	p->want_in = p->want_in && !in;
	if (in)
		virtio_run(v, rx);
	else if (events & EPOLLHUP)
		p->gone = -EPIPE; /* no peer takes the rest */
	else if (events & EPOLLERR)
		p->gone = netdev_take_error(p->backend);
	if (p->want_out && (events & ~(uint32_t)EPOLLIN)) {
		/* Sends the rest of a half-sent frame even when its queue has been reset. */
		p->want_out = !p->gone && !netdev_flush(p->backend);
		if (!p->want_out)
			virtio_run(v, rx + 1);
	}
	/* A hang-up that no queue reads would cause events without end. */
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
			    VIRTIO_BIT(VIRTIO_NET_F_CTRL_RX) |
			    VIRTIO_BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) |
			    VIRTIO_BIT(VIRTIO_NET_F_GUEST_ANNOUNCE);
	uint64_t offloads = netdev_offloads(n->pair[0].backend);
	unsigned int mtu = netdev_mtu(n->pair[0].backend);

	memcpy(c->mac, n->mac, ETH_ALEN);
	c->status = htole16(VIRTIO_NET_S_LINK_UP);
	c->max_virtqueue_pairs = htole16((uint16_t)n->nr_pairs);
	/*
	 * Drivers assume Ethernet's default. Announcing that value would forbid them a larger one
	 * if the interface's MTU grows later.
	 */
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
		n->pair[i].on_backend = on_backend;
		n->pair[i].backend = backend[i];
	}
	net_link_init(n);
	features = make_config(n, &config);
	err = virtio_init(&n->v, &net_ops, mem, loop, 2 * nr_pairs + 1, NET_QUEUE_SIZE, features,
			  &config, offsetof(struct virtio_net_config, speed));
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
