/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lets the host's kernel serve data queues of the network device (vhost.c): those in use, while the
 * cable is in, if the backend can. The loop's thread hands a queue over when it would be handled
 * for the first time. From then on its notifications and interrupts bypass this process. The device
 * takes a queue back:
 *
 *   - when its pair is no longer used or the cable is out: we then continue where the kernel
 *     stopped;
 *   - before the driver's reset is complete: the kernel does not touch the ring after vhost_stop().
 *
 * If the kernel finds that the driver broke the rules, the device is broken, as if we had found it.
 * If the kernel refuses a queue, we report that once and move the frames ourselves. With vhost we
 * do not see the frames: we do not notice a tap interface that is removed.
 */
#include "net_impl.h"
#include "virtio/vhost/vhost.h"

#include "kvm/log.h"

#include <string.h>
#include <sys/eventfd.h>

static void on_mistake(void *ctx, uint32_t events)
{
	struct net_pair *p = ctx;
	struct virtio_device *v = &p->net->v;
	struct vhost *vh = netdev_vhost(p->backend);
	eventfd_t count;

	(void)events;
	if (eventfd_read(vhost_error_fd(vh), &count))
		return;
	virtio_lock(v);
	/* Otherwise the driver has reset the device in between. */
	if (vhost_runs(vh, 0) || vhost_runs(vh, 1)) {
		net_vhost_stop_all(p->net, false);
		virtio_break(v, "vhost-net found a chain that breaks the rules");
	}
	virtio_unlock(v);
}

/*
 * Starts watching for mistakes. Before a driver's first queue it discards those of the driver
 * before.
 */
static int watch_mistakes(struct net_pair *p, struct vhost *vh)
{
	eventfd_t count;

	if (!vhost_runs(vh, 0) && !vhost_runs(vh, 1))
		eventfd_read(vhost_error_fd(vh), &count);
	if (p->mistake.loop)
		return 0;
	return loop_add(p->net->loop, &p->mistake, vhost_error_fd(vh), EPOLLIN, on_mistake, p);
}

static int hand_over(struct net_pair *p, struct vhost *vh, unsigned int queue)
{
	struct virtio_device *v = &p->net->v;
	struct vhost_ring ring = {
		.vq = &v->queue[queue].vq,
		.kick_fd = v->queue[queue].kick_fd,
		.call_fd = virtio_used_fd(v),
		.tap_fd = netdev_fd(p->backend),
	};
	int err = ring.call_fd < 0 ? ring.call_fd : watch_mistakes(p, vh);

	if (!err)
		err = vhost_start(vh, queue % 2, &ring, v->driver_features);
	if (!err)
		virtio_hand_over(v, queue);
	return err;
}

bool net_vhost_take(struct net *n, unsigned int queue)
{
	struct net_pair *p = &n->pair[queue / 2];
	struct vhost *vh = netdev_vhost(p->backend);
	int err;

	if (!vh || n->vhost_refused || !n->link_up || !net_is_active(n, queue / 2))
		return false;
	if (queue % 2) {
		p->want_out = false;
	} else {
		net_drop_frame(p, queue);
		p->want_in = false;
	}
	err = hand_over(p, vh, queue);
	if (!err)
		return true;
	pr_warn("network %s: cannot use vhost-net: %s; kvm moves the frames itself",
		netdev_name(p->backend), strerror(-err));
	n->vhost_refused = true;
	return false;
}

void net_vhost_stop(struct net *n, unsigned int queue, bool resume)
{
	struct vhost *vh = netdev_vhost(n->pair[queue / 2].backend);
	uint16_t next;

	if (!vh || !vhost_runs(vh, queue % 2))
		return;
	if (vhost_stop(vh, queue % 2, &next)) {
		/* The other queue of the pair has stopped, too, and nobody knows where. */
		virtio_break(&n->v, "the host's kernel refuses to stop a queue of vhost-net");
		return;
	}
	if (!resume)
		return;
	vq_resume(&n->v.queue[queue].vq, next);
	virtio_take_back(&n->v, queue);
}

void net_vhost_stop_all(struct net *n, bool resume)
{
	for (unsigned int i = 0; i < 2 * n->nr_pairs; i++)
		net_vhost_stop(n, i, resume);
}
