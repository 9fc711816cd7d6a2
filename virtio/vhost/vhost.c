/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Controls the host kernel's network worker behind /dev/vhost-net (Linux,
 * include/uapi/linux/vhost.h). The worker moves frames between a tap interface and a ring by
 * itself. It gets the driver's notifications by one eventfd and interrupts the guest by another, so
 * that this process does not run at all.
 *
 * The worker gets:
 *
 *   - the place of guest memory (all of it, as KVM has it);
 *   - the places of the rings (host addresses, which vq_start() has checked);
 *   - the features of rings and headers that the driver accepted.
 *
 * The worker checks every chain itself. What a hostile driver writes into its rings can only affect
 * guest memory, as with our own code. A ring that makes no sense stops, and an eventfd reports it.
 *
 * The worker is made with the first ring that runs (VHOST_SET_OWNER), so that a machine without a
 * driver has none.
 *
 * To stop a ring, its tap is taken away: the kernel waits until the worker no longer uses the ring.
 * If the kernel refuses that, the whole descriptor is closed, which has the same effect for good.
 */
#include "vhost.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define VHOST_DEVICE "/dev/vhost-net"
#define BIT(n) (1ULL << (n))
/* The features offered to the driver that the server of the rings must know. */
#define RING_FEATURES                                                                              \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |                              \
	 BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_NET_F_MRG_RXBUF))

struct vhost {
	int fd, error_fd;
	bool owned;	      /* it has a worker and guest memory */
	unsigned int running; /* one bit for each ring */
};

/* @arg is a pointer, or NULL for requests without one. */
static int control(const struct vhost *vh, unsigned long request, void *arg)
{
	return ioctl(vh->fd, request, arg) < 0 ? -errno : 0;
}

int vhost_open(struct vhost **out)
{
	struct vhost *vh = malloc(sizeof(*vh));
	uint64_t features = 0;
	int err = 0;

	if (!vh)
		return -ENOMEM;
	*vh = (struct vhost){ .error_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	vh->fd = open(VHOST_DEVICE, O_RDWR | O_CLOEXEC);
	if (vh->fd < 0 || vh->error_fd < 0)
		err = -errno;
	if (!err)
		err = control(vh, VHOST_GET_FEATURES, &features);
	if (!err && (features & RING_FEATURES) != RING_FEATURES)
		err = -ENOTSUP;
	if (err)
		vhost_close(vh);
	else
		*out = vh;
	return err;
}

void vhost_close(struct vhost *vh)
{
	if (!vh)
		return;
	if (vh->fd >= 0)
		close(vh->fd);
	if (vh->error_fd >= 0)
		close(vh->error_fd);
	free(vh);
}

int vhost_error_fd(const struct vhost *vh)
{
	return vh->error_fd;
}

static int set_memory(const struct vhost *vh, const struct gmem *mem)
{
	struct vhost_memory *table =
		calloc(1, sizeof(*table) + mem->nr_regions * sizeof(table->regions[0]));
	int err;

	if (!table)
		return -ENOMEM;
	table->nregions = mem->nr_regions;
	for (unsigned int i = 0; i < mem->nr_regions; i++)
		table->regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = mem->region[i].gpa,
			.memory_size = mem->region[i].size_bytes,
			.userspace_addr = (uintptr_t)mem->region[i].hva,
		};
	err = control(vh, VHOST_SET_MEM_TABLE, table);
	free(table);
	return err;
}

/* Sets what both rings have in common. */
static int prepare(struct vhost *vh, const struct gmem *mem, uint64_t features)
{
	int err = 0;

	if (!vh->owned) {
		err = control(vh, VHOST_SET_OWNER, NULL);
		if (!err)
			err = set_memory(vh, mem);
		vh->owned = !err;
	}
	if (err || vh->running)
		return err;
	features &= RING_FEATURES;
	return control(vh, VHOST_SET_FEATURES, &features);
}

static int set_fd(const struct vhost *vh, unsigned long request, unsigned int index, int fd)
{
	struct vhost_vring_file file = { .index = index, .fd = fd };

	return control(vh, request, &file);
}

static int set_ring(const struct vhost *vh, unsigned int index, const struct virtqueue *vq)
{
	struct vhost_vring_state num = { .index = index, .num = vq->size };
	struct vhost_vring_state base = { .index = index, .num = vq->last_avail_idx };
	struct vhost_vring_addr addr = {
		.index = index,
		.desc_user_addr = (uintptr_t)vq->desc,
		.avail_user_addr = (uintptr_t)vq->avail,
		.used_user_addr = (uintptr_t)vq->used,
	};
	int err = control(vh, VHOST_SET_VRING_NUM, &num);

	if (!err)
		err = control(vh, VHOST_SET_VRING_BASE, &base);
	return err ? err : control(vh, VHOST_SET_VRING_ADDR, &addr);
}

int vhost_start(struct vhost *vh, unsigned int index, const struct vhost_ring *ring,
		uint64_t features)
{
	int err;

	assert(index < VHOST_RINGS && ring->vq->ready && !vhost_runs(vh, index));
	err = prepare(vh, ring->vq->mem, features);
	if (!err)
		err = set_ring(vh, index, ring->vq);
	if (!err)
		err = set_fd(vh, VHOST_SET_VRING_CALL, index, ring->call_fd);
	if (!err)
		err = set_fd(vh, VHOST_SET_VRING_ERR, index, vh->error_fd);
	if (!err)
		err = set_fd(vh, VHOST_SET_VRING_KICK, index, ring->kick_fd);
	if (!err)
		err = set_fd(vh, VHOST_NET_SET_BACKEND, index, ring->tap_fd);
	if (!err)
		vh->running |= 1U << index;
	return err;
}

bool vhost_runs(const struct vhost *vh, unsigned int index)
{
	return vh->running & 1U << index;
}

int vhost_stop(struct vhost *vh, unsigned int index, uint16_t *next)
{
	struct vhost_vring_state base = { .index = index };
	int err;

	assert(vhost_runs(vh, index));
	vh->running &= ~(1U << index);
	err = set_fd(vh, VHOST_NET_SET_BACKEND, index, -1);
	if (!err)
		err = control(vh, VHOST_GET_VRING_BASE, &base);
	if (err) {
		close(vh->fd);
		vh->fd = -1;
		vh->running = 0;
	}
	*next = (uint16_t)base.num;
	return err;
}
