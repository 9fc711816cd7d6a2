/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Controls the network device's cable (virtio 1.2, 5.1.4 (status) and 5.1.6.5.4). The cable is out
 * after net_set_link(false), and when the backend's peer has disconnected. If the peer may return,
 * such as a passt that the user started, the device retries once a second. When it succeeds, it
 * plugs the cable in and asks the driver to announce itself, because the network behind the new
 * peer may not know the guest. Thread: loop. Locks: not held.
 *
 * While the cable is out frames are lost in both directions. vhost does not know about cables, so
 * its queues are taken back for that time.
 */
#include "net_impl.h"

#include "kvm/log.h"

#include <endian.h>
#include <string.h>

#define RETRY_NS 1000000000ULL

static void set_status(struct net *n, uint16_t status)
{
	status = htole16(status);
	virtio_set_config(&n->v, offsetof(struct virtio_net_config, status), &status,
			  sizeof(status));
}

void net_quiet_status(struct net *n)
{
	uint16_t status = htole16(n->link_up ? VIRTIO_NET_S_LINK_UP : 0);

	memcpy(n->v.config + offsetof(struct virtio_net_config, status), &status, sizeof(status));
	n->v.config_generation++;
	if (n->v.transport.refresh)
		n->v.transport.refresh(n->v.transport.ctx);
}

void net_set_link(struct net *n, bool up)
{
	if (up == n->link_up)
		return;
	virtio_lock(&n->v);
	n->link_up = up;
	net_vhost_stop_all(n, true);
	/* Restarts the queues, which the kernel or this process serves from now on. */
	for (unsigned int i = 0; i < 2 * n->nr_pairs; i++)
		virtio_kick(&n->v, i);
	virtio_unlock(&n->v);
	set_status(n, up ? VIRTIO_NET_S_LINK_UP : 0);
}

void net_announce(struct net *n)
{
	bool can;

	virtio_lock(&n->v);
	can = n->link_up && virtio_has(&n->v, VIRTIO_NET_F_GUEST_ANNOUNCE);
	virtio_unlock(&n->v);
	if (can)
		set_status(n, VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
}

void net_close_backend(struct net_pair *p)
{
	loop_del(&p->source);
	p->closed = true;
	netdev_say_gone(p->backend, p->gone);
	net_set_link(p->net, false);
	if (netdev_may_return(p->backend))
		loop_timer_arm(&p->net->retry, RETRY_NS);
}

/* Retries the backend: one that may return has one pair only. */
static void on_retry(void *ctx)
{
	struct net *n = ctx;
	struct net_pair *p = &n->pair[0];
	int err;

	virtio_lock(&n->v);
	net_drop_frame(p, 0); /* it was in the backend's memory */
	p->want_out = false;
	err = netdev_reopen(p->backend);
	if (!err) {
		p->gone = 0;
		p->closed = false;
	}
	virtio_unlock(&n->v);
	if (err) {
		loop_timer_arm(&n->retry, RETRY_NS);
		return;
	}
	pr_warn("network %s: the other end has reconnected", netdev_name(p->backend));
	net_set_link(n, true);
	net_announce(n);
}

void net_link_init(struct net *n)
{
	loop_timer_init(n->loop, &n->retry, on_retry, n);
}
