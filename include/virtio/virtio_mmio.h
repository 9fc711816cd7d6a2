/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio over MMIO (virtio 1.2, 4.2), register layout version 2: 4 KiB of registers for each
 * device.
 *
 * The guest always reads a page of memory, which we keep up to date. Where the host can map that
 * page into the guest (see struct virtio_mmio_host), reads do not exit. virtio_mmio.c explains why
 * this is correct.
 */
#ifndef VIRTIO_VIRTIO_MMIO_H
#define VIRTIO_VIRTIO_MMIO_H

#include "kvm/bus.h"
#include "virtio/virtio.h"

#define VIRTIO_MMIO_BYTES 4096

/*
 * What the transport needs from its host. Each function except pulse() may be missing (NULL) or
 * fail; this only causes more exits.
 */
struct virtio_mmio_host {
	/*
	 * Raises the device's interrupt line: up and down, one pulse at a time on a shared line.
	 * Thread: any. Locks: held.
	 */
	void (*pulse)(void *ctx);
	/*
	 * Returns an eventfd that has the same effect for each write to it, or -errno. The host
	 * owns it. Thread: loop. Locks: held.
	 */
	int (*irq_fd)(void *ctx);
	/*
	 * A driver has set DRIVER_OK: from the return on, the register page may be mapped into the
	 * guest. Returns whether it is. Called for each DRIVER_OK. Thread: vCPU. Locks: held.
	 */
	bool (*show_page)(void *ctx);
	/*
	 * Unmaps the page from the guest (@hide), so that reads wait for the device's lock, or maps
	 * it again. Locks: not held.
	 */
	void (*hide_page)(void *ctx, bool hide);
	/*
	 * Makes writes of @queue's index to QueueNotify (@offset in our range) signal @fd. Returns
	 * 0 or -errno.
	 */
	int (*route_kicks)(void *ctx, unsigned int offset, unsigned int queue, int fd);
	/*
	 * Makes 4-byte writes of @value at @offset have no effect and cause no exit to user space.
	 * Returns 0 or -errno.
	 */
	int (*swallow)(void *ctx, unsigned int offset, uint32_t value);
	void *ctx;
};

struct virtio_mmio {
	struct virtio_device *device;
	const struct virtio_mmio_host *host;
	uint8_t *page; /* VIRTIO_MMIO_BYTES, page aligned; written by us, read by the guest */
	uint32_t device_features_select, driver_features_select;
	uint32_t queue_select;
	bool shown;	       /* reads do not exit */
	bool swallowing;       /* InterruptACKs of used buffers do not reach us */
	bool used_by_fd;       /* another process or the kernel interrupts for used buffers */
	uint64_t kicks_routed; /* one bit for each queue */
};

extern const struct bus_ops virtio_mmio_bus_ops;

/*
 * Connects @device, which must outlive @t. @page is zeroed memory; @host stays the caller's.
 * Thread: setup.
 */
void virtio_mmio_init(struct virtio_mmio *t, struct virtio_device *device,
		      const struct virtio_mmio_host *host, uint8_t *page);

#endif
