/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The split virtqueue (virtio 1.2, 2.7), the device's side: no transport, no device.
 *
 * A driver makes chains of buffers available; vq_pop() takes the next one, copies each of its
 * descriptors once, checks it, and yields two iovecs: what the device may read, and then what it
 * may write ("readable" and "writable" are always the device's view). vq_push() returns a chain,
 * vq_publish() shows all returned ones to the driver, and says whether it wants an interrupt.
 *
 * The driver is hostile. What vq_pop() enforces, each with a unit test of its own:
 *
 *   - the available index is at most one queue size ahead of what we have taken;
 *   - a head is below the queue size and not in flight already;
 *   - a chain has at most as many descriptors as the queue has entries, so that loops end;
 *   - next and indirect indices are inside their table;
 *   - an indirect descriptor only where negotiated, never inside an indirect table, never with
 *     NEXT, its table a
 *     multiple of 16 bytes, not empty, at most 32768 entries and inside guest memory;
 *   - all readable descriptors stand before all writable ones;
 *   - every buffer is inside guest memory, its length not zero-sized out of it, all lengths
 *     together below 4 GiB;
 *   - the caller's iovec is not overrun.
 *
 * On any violation the queue is broken: vq_pop() returns -EPROTO from then on, and the device core
 * tells the driver (DEVICE_NEEDS_RESET).
 *
 * One thread at a time: the owner's lock serialises.
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

	/* What the driver has set; fixed while @ready. */
	uint16_t size;
	gpa_t desc_gpa, driver_gpa, device_gpa;
	bool ready;

	/* From vq_start(): checked host pointers to the three areas. */
	const struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	bool event_idx, indirect;

	uint16_t last_avail_idx; /* the next one to take, modulo 2^16 */
	uint16_t used_idx;	 /* the next one to return, modulo 2^16 */
	uint16_t published_idx;	 /* what the driver has been shown */
	bool broken;
	const char *why; /* once @broken: the rule that the driver broke */
	uint64_t in_flight[VQ_MAX_SIZE / 64];
};

struct vq_chain {
	struct iovec *iov; /* the caller's; readable ones first */
	unsigned int iov_cap;
	unsigned int nr_readable, nr_writable; /* iovecs */
	uint64_t readable_bytes, writable_bytes;
	uint16_t head;
};

/* @max_size: a power of two up to VQ_MAX_SIZE. */
void vq_init(struct virtqueue *vq, const struct gmem *mem, uint16_t max_size);

/* Back to the state after vq_init(). */
void vq_reset(struct virtqueue *vq);

/*
 * The driver says the queue is ready: checks size (a power of two, at most max_size), alignments
 * (16, 2, 4) and that all three areas are in guest memory. Returns 0 or -EINVAL.
 */
int vq_start(struct virtqueue *vq, bool event_idx, bool indirect);

/*
 * Goes on where somebody else stopped who has served the ring, all chains before @next_avail_idx
 * returned.
 */
void vq_resume(struct virtqueue *vq, uint16_t next_avail_idx);

/*
 * Takes the next chain. Sets *@chain but for iov and iov_cap, which the caller gives. Returns 1, 0
 * when there is none, -EPROTO when the driver broke a rule: vq->why says which.
 */
int vq_pop(struct virtqueue *vq, struct vq_chain *chain);

/* Takes back the last vq_pop(), which must not have been pushed. */
void vq_unpop(struct virtqueue *vq, const struct vq_chain *chain);

/* Whether vq_pop() would find something. */
bool vq_has_work(const struct virtqueue *vq);

/*
 * Returns the chain @head with @written bytes written to its writable part; the driver sees it
 * after vq_publish().
 */
void vq_push(struct virtqueue *vq, uint16_t head, uint32_t written);

/* Shows all pushed chains to the driver. Returns whether it wants an interrupt for them. */
bool vq_publish(struct virtqueue *vq);

/* Whether the driver, as it looks now, would want none for those pushed and @more. */
bool vq_is_polled(const struct virtqueue *vq, uint16_t more);

/*
 * Asks the driver for notifications or spares it. After vq_enable_notify() returned true there is
 * work that came before it took effect: pop again.
 */
bool vq_enable_notify(struct virtqueue *vq);
void vq_disable_notify(struct virtqueue *vq);

/*
 * Takes @len bytes off the front of *@iov, of *@nr pieces, into @buf; what is left begins behind
 * them. False when there are not that many.
 */
bool vq_iov_pull(struct iovec **iov, unsigned int *nr, void *buf, size_t len);

/*
 * Copies @buf's @len bytes, or as many as there is room for, to the @nr pieces of @iov, after their
 * first @skip bytes. Returns how many.
 */
size_t vq_iov_push(const struct iovec *iov, unsigned int nr, size_t skip, const void *buf,
		   size_t len);

#endif
