/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio over MMIO (virtio 1.2, 4.2), register layout version 2: 4 KiB of registers for one device.
 *
 * What the guest reads is always a page of memory, which we keep up to date. Where the host can
 * show that page to the guest (see struct virtio_mmio_host), reads never leave it. virtio_mmio.c
 * has the argument why that is right.
 */
#ifndef VIRTIO_VIRTIO_MMIO_H
#define VIRTIO_VIRTIO_MMIO_H

#include "kvm/bus.h"
#include "virtio/virtio.h"

#define VIRTIO_MMIO_BYTES 4096

/*
 * What the transport uses of its host. All of it but pulse() may be missing (NULL) or refused: then
 * it costs exits, no more.
 */
struct virtio_mmio_host {
	/*
	 * Raises the device's interrupt line: up and down, one at a time on a line that is shared.
	 * Any thread; lock held.
	 */
	void (*pulse)(void *ctx);
	/*
	 * An eventfd that does the same for each write to it, the host's to keep. Returns it or
	 * -errno. Loop's thread; lock held.
	 */
	int (*irq_fd)(void *ctx);
	/*
	 * A driver went live: from the return on, the register page may be mapped into the guest.
	 * Returns whether it is. Called for each DRIVER_OK. Lock held, vCPU thread.
	 */
	bool (*show_page)(void *ctx);
	/*
	 * Takes the page out of the guest's sight, so that reads wait for the device's lock, and
	 * puts it back. Without the lock.
	 */
	void (*hide_page)(void *ctx, bool hide);
	/*
	 * Writes of @queue's index to QueueNotify (@offset in our range) signal @fd from now on.
	 * Returns 0 or -errno.
	 */
	int (*route_kicks)(void *ctx, unsigned int offset, unsigned int queue, int fd);
	/*
	 * 4-byte writes of @value at @offset do nothing from now on, without an exit to us. Returns
	 * 0 or -errno.
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
	bool used_by_fd;       /* somebody else interrupts for used buffers */
	uint64_t kicks_routed; /* a bit a queue */
};

extern const struct bus_ops virtio_mmio_bus_ops;

/*
 * Connects @device, which must outlive @t. @page is zeroed memory, @host stays the caller's. Set-up
 * time.
 */
void virtio_mmio_init(struct virtio_mmio *t, struct virtio_device *device,
		      const struct virtio_mmio_host *host, uint8_t *page);

#endif
