/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checks the headers of frames (virtio 1.2, 5.1.6) in both directions: which work a driver may
 * leave to the backend when it sends, and the backend to the driver when it receives, by the
 * features that they negotiated. Where vhost moves the frames the host's kernel makes the same
 * checks. Thread: any. Locks: the device's, held.
 */
#include "net_impl.h"

#include <endian.h>

/* Whether the driver may send segments of type @gso. */
static bool may_segment(const struct net *n, uint8_t gso)
{
	if ((gso & VIRTIO_NET_HDR_GSO_ECN) && !virtio_has(&n->v, VIRTIO_NET_F_HOST_ECN))
		return false;
	switch (gso & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return virtio_has(&n->v, VIRTIO_NET_F_HOST_TSO4);
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return virtio_has(&n->v, VIRTIO_NET_F_HOST_TSO6);
	case VIRTIO_NET_HDR_GSO_UDP:
		return virtio_has(&n->v, VIRTIO_NET_F_HOST_UFO);
	case NET_HDR_GSO_UDP_L4:
		return virtio_has(&n->v, NET_F_HOST_USO);
	default:
		return false;
	}
}

const char *net_check_header(const struct net *n, struct virtio_net_hdr *h, uint64_t bytes)
{
	uint64_t sum_at = (uint64_t)le16toh(h->csum_start) + le16toh(h->csum_offset);

	if (bytes < ETH_HLEN || bytes > NETDEV_MAX_FRAME_BYTES)
		return "its length is not possible";
	h->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	if (h->flags) {
		if (!virtio_has(&n->v, VIRTIO_NET_F_CSUM))
			return "a checksum offload that was not negotiated";
		if (bytes < 2 || sum_at > bytes - 2)
			return "a checksum outside the frame";
	}
	if (h->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		h->hdr_len = h->gso_size = 0;
		return NULL;
	}
	if (!may_segment(n, h->gso_type))
		return "segmentation that was not negotiated";
	if (!h->flags || !h->gso_size)
		return "segmentation without checksums or without a size";
	/* Only a hint (5.1.6.2.1), but the host's kernel copies that many bytes. */
	return le16toh(h->hdr_len) > bytes ? "a header longer than its frame" : NULL;
}

bool net_driver_takes(const struct net *n, struct virtio_net_hdr *h)
{
	if (!(n->offloads & VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM))) {
		if ((h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || h->gso_type)
			return false;
		h->flags = 0;
	}
	return true;
}
