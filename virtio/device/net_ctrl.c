/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serves the network device's control queue (virtio 1.2, 5.1.6.5). Called from net.c. Thread: loop.
 * Locks: the device's, held. The commands of the driver are:
 *
 *   - what it wants to receive (5.1.6.5.1, 5.1.6.5.2), and its address;
 *   - how many pairs of queues it uses (5.1.6.5.5);
 *   - which offloads it accepts from now on (5.1.6.5.6);
 *   - that it has announced itself (5.1.6.5.4).
 *
 * Every command that has a byte for its answer gets one: an error if the command is unknown, was
 * not negotiated, or makes no sense. Receive modes and tables of addresses are checked and then
 * discarded: the device passes on all frames of the backend, and the driver filters. The driver
 * reads back an address that it sets, until the reset.
 */
#include "net_impl.h"

#include "kvm/log.h"

#include <endian.h>
#include <string.h>

#define MAX_MACS 4096		 /* of a table, so that it is read quickly; drivers have a few */
#define COMMAND_PRICE (64 * KIB) /* for virtio_charge(); as much as two tables of that length */

/* Whether a driver may switch this mode on or off. */
static bool set_mode(const struct net *n, struct iovec *iov, unsigned int nr)
{
	uint8_t on;

	return virtio_has(&n->v, VIRTIO_NET_F_CTRL_RX) && vq_iov_pull(&iov, &nr, &on, sizeof(on)) &&
	       on <= 1;
}

/* Checks two tables, of station and of group addresses. */
static bool set_table(const struct net *n, struct iovec *iov, unsigned int nr)
{
	for (unsigned int table = 0; table < 2; table++) {
		uint8_t mac[ETH_ALEN];
		uint32_t entries;

		if (!virtio_has(&n->v, VIRTIO_NET_F_CTRL_RX) ||
		    !vq_iov_pull(&iov, &nr, &entries, sizeof(entries)))
			return false;
		entries = le32toh(entries);
		if (entries > MAX_MACS)
			return false;
		while (entries-- > 0) {
			if (!vq_iov_pull(&iov, &nr, mac, sizeof(mac)))
				return false;
		}
	}
	return true;
}

/* The driver waits for the answer, so it cannot read half of the address. */
static bool set_mac(struct net *n, struct iovec *iov, unsigned int nr)
{
	uint8_t mac[ETH_ALEN];

	if (!virtio_has(&n->v, VIRTIO_NET_F_CTRL_MAC_ADDR) ||
	    !vq_iov_pull(&iov, &nr, mac, sizeof(mac)) || (mac[0] & 1))
		return false;
	memcpy(n->v.config, mac, sizeof(mac));
	net_quiet_status(n);
	return true;
}

void net_apply(struct net *n)
{
	/* The host's kernel changes interfaces one at a time, for all its users: one a turn. */
	virtio_charge(&n->v, VIRTIO_TURN_BYTES);
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
			pr_guest("network %s: refused what the guest asked for: %s",
				 netdev_name(backend), strerror(-err));
		/* The queue was not served until now. */
		virtio_kick(&n->v, 2 * i);
		virtio_kick(&n->v, 2 * i + 1);
	}
}

static bool set_pairs(struct net *n, struct iovec *iov, unsigned int nr)
{
	uint16_t pairs;

	if (!virtio_has(&n->v, VIRTIO_NET_F_MQ) || !vq_iov_pull(&iov, &nr, &pairs, sizeof(pairs)))
		return false;
	pairs = le16toh(pairs);
	if (pairs < 1 || pairs > n->nr_pairs)
		return false;
	n->nr_active = pairs;
	net_apply(n);
	return true;
}

static bool set_offloads(struct net *n, struct iovec *iov, unsigned int nr)
{
	uint64_t offloads;

	if (!virtio_has(&n->v, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) ||
	    !vq_iov_pull(&iov, &nr, &offloads, sizeof(offloads)))
		return false;
	offloads = le64toh(offloads);
	if (offloads & ~(n->v.driver_features & NET_GUEST_OFFLOADS))
		return false;
	n->offloads = offloads;
	net_apply(n);
	return true;
}

static bool announced(struct net *n)
{
	if (!virtio_has(&n->v, VIRTIO_NET_F_GUEST_ANNOUNCE))
		return false;
	net_quiet_status(n);
	return true;
}

static bool obey(struct net *n, struct iovec *iov, unsigned int nr)
{
	struct virtio_net_ctrl_hdr hdr;

	if (!vq_iov_pull(&iov, &nr, &hdr, sizeof(hdr)))
		return false;
	switch (hdr.class << 8 | hdr.cmd) {
	case VIRTIO_NET_CTRL_RX << 8 | VIRTIO_NET_CTRL_RX_PROMISC:
	case VIRTIO_NET_CTRL_RX << 8 | VIRTIO_NET_CTRL_RX_ALLMULTI:
		return set_mode(n, iov, nr);
	case VIRTIO_NET_CTRL_MAC << 8 | VIRTIO_NET_CTRL_MAC_TABLE_SET:
		return set_table(n, iov, nr);
	case VIRTIO_NET_CTRL_MAC << 8 | VIRTIO_NET_CTRL_MAC_ADDR_SET:
		return set_mac(n, iov, nr);
	case VIRTIO_NET_CTRL_MQ << 8 | VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET:
		return set_pairs(n, iov, nr);
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS << 8 | VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET:
		return set_offloads(n, iov, nr);
	case VIRTIO_NET_CTRL_ANNOUNCE << 8 | VIRTIO_NET_CTRL_ANNOUNCE_ACK:
		return announced(n);
	default:
		return false;
	}
}

void net_ctrl_handle(struct net *n, unsigned int queue)
{
	struct iovec iov[NET_MAX_PIECES];
	struct vq_chain c = { .iov = iov, .iov_cap = NET_MAX_PIECES };

	while (virtio_pop(&n->v, queue, &c)) {
		virtio_net_ctrl_ack ack =
			obey(n, iov, c.nr_readable) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;

		virtio_charge(&n->v, COMMAND_PRICE);
		/* obey() has advanced through readable pieces only. */
		if (c.nr_writable)
			*(virtio_net_ctrl_ack *)iov[c.nr_readable].iov_base = ack;
		virtio_push(&n->v, queue, c.head, c.nr_writable ? sizeof(ack) : 0);
	}
}
