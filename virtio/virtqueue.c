/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Implements the split virtqueue for devices; virtqueue.h has its rules.
 *
 * Barriers. The driver writes a descriptor chain, then avail->ring, then avail->idx (release); we
 * load idx (acquire) before we look at what it announces. We write used->ring, then used->idx
 * (release). To decide whether to interrupt or to notify, each side first makes its own store and
 * then loads what the other has stored. Both sides need a full barrier in between, or each may miss
 * the other's store and both sleep.
 *
 * Ring memory is shared with a driver that may change it at any time: we load every index and
 * descriptor once, into a local variable, and check it there.
 */
#include "virtio/virtqueue.h"

#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define MAX_INDIRECT 32768
#define MAX_CHAIN_BYTES UINT32_MAX

void vq_init(struct virtqueue *vq, const struct gmem *mem, uint16_t max_size)
{
	*vq = (struct virtqueue){ .mem = mem, .max_size = max_size, .size = max_size };
}

void vq_reset(struct virtqueue *vq)
{
	vq_init(vq, vq->mem, vq->max_size);
}

int vq_start(struct virtqueue *vq, bool event_idx, bool indirect)
{
	uint64_t n = vq->size;

	if (!n || n > vq->max_size || (n & (n - 1)))
		return -EINVAL;
	if (!is_aligned(vq->desc_gpa, 16) || !is_aligned(vq->driver_gpa, 2) ||
	    !is_aligned(vq->device_gpa, 4))
		return -EINVAL;
	/*
	 * Each area includes the event field after its ring: drivers always allocate it (2.7.6,
	 * 2.7.8).
	 */
	vq->desc = gmem_at(vq->mem, vq->desc_gpa, 16 * n);
	vq->avail = gmem_at(vq->mem, vq->driver_gpa, 6 + 2 * n);
	vq->used = gmem_at(vq->mem, vq->device_gpa, 6 + 8 * n);
	if (!vq->desc || !vq->avail || !vq->used)
		return -EINVAL;
	vq->event_idx = event_idx;
	vq->indirect = indirect;
	vq->last_avail_idx = 0;
	vq->used_idx = 0;
	vq->published_idx = 0;
	vq->broken = false;
	memset(vq->in_flight, 0, sizeof(vq->in_flight));
	vq->ready = true;
	return 0;
}

static uint16_t load16(const uint16_t *at)
{
	return le16toh(__atomic_load_n(at, __ATOMIC_RELAXED));
}

static void store16(uint16_t *at, uint16_t value)
{
	__atomic_store_n(at, htole16(value), __ATOMIC_RELAXED);
}

static uint16_t load_avail_idx(const struct virtqueue *vq)
{
	return le16toh(__atomic_load_n(&vq->avail->idx, __ATOMIC_ACQUIRE));
}

/* The event fields, avail->ring[size] and used->ring[size] in memory. */
static uint16_t *used_event(const struct virtqueue *vq)
{
	return &vq->avail->ring[vq->size];
}

static uint16_t *avail_event(const struct virtqueue *vq)
{
	return (uint16_t *)&vq->used->ring[vq->size];
}

static int broken(struct virtqueue *vq, const char *why)
{
	vq->broken = true;
	vq->why = why;
	return -EPROTO;
}

static bool flag_in_flight(struct virtqueue *vq, uint16_t head, bool on)
{
	uint64_t bit = 1ULL << (head % 64), *word = &vq->in_flight[head / 64];
	bool was = *word & bit;

	*word = on ? *word | bit : *word & ~bit;
	return was;
}

/* A table of descriptors: the ring's own, or an indirect one, which may begin at any byte. */
struct table {
	const uint8_t *bytes;
	uint32_t nr;
};

/* Copies one descriptor, once. */
static struct vring_desc load_desc(const struct table *t, uint32_t index)
{
	struct vring_desc d;

	memcpy(&d, t->bytes + sizeof(d) * index, sizeof(d));
	/* The compiler must not read the memory again. */
	atomic_signal_fence(memory_order_seq_cst);
	d.addr = le64toh(d.addr);
	d.len = le32toh(d.len);
	d.flags = le16toh(d.flags);
	d.next = le16toh(d.next);
	return d;
}

/* Appends one buffer to the chain. */
static const char *add_buffer(struct virtqueue *vq, struct vq_chain *c, const struct vring_desc *d)
{
	bool writable = d->flags & VRING_DESC_F_WRITE;
	unsigned int nr = c->nr_readable + c->nr_writable, before = nr;
	int err;

	if (!writable && c->nr_writable)
		return "a readable descriptor after a writable one";
	if (c->readable_bytes + c->writable_bytes + d->len > MAX_CHAIN_BYTES)
		return "a chain of 4 GiB or more";
	err = gmem_iov(vq->mem, d->addr, d->len, c->iov, c->iov_cap, &nr);
	if (err)
		return err == -ENOBUFS ? "a chain of more pieces than the device takes"
				       : "a buffer outside guest memory";
	if (writable) {
		c->nr_writable += nr - before;
		c->writable_bytes += d->len;
	} else {
		c->nr_readable += nr - before;
		c->readable_bytes += d->len;
	}
	return NULL;
}

static const char *open_indirect(struct virtqueue *vq, const struct vring_desc *d, struct table *t)
{
	if (!vq->indirect)
		return "an indirect descriptor that was not negotiated";
	/* WRITE on it must be ignored (2.7.5.3.2). */
	if (d->flags & VRING_DESC_F_NEXT)
		return "an indirect descriptor with NEXT";
	if (!d->len || d->len % sizeof(struct vring_desc) ||
	    d->len / sizeof(struct vring_desc) > MAX_INDIRECT)
		return "an indirect table of a bad length";
	t->bytes = gmem_at(vq->mem, d->addr, d->len);
	t->nr = d->len / sizeof(struct vring_desc);
	return t->bytes ? NULL : "an indirect table outside guest memory";
}

/*
 * Walks from @head through the ring's table and at most one indirect table. A driver may have set a
 * smaller queue than it builds indirect tables for (Linux does), so max_size is the limit then.
 * Returns NULL, or what is wrong.
 */
static const char *walk(struct virtqueue *vq, struct vq_chain *c, uint16_t head)
{
	struct table t = { .bytes = (const uint8_t *)vq->desc, .nr = vq->size };
	bool in_indirect = false;
	uint32_t index = head, most = vq->size;

	c->nr_descs = 0;
	while (c->nr_descs < most) {
		struct vring_desc d;
		const char *why;

		if (index >= t.nr)
			return "a descriptor index beyond its table";
		d = load_desc(&t, index);
		if ((d.flags & VRING_DESC_F_INDIRECT) && !in_indirect) {
			why = open_indirect(vq, &d, &t);
			if (why)
				return why;
			in_indirect = true;
			most = vq->max_size;
			index = 0;
			d = load_desc(&t, index);
		}
		if (d.flags & VRING_DESC_F_INDIRECT)
			return "an indirect table inside another";
		c->nr_descs++;
		why = add_buffer(vq, c, &d);
		if (why)
			return why;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return NULL;
		index = d.next;
	}
	return "a chain that loops";
}

bool vq_has_work(const struct virtqueue *vq)
{
	return vq->ready && !vq->broken && load_avail_idx(vq) != vq->last_avail_idx;
}

void vq_resume(struct virtqueue *vq, uint16_t next_avail_idx)
{
	vq->last_avail_idx = next_avail_idx;
	/* The driver may have written any value there; it can only spoil its own ring. */
	vq->used_idx = vq->published_idx = load16(&vq->used->idx);
	memset(vq->in_flight, 0, sizeof(vq->in_flight));
}

int vq_pop(struct virtqueue *vq, struct vq_chain *chain)
{
	const char *why;
	uint16_t ahead, head;

	if (!vq->ready)
		return 0;
	if (vq->broken)
		return -EPROTO;
	ahead = (uint16_t)(load_avail_idx(vq) - vq->last_avail_idx);
	if (!ahead)
		return 0;
	if (ahead > vq->size)
		return broken(vq, "the available index jumped");
	head = load16(&vq->avail->ring[vq->last_avail_idx & (vq->size - 1)]);
	if (head >= vq->size)
		return broken(vq, "a head beyond the queue");
	if (flag_in_flight(vq, head, true))
		return broken(vq, "a head that is in flight already");
	chain->head = head;
	chain->nr_readable = chain->nr_writable = 0;
	chain->readable_bytes = chain->writable_bytes = 0;
	why = walk(vq, chain, head);
	if (why)
		return broken(vq, why);
	vq->last_avail_idx++;
	return 1;
}

void vq_unpop(struct virtqueue *vq, const struct vq_chain *chain)
{
	flag_in_flight(vq, chain->head, false);
	vq->last_avail_idx--;
}

void vq_push(struct virtqueue *vq, uint16_t head, uint32_t written)
{
	struct vring_used_elem *elem;

	/*
	 * The queue was reset while the request was under way, or this is our own bug: the driver
	 * does not wait for this chain.
	 */
	if (!vq->ready || head >= vq->size || !flag_in_flight(vq, head, false))
		return;
	elem = &vq->used->ring[vq->used_idx & (vq->size - 1)];
	elem->id = htole32(head);
	elem->len = htole32(written);
	vq->used_idx++;
}

static bool wants_interrupt(const struct virtqueue *vq, uint16_t old, uint16_t new)
{
	if (!vq->event_idx)
		return !(load16(&vq->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	return vring_need_event(load16(used_event(vq)), new, old);
}

bool vq_is_polled(const struct virtqueue *vq, uint16_t more)
{
	return vq->ready &&
	       !wants_interrupt(vq, vq->published_idx, (uint16_t)(vq->used_idx + more));
}

bool vq_publish(struct virtqueue *vq)
{
	uint16_t old = vq->published_idx, new = vq->used_idx;

	if (!vq->ready || old == new)
		return false;
	__atomic_store_n(&vq->used->idx, htole16(new), __ATOMIC_RELEASE);
	vq->published_idx = new;
	/* our index before the driver's wish, see above */
	atomic_thread_fence(memory_order_seq_cst);
	return wants_interrupt(vq, old, new);
}

bool vq_enable_notify(struct virtqueue *vq)
{
	if (!vq->ready)
		return false;
	if (vq->event_idx)
		store16(avail_event(vq), vq->last_avail_idx);
	else
		store16(&vq->used->flags, 0);
	/* our wish before the driver's index, see above */
	atomic_thread_fence(memory_order_seq_cst);
	return vq_has_work(vq);
}

void vq_disable_notify(struct virtqueue *vq)
{
	/*
	 * With event indices nothing is to be done: an event index in the past causes no
	 * notification.
	 */
	if (vq->ready && !vq->event_idx)
		store16(&vq->used->flags, VRING_USED_F_NO_NOTIFY);
}

bool vq_iov_pull(struct iovec **iov, unsigned int *nr, void *buf, size_t len)
{
	uint8_t *to = buf;

	while (len > 0) {
		size_t n;

		if (!*nr)
			return false;
		n = min_u64(len, (*iov)->iov_len);
		memcpy(to, (*iov)->iov_base, n);
		to += n;
		len -= n;
		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + n;
		(*iov)->iov_len -= n;
		if ((*iov)->iov_len)
			break;
		++*iov;
		--*nr;
	}
	return true;
}

size_t vq_iov_push(const struct iovec *iov, unsigned int nr, size_t skip, const void *buf,
		   size_t len)
{
	const uint8_t *from = buf;
	size_t done = 0;

	for (unsigned int i = 0; i < nr && done < len; i++) {
		size_t over = min_u64(skip, iov[i].iov_len),
		       n = min_u64(iov[i].iov_len - over, len - done);

		memcpy((uint8_t *)iov[i].iov_base + over, from + done, n);
		skip -= over;
		done += n;
	}
	return done;
}
