/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Implements the block device (virtio 1.2, 5.2) on a disk. Requests arrive in the queues (loop's
 * thread); the device submits them to the disk and returns them when the disk calls back.
 *
 * Answers. Every request that has a status byte gets an answer: S_UNSUPP for an unknown type,
 * S_IOERR for an invalid request. A request without a status byte is returned with nothing written.
 * No framing is assumed (5.2.6 with 2.7.4): the header is the first 16 readable bytes and the
 * status the last writable one, wherever descriptors end.
 *
 * Completion. The disk may call back from within disk_submit(), later on the loop's thread, or from
 * within disk_drain() on the thread that resets, and may hold its own locks while it does. So
 * request_done() takes no lock: it puts the request on a list, and the thread that has the device's
 * lock, or gets it, serves the list (virtio_poke()). For the same reason request_done() submits
 * nothing: a request with a second part (the flush after each write when the driver does not know
 * flushes, 5.2.6.2) is submitted again after a kick.
 *
 * With werror=stop, a write that fails because the host has no room is held instead of answered
 * (blk_hold.c); until it succeeds, the device takes no new request from the queues.
 *
 * Requests are allocated when first needed and kept on a free list. Their number is the largest
 * that was ever under way at once, which the queues' sizes limit. The guest determines no
 * allocation's size.
 *
 * Not supported: a write cache that can be switched (CONFIG_WCE).
 */
#include "virtio/blk.h"

#include "blk_hold.h"
#include "kvm/log.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_SIZE 256
#define EARLY 8		      /* chains */
#define BEST_BLOCK_BYTES 4096 /* the host's page: smaller writes are slower */
#define MAX_SEGMENTS 126
#define MAX_PIECES (MAX_SEGMENTS + 2)		    /* with header and status */
#define MAX_RANGE_SECTORS (GIB / DISK_SECTOR_BYTES) /* of a discard or a write of zeroes */

struct blk_request {
	struct disk_request io; /* must be first: the disk knows only this part */
	struct blk *blk;
	struct blk_request *next; /* in one of the lists */
	uint16_t head;
	uint16_t queue;
	int result;
	bool held;	     /* it has been held at least once, see blk_hold.c */
	uint32_t data_bytes; /* of a read; for the used ring */
	bool gap;	     /* the status does not follow these bytes directly */
	uint8_t *status;     /* in guest memory */
	struct virtio_blk_discard_write_zeroes range;
	struct iovec iov[MAX_PIECES];
};

struct blk {
	struct virtio_device v;
	struct disk *disk;
	struct blk_options options;
	/* Guarded by the device's lock. */
	struct blk_request *free;
	struct blk_request *again; /* handle() submits these again */
	struct blk_hold hold;
	/* Any thread pushes one at a time; all are taken at once. */
	_Atomic(struct blk_request *) done;
};

static struct blk *to_blk(struct virtio_device *v)
{
	return (struct blk *)v;
}

static struct blk_request *request_get(struct blk *b)
{
	struct blk_request *r = b->free;

	if (r)
		b->free = r->next;
	else
		r = malloc(sizeof(*r));
	if (r)
		r->blk = b;
	return r;
}

static void request_put(struct blk_request *r)
{
	r->next = r->blk->free;
	r->blk->free = r;
}

/*
 * Returns the chain with @status, which is written to guest memory; that memory outlives the
 * device.
 */
static void answer(struct blk_request *r, uint8_t status)
{
	uint32_t written = 0;

	if (r->status)
		*r->status = status;
	/*
	 * The bytes that we report must have been written from the first byte on (2.7.8.2), so
	 * after an error we report only those.
	 */
	if (r->status && status == VIRTIO_BLK_S_OK)
		written = r->data_bytes + !r->gap;
	else if (r->status && !r->data_bytes)
		written = 1;
	virtio_push(&r->blk->v, r->queue, r->head, written);
	request_put(r);
}

static uint8_t status_of(int result)
{
	if (!result)
		return VIRTIO_BLK_S_OK;
	return result == -ENOTSUP || result == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP
							   : VIRTIO_BLK_S_IOERR;
}

static bool wants_flush(const struct blk_request *r)
{
	const struct blk *b = r->blk;

	return !r->result && (r->io.op == DISK_WRITE || r->io.op == DISK_WRITE_ZEROES) &&
	       !b->options.writethrough && !virtio_has(&b->v, VIRTIO_BLK_F_FLUSH);
}

/* Ends the hold on a request that was held: its result is final. */
static void release(struct blk_request *r)
{
	struct virtio_device *v = &r->blk->v;

	if (r->held && blk_hold_done(&r->blk->hold)) {
		for (unsigned int i = 0; i < v->nr_queues; i++)
			virtio_kick(v, i); /* handle() had parked them */
	}
	r->held = false;
}

/* Serves the list. Returns the queues, one bit each, that have chains to publish. */
static uint64_t reap(struct blk *b)
{
	struct blk_request *r = atomic_exchange_explicit(&b->done, NULL, memory_order_acquire),
			   *next;
	uint64_t queues = 0;

	for (; r; r = next) {
		next = r->next;
		queues |= VIRTIO_BIT(r->queue);
		if (blk_hold_wants(&b->hold, &r->io, r->result)) {
			blk_hold_add(&b->hold, &r->io, r->result, r->held);
			r->held = true;
			continue;
		}
		release(r);
		if (wants_flush(r)) {
			r->next = b->again;
			b->again = r;
			virtio_kick(&b->v, r->queue);
		} else {
			answer(r, status_of(r->result));
		}
	}
	return queues;
}

static void blk_serve(struct virtio_device *v)
{
	uint64_t queues = reap(to_blk(v));

	for (unsigned int i = 0; queues; i++, queues >>= 1) {
		if (queues & 1)
			virtio_publish(v, i);
	}
}

static bool blk_pending(const struct virtio_device *v)
{
	return atomic_load_explicit(&((const struct blk *)v)->done, memory_order_relaxed);
}

static void request_done(struct disk_request *io, int result)
{
	struct blk_request *r = (struct blk_request *)io;
	struct blk *b = r->blk;

	r->result = result;
	r->next = atomic_load_explicit(&b->done, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&b->done, &r->next, r, memory_order_release,
						      memory_order_relaxed))
		;
	virtio_poke(&b->v);
}

/* Takes the last byte off. Returns NULL if there is none. */
static uint8_t *pull_last(struct iovec *iov, unsigned int *nr)
{
	struct iovec *last;
	uint8_t *byte;

	if (!*nr)
		return NULL;
	last = &iov[*nr - 1]; /* never empty: the queue drops pieces without bytes */
	byte = (uint8_t *)last->iov_base + --last->iov_len;
	if (!last->iov_len)
		--*nr;
	return byte;
}

/* @room: the bytes of @iov. If there are more than the serial has, they stay as they are. */
static void push_id(struct blk_request *r, const struct iovec *iov, unsigned int nr, uint64_t room)
{
	char id[BLK_SERIAL_BYTES] = { 0 };

	memcpy(id, r->blk->options.serial, strnlen(r->blk->options.serial, sizeof(id)));
	r->data_bytes = (uint32_t)vq_iov_push(iov, nr, 0, id, sizeof(id));
	r->gap = r->data_bytes < room;
	answer(r, VIRTIO_BLK_S_OK);
}

/*
 * Sets the request's range. Returns false if its end overflows; the disk compares it with the
 * disk's size.
 */
static bool set_offset(struct disk_request *io, uint64_t sector, uint64_t bytes)
{
	if (sector > UINT64_MAX / DISK_SECTOR_BYTES)
		return false;
	io->offset_bytes = sector * DISK_SECTOR_BYTES;
	io->len_bytes = bytes;
	return bytes <= UINT64_MAX - io->offset_bytes;
}

static void submit(struct blk_request *r)
{
	disk_submit(r->blk->disk, &r->io);
}

static void transfer(struct blk_request *r, enum disk_op op, uint64_t sector, uint64_t bytes)
{
	r->io.op = op;
	if (bytes % DISK_SECTOR_BYTES || !set_offset(&r->io, sector, bytes) ||
	    (op == DISK_WRITE && disk_read_only(r->blk->disk)))
		answer(r, VIRTIO_BLK_S_IOERR);
	else if (!bytes)
		answer(r, VIRTIO_BLK_S_OK);
	else
		submit(r);
}

/* 5.2.6.2: one segment (max_*_seg), whole sectors, known flags. */
static void range_op(struct blk_request *r, enum disk_op op, struct iovec *iov, unsigned int nr,
		     uint64_t bytes)
{
	bool zeroes = op == DISK_WRITE_ZEROES;
	uint32_t flags, sectors;

	if (!virtio_has(&r->blk->v, zeroes ? VIRTIO_BLK_F_WRITE_ZEROES : VIRTIO_BLK_F_DISCARD)) {
		answer(r, VIRTIO_BLK_S_UNSUPP);
		return;
	}
	if (bytes != sizeof(r->range) || !vq_iov_pull(&iov, &nr, &r->range, sizeof(r->range))) {
		answer(r, VIRTIO_BLK_S_IOERR);
		return;
	}
	flags = le32toh(r->range.flags);
	sectors = le32toh(r->range.num_sectors);
	if (flags & ~(zeroes ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0U)) {
		answer(r, VIRTIO_BLK_S_UNSUPP);
		return;
	}
	if (sectors > MAX_RANGE_SECTORS || disk_read_only(r->blk->disk) ||
	    !set_offset(&r->io, le64toh(r->range.sector), (uint64_t)sectors * DISK_SECTOR_BYTES)) {
		answer(r, VIRTIO_BLK_S_IOERR);
		return;
	}
	r->io.op = op;
	r->io.unmap = flags;
	r->io.nr_iov = 0;
	if (sectors)
		submit(r);
	else
		answer(r, VIRTIO_BLK_S_OK);
}

static void flush(struct blk_request *r)
{
	r->io.op = DISK_FLUSH;
	r->io.offset_bytes = r->io.len_bytes = 0;
	r->io.nr_iov = 0;
	submit(r);
}

static void start(struct blk_request *r, const struct vq_chain *c)
{
	struct iovec *out = r->iov, *in = r->iov + c->nr_readable;
	unsigned int nr_out = c->nr_readable, nr_in = c->nr_writable;
	struct virtio_blk_outhdr header;

	r->io = (struct disk_request){ .done = request_done };
	r->head = c->head;
	r->held = false;
	r->data_bytes = 0;
	r->gap = false;
	r->status = pull_last(in, &nr_in);
	if (!r->status || !vq_iov_pull(&out, &nr_out, &header, sizeof(header))) {
		answer(r, VIRTIO_BLK_S_IOERR);
		return;
	}
	r->io.iov = out;
	r->io.nr_iov = nr_out;
	switch (le32toh(header.type)) {
	case VIRTIO_BLK_T_IN:
		r->io.iov = in;
		r->io.nr_iov = nr_in;
		r->data_bytes = (uint32_t)(c->writable_bytes - 1);
		transfer(r, DISK_READ, le64toh(header.sector), c->writable_bytes - 1);
		break;
	case VIRTIO_BLK_T_OUT:
		transfer(r, DISK_WRITE, le64toh(header.sector), c->readable_bytes - sizeof(header));
		break;
	case VIRTIO_BLK_T_FLUSH:
		flush(r);
		break;
	case VIRTIO_BLK_T_GET_ID:
		push_id(r, in, nr_in, c->writable_bytes - 1);
		break;
	case VIRTIO_BLK_T_DISCARD:
		range_op(r, DISK_DISCARD, out, nr_out, c->readable_bytes - sizeof(header));
		break;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		range_op(r, DISK_WRITE_ZEROES, out, nr_out, c->readable_bytes - sizeof(header));
		break;
	default:
		answer(r, VIRTIO_BLK_S_UNSUPP);
		break;
	}
}

static void submit_again(struct blk *b)
{
	struct blk_request *r = b->again, *next;

	b->again = NULL;
	for (; r; r = next) {
		next = r->next;
		flush(r);
	}
}

/*
 * Shows completed requests early to a driver that polls: it makes new requests while we process the
 * rest, and we find them without a kick. For a driver that waits for interrupts all are shown
 * together.
 */
static void show_early(struct blk *b, unsigned int queue)
{
	if (!virtio_is_polled(&b->v, queue, EARLY))
		return;
	disk_kick(b->disk);
	blk_serve(&b->v);
}

static void blk_handle(struct virtio_device *v, unsigned int queue)
{
	struct blk *b = to_blk(v);

	submit_again(b);
	if (b->hold.nr)
		virtio_park(v, queue);
	for (unsigned int n = 1; !b->hold.nr; n++) {
		struct blk_request *r = request_get(b);
		struct vq_chain c = { .iov = r ? r->iov : NULL, .iov_cap = MAX_PIECES };

		if (!r)
			break; /* a request under way that completes causes a retry */
		if (!virtio_pop(v, queue, &c)) {
			request_put(r);
			break;
		}
		r->queue = (uint16_t)queue;
		start(r, &c);
		if (n % EARLY == 0)
			show_early(b, queue);
	}
	disk_kick(b->disk);
	blk_serve(v); /* one interrupt for all that completed at once */
}

/*
 * Ends the held requests of @queue, whose driver no longer waits for them, with the errors that
 * they had.
 */
static void give_up(struct blk *b, unsigned int queue)
{
	struct disk_request *io, *next;

	for (io = blk_hold_take(&b->hold); io; io = next) {
		struct blk_request *r = (struct blk_request *)io;

		next = io->next;
		if (r->queue != queue) {
			blk_hold_add(&b->hold, io, r->result, true);
			continue;
		}
		release(r);
		answer(r, status_of(r->result));
	}
}

static void blk_quiesce(struct virtio_device *v, unsigned int queue)
{
	struct blk *b = to_blk(v);

	do { /* the disk has one queue for all */
		submit_again(b);
		disk_kick(b->disk);
		disk_drain(b->disk);
		blk_serve(v);
	} while (b->again);
	give_up(b, queue);
}

void blk_retry(struct blk *b)
{
	struct disk_request *io, *next;

	if (!virtio_trylock(&b->v)) {
		blk_hold_later(&b->hold);
		return;
	}
	for (io = blk_hold_take(&b->hold); io; io = next) {
		next = io->next;
		disk_submit(b->disk, io);
	}
	disk_kick(b->disk);
	virtio_unlock(&b->v);
}

static void on_retry(void *ctx)
{
	blk_retry(ctx);
}

static const struct virtio_ops blk_ops = {
	.name = "block",
	.device_id = VIRTIO_ID_BLOCK,
	.handle = blk_handle,
	.quiesce = blk_quiesce,
	.pending = blk_pending,
	.serve = blk_serve,
};

static uint64_t make_config(const struct blk *b, struct virtio_blk_config *c)
{
	unsigned int block = disk_block_bytes(b->disk);
	uint64_t features = VIRTIO_BIT(VIRTIO_BLK_F_SEG_MAX) | VIRTIO_BIT(VIRTIO_BLK_F_BLK_SIZE) |
			    VIRTIO_BIT(VIRTIO_BLK_F_TOPOLOGY);

	c->capacity = htole64(disk_size_bytes(b->disk) / DISK_SECTOR_BYTES);
	c->seg_max = htole32(MAX_SEGMENTS);
	/* Both in logical blocks. */
	c->blk_size = htole32(block);
	c->physical_block_exp = (uint8_t)__builtin_ctz(BEST_BLOCK_BYTES / block);
	c->min_io_size = htole16((uint16_t)(BEST_BLOCK_BYTES / block));
	c->num_queues = htole16((uint16_t)b->options.nr_queues);
	if (b->options.nr_queues > 1)
		features |= VIRTIO_BIT(VIRTIO_BLK_F_MQ);
	if (disk_read_only(b->disk))
		return features | VIRTIO_BIT(VIRTIO_BLK_F_RO);
	if (!b->options.writethrough)
		features |= VIRTIO_BIT(VIRTIO_BLK_F_FLUSH);
	c->max_write_zeroes_sectors = htole32(MAX_RANGE_SECTORS);
	c->max_write_zeroes_seg = htole32(1);
	c->write_zeroes_may_unmap = b->options.discard;
	features |= VIRTIO_BIT(VIRTIO_BLK_F_WRITE_ZEROES);
	if (b->options.discard && disk_can_discard(b->disk)) {
		c->max_discard_sectors = htole32(MAX_RANGE_SECTORS);
		c->max_discard_seg = htole32(1);
		c->discard_sector_alignment = htole32(BEST_BLOCK_BYTES / DISK_SECTOR_BYTES);
		features |= VIRTIO_BIT(VIRTIO_BLK_F_DISCARD);
	}
	return features;
}

int blk_create(struct blk **out, struct disk *disk, const struct blk_options *options,
	       const struct gmem *mem, struct loop *loop)
{
	struct virtio_blk_config config = { 0 };
	struct blk *b = calloc(1, sizeof(*b));
	uint64_t features;
	int err;

	if (!b) {
		pr_err("out of memory");
		return -ENOMEM;
	}
	b->disk = disk;
	b->options = *options;
	blk_hold_init(&b->hold, &b->options, loop, on_retry, b);
	features = make_config(b, &config);
	err = virtio_init(&b->v, &blk_ops, mem, loop, options->nr_queues, QUEUE_SIZE, features,
			  &config, sizeof(config));
	if (err) {
		pr_err("cannot set up the %u queues of a disk: %s", options->nr_queues,
		       strerror(-err));
		blk_destroy(b);
		return err;
	}
	*out = b;
	return 0;
}

void blk_destroy(struct blk *b)
{
	struct blk_request *r, *next;

	if (!b)
		return;
	virtio_lock(&b->v);
	blk_hold_end(&b->hold);
	virtio_unlock(&b->v);
	virtio_fini(&b->v);
	blk_hold_fini(&b->hold);
	for (r = b->free; r; r = next) {
		next = r->next;
		free(r);
	}
	free(b);
}

struct virtio_device *blk_virtio(struct blk *b)
{
	return &b->v;
}
