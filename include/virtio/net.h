/* SPDX-License-Identifier: GPL-2.0-only */
/* A network device (virtio 1.2, 5.1) with a struct netdev for each pair of queues. */
#ifndef VIRTIO_NET_H
#define VIRTIO_NET_H

#include "virtio/netdev.h"
#include "virtio/virtio.h"

struct net;

/*
 * Takes over @backend[0 .. @nr_pairs), also when it fails. Returns 0, or -errno (reported). Thread:
 * setup.
 */
int net_create(struct net **out, struct netdev *const *backend, unsigned int nr_pairs,
	       const uint8_t mac[ETH_ALEN], const struct gmem *mem, struct loop *loop);
/* Closes the backends and frees @n; NULL is allowed. Call it with no vCPU running. */
void net_destroy(struct net *n);

struct virtio_device *net_virtio(struct net *n);

#endif
