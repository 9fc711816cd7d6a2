/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The split virtqueue (virtio 1.2, 2.7) from the device's side, without any transport or device.
 *
 * A driver makes chains of buffers available:
 *
 *   - vq_pop() takes the next chain, copies each of its descriptors once and checks it. It yields
 *     two lists of iovecs: those that the device may read, then those that it may write ("readable"
 *     and "writable" always mean: by the device).
 *   - vq_push() returns a chain.
 *   - vq_publish() shows all returned chains to the driver and tells the caller whether the driver
 *     wants an interrupt.
 *
 * The driver may be hostile. vq_pop() enforces these rules, each of which has a unit test:
 *
 *   - the available index is at most one queue size ahead of what we have taken;
 *   - a head is below the queue size and not in flight already;
 *   - a chain has at most as many descriptors as the queue may have entries (2.7.5.3.1), those of
 *     an indirect table included, so that loops end and a chain's cost has a limit;
 *   - next and indirect indices are inside their table;
 *   - an indirect descriptor is used only if negotiated, never inside an indirect table, and never
 *     with NEXT;
 *   - an indirect table has a multiple of 16 bytes, is not empty, has at most 32768 entries (of
 *     which a chain may use some), and is inside guest memory;
 *   - all readable descriptors are before all writable ones;
 *   - every buffer that is not empty is inside guest memory, and all lengths together are below 4
 *     GiB;
 *   - the chain fits into the caller's iovec.
 *
 * Any violation breaks the queue: vq_pop() returns -EPROTO from then on, and the device core
 * notifies the driver (DEVICE_NEEDS_RESET).
 *
 * Locks: the owner's lock lets one thread in at a time.
 */
#ifndef VIRTIO_VIRTQUEUE_H
#define VIRTIO_VIRTQUEUE_H

#include "kvm/gmem.h"
#include "kvm/types.h"

#include <linux/virtio_ring.h>
#include <sys/uio.h>

#define VQ_MAX_SIZE 1024

struct virtqueue {
	const struct gmem *mem;
	uint16_t max_size;

	/* Set by the driver; fixed while @ready. */
	uint16_t size;
	gpa_t desc_gpa, driver_gpa, device_gpa;
	bool ready;

	/* Set by vq_start(): checked host pointers to the three areas. */
	const struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	bool event_idx, indirect;

	uint16_t last_avail_idx; /* the next one to take, modulo 2^16 */
	uint16_t used_idx;	 /* the next one to return, modulo 2^16 */
	uint16_t published_idx;	 /* the last index shown to the driver */
	bool broken;
	const char *why; /* once @broken: the rule that the driver broke */
	uint64_t in_flight[VQ_MAX_SIZE / 64];
};

struct vq_chain {
	struct iovec *iov; /* the caller's; readable ones first */
	unsigned int iov_cap;
	unsigned int nr_readable, nr_writable; /* iovecs */
	uint64_t readable_bytes, writable_bytes;
	unsigned int nr_descs; /* how many were read */
	uint16_t head;
};

/* @max_size is a power of two, at most VQ_MAX_SIZE. */
void vq_init(struct virtqueue *vq, const struct gmem *mem, uint16_t max_size);

/* Restores the state after vq_init(). */
void vq_reset(struct virtqueue *vq);

/*
 * Starts the queue, which the driver declares ready. Checks the size (a power of two, at most
 * max_size), the alignments (16, 2, 4) and that all three areas are in guest memory. Returns 0 or
 * -EINVAL.
 */
int vq_start(struct virtqueue *vq, bool event_idx, bool indirect);

/*
 * Continues where another process or the kernel, which has served the ring, has stopped; it has
 * returned all chains before @next_avail_idx.
 */
void vq_resume(struct virtqueue *vq, uint16_t next_avail_idx);

/*
 * Takes the next chain. Sets *@chain, except iov and iov_cap, which the caller has set. Returns 1
 * if there is a chain, 0 if there is none, -EPROTO if the driver broke a rule, which vq->why names.
 */
int vq_pop(struct virtqueue *vq, struct vq_chain *chain);

/* Undoes the last vq_pop(), whose chain must not have been pushed. */
void vq_unpop(struct virtqueue *vq, const struct vq_chain *chain);

/* Whether vq_pop() would find a chain. */
bool vq_has_work(const struct virtqueue *vq);

/*
 * Returns the chain @head, with @written bytes written to its writable part, to the driver, which
 * sees it after vq_publish().
 */
void vq_push(struct virtqueue *vq, uint16_t head, uint32_t written);

/* Shows all pushed chains to the driver. Returns whether it wants an interrupt for them. */
bool vq_publish(struct virtqueue *vq);

/*
 * Whether the driver, in its present state, would not want an interrupt for the pushed chains and
 * @more.
 */
bool vq_is_polled(const struct virtqueue *vq, uint16_t more);

/*
 * Asks the driver to send notifications, or not to. vq_enable_notify() returns true if chains
 * arrived before it took effect: pop again.
 */
bool vq_enable_notify(struct virtqueue *vq);
void vq_disable_notify(struct virtqueue *vq);

/*
 * Moves the first @len bytes of *@iov, which has *@nr pieces, into @buf; *@iov then begins after
 * them. Returns false if there are not that many.
 */
bool vq_iov_pull(struct iovec **iov, unsigned int *nr, void *buf, size_t len);

/*
 * Copies @len bytes of @buf, or as many as fit, to the @nr pieces of @iov, after their first @skip
 * bytes. Returns how many.
 */
size_t vq_iov_push(const struct iovec *iov, unsigned int nr, size_t skip, const void *buf,
		   size_t len);

#endif
