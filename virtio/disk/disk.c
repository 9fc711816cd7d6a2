/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Passes the requests of a disk to its node and returns them when they are done.
 * include/virtio/disk.h is the contract; disk_open.c makes the node.
 *
 * A request is checked, and then takes one of three ways:
 *
 *   - at once, on the caller's thread: a read whose data are already in memory. Reads gather until
 *     disk_kick(), which tries them (disk_gather.c); a read that fails there takes one of the other
 *     two ways;
 *   - io_uring: reads and writes of a raw image. They gather in `todo` until disk_kick();
 *   - the pool's threads: everything that needs a format's code, misaligned direct I/O, discards,
 *     and all requests where io_uring is not allowed. The threads put completed requests on
 *     `done_list` and signal `done_fd`.
 *
 * done() is called with no lock held, so it may submit again. `pending` counts requests from
 * disk_submit() until after done(): when it is zero no request is under way.
 *
 * Locks: `ring_lock` covers the ring and todo; `done_lock` covers done_list; the gatherer has its
 * own. No thread holds two of them.
 */
#include "disk_impl.h"

#include "kvm/log.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define DRAIN_POLL_MS 20 /* the loop's thread may have taken the event that we wait for */

struct disk {
	struct disk_node *node;
	uint64_t size_bytes; /* the node's whole blocks */
	unsigned int block_bytes;
	struct disk_file *raw; /* the file for io_uring and preadv2(), or NULL */
	struct disk_ring *ring;
	struct disk_pool pool;
	struct loop_source ring_source, done_source;
	int done_fd;
	bool guarded, writethrough, discard, read_only;
	bool (*mend)(void *ctx); /* see struct disk_options */
	void *mend_ctx;
	_Atomic uint64_t pending;
	struct disk_gather gather;

	pthread_mutex_t ring_lock;
	struct disk_list todo;

	pthread_mutex_t done_lock;
	struct disk_list done_list;
};

uint64_t disk_size_bytes(const struct disk *d)
{
	return d->size_bytes;
}

bool disk_read_only(const struct disk *d)
{
	return d->read_only;
}

bool disk_can_discard(const struct disk *d)
{
	return d->discard && !d->read_only;
}

unsigned int disk_block_bytes(const struct disk *d)
{
	return d->block_bytes;
}

/* ---- completion ---- */

static void finish(struct disk *d, struct disk_request *r, int result)
{
	r->done(r, result);
	atomic_fetch_sub(&d->pending, 1);
}

static void finish_list(struct disk *d, struct disk_list *l)
{
	struct disk_request *r;

	while ((r = disk_list_take(l)))
		finish(d, r, r->result);
}

static void take_pool_done(struct disk *d)
{
	struct disk_list l;
	uint64_t count;

	if (read(d->done_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		pr_debug("disk: eventfd: %s", strerror(errno));
	pthread_mutex_lock(&d->done_lock);
	disk_list_move(&l, &d->done_list);
	pthread_mutex_unlock(&d->done_lock);
	finish_list(d, &l);
}

static void on_pool_done(void *ctx, uint32_t events)
{
	(void)events;
	take_pool_done(ctx);
}

/* Submits what waits and takes what has completed. */
static void run_ring(struct disk *d)
{
	struct disk_list done, other;
	struct disk_request *r;

	disk_list_init(&done);
	disk_list_init(&other);
	pthread_mutex_lock(&d->ring_lock);
	disk_ring_run(d->ring, &d->todo, &done, &other);
	pthread_mutex_unlock(&d->ring_lock);
	while ((r = disk_list_take(&other)))
		disk_pool_add(&d->pool, r);
	finish_list(d, &done);
}

static void on_ring(void *ctx, uint32_t events)
{
	(void)events;
	run_ring(ctx);
}

/* ---- on the pool's threads ---- */

static int serve_transfer(struct disk *d, struct disk_request *r)
{
	struct disk_cursor c = { .iov = r->iov };
	uint64_t offset = r->offset_bytes + r->done_bytes, len = r->len_bytes - r->done_bytes;
	int err;

	cursor_advance(&c, r->done_bytes);
	if (r->op == DISK_READ)
		return d->node->ops->read(d->node, offset, len, &c);
	err = d->node->ops->write(d->node, offset, len, &c);
	return err || !d->writethrough ? err : d->node->ops->flush(d->node);
}

static int serve_request(struct disk *d, struct disk_request *r)
{
	const struct disk_node_ops *ops = d->node->ops;
	int err;

	switch (r->op) {
	case DISK_READ:
	case DISK_WRITE:
		return serve_transfer(d, r);
	case DISK_FLUSH:
		return ops->flush(d->node);
	case DISK_DISCARD:
		err = ops->discard(d->node, r->offset_bytes, r->len_bytes);
		break;
	default:
		err = ops->zero(d->node, r->offset_bytes, r->len_bytes, r->unmap && d->discard);
	}
	return err || !d->writethrough ? err : ops->flush(d->node);
}

static void serve(void *ctx, struct disk_request *r)
{
	struct disk *d = ctx;
	uint64_t one = 1;
	bool first;

	r->result = serve_request(d, r);
	if (r->result == -EFAULT && d->mend && d->mend(d->mend_ctx))
		r->result = serve_request(d, r);
	if (r->result == -EFAULT)
		pr_guest("disk: a buffer of the guest cannot be accessed");
	pthread_mutex_lock(&d->done_lock);
	first = !d->done_list.head;
	disk_list_add(&d->done_list, r);
	pthread_mutex_unlock(&d->done_lock);
	if (first && write(d->done_fd, &one, sizeof(one)) < 0)
		pr_debug("disk: eventfd: %s", strerror(errno));
}

/* ---- submission ---- */

/* Returns 1 if the request must be carried out; otherwise its result, 0 or -errno. */
static int check(const struct disk *d, const struct disk_request *r)
{
	uint64_t size = d->size_bytes;

	if (r->op == DISK_FLUSH)
		return d->read_only ? 0 : 1;
	if ((r->offset_bytes | r->len_bytes) % DISK_SECTOR_BYTES)
		return -EINVAL;
	if (r->offset_bytes > size || r->len_bytes > size - r->offset_bytes)
		return -EINVAL;
	if (r->op != DISK_READ && d->read_only)
		return -EROFS;
	if (r->op == DISK_DISCARD && !d->discard)
		return -EOPNOTSUPP;
	return r->len_bytes ? 1 : 0;
}

static bool for_ring(const struct disk *d, const struct disk_request *r)
{
	if (!d->ring || (r->op != DISK_READ && r->op != DISK_WRITE))
		return false;
	if (r->op == DISK_WRITE && d->guarded && r->offset_bytes == 0)
		return false;
	return r->nr_iov <= 1024 &&
	       disk_file_aligned(d->raw, r->offset_bytes, r->len_bytes, r->iov, r->nr_iov);
}

static void queue_for_ring(struct disk *d, struct disk_request *r)
{
	pthread_mutex_lock(&d->ring_lock);
	disk_list_add(&d->todo, r);
	pthread_mutex_unlock(&d->ring_lock);
}

static void hand_over(struct disk *d, struct disk_request *r)
{
	if (for_ring(d, r))
		queue_for_ring(d, r);
	else
		disk_pool_add(&d->pool, r);
}

static void run_gathered(struct disk *d)
{
	struct disk_list done, other;
	struct disk_request *r;

	disk_list_init(&done);
	disk_list_init(&other);
	disk_gather_run(&d->gather, d->node, &done, &other);
	while ((r = disk_list_take(&other)))
		hand_over(d, r);
	finish_list(d, &done);
}

void disk_submit(struct disk *d, struct disk_request *r)
{
	int result = check(d, r);

	atomic_fetch_add(&d->pending, 1);
	r->done_bytes = 0;
	r->result = 0;
	if (result != 1)
		finish(d, r, result);
	else if (!disk_gather_add(&d->gather, d->node, r))
		hand_over(d, r);
}

void disk_kick(struct disk *d)
{
	bool waiting;

	run_gathered(d);
	if (!d->ring)
		return;
	pthread_mutex_lock(&d->ring_lock);
	waiting = d->todo.head;
	pthread_mutex_unlock(&d->ring_lock);
	if (waiting)
		run_ring(d);
}

void disk_drain(struct disk *d)
{
	struct pollfd fds[2] = { { .fd = d->done_fd, .events = POLLIN },
				 { .fd = -1, .events = POLLIN } };

	if (d->ring)
		fds[1].fd = disk_ring_fd(d->ring);
	while (atomic_load(&d->pending)) {
		run_gathered(d);
		if (d->ring)
			run_ring(d);
		take_pool_done(d);
		if (atomic_load(&d->pending))
			poll(fds, 2, DRAIN_POLL_MS);
	}
}

int disk_read_sync(struct disk *d, uint64_t offset_bytes, void *buf, uint64_t len_bytes)
{
	struct iovec iov = { buf, len_bytes };
	struct disk_cursor c = { .iov = &iov };

	if (offset_bytes > d->size_bytes || len_bytes > d->size_bytes - offset_bytes)
		return -EINVAL;
	return len_bytes ? d->node->ops->read(d->node, offset_bytes, len_bytes, &c) : 0;
}

/* ---- starting and closing ---- */

static int open_ring(struct disk *d, const struct disk_options *o, struct loop *loop)
{
	int err;

	if (!d->raw || o->aio == DISK_AIO_THREADS)
		return 0;
	err = disk_ring_open(&d->ring, d->raw);
	if (!err)
		err = loop_add(loop, &d->ring_source, disk_ring_fd(d->ring), EPOLLIN, on_ring, d);
	if (!err)
		return 0;
	disk_ring_close(d->ring);
	d->ring = NULL;
	if (o->aio == DISK_AIO_URING) {
		pr_err("%s: aio=uring: %s (see /proc/sys/kernel/io_uring_disabled, or use aio=threads)",
		       o->path, strerror(-err));
		return err;
	}
	pr_debug("%s: no io_uring (%s); threads do its I/O", o->path, strerror(-err));
	return 0;
}

static int open_parts(struct disk *d, const struct disk_options *o, struct loop *loop)
{
	int err;

	d->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = d->done_fd < 0 ? -errno : 0;
	if (!err)
		err = loop_add(loop, &d->done_source, d->done_fd, EPOLLIN, on_pool_done, d);
	if (!err)
		return open_ring(d, o, loop);
	pr_err("%s: cannot wait for the disk's threads: %s", o->path, strerror(-err));
	return err;
}

static void set_size(struct disk *d, const struct disk_options *o)
{
	d->block_bytes = o->block_bytes ? o->block_bytes : DISK_SECTOR_BYTES;
	d->size_bytes = align_down(d->node->size_bytes, d->block_bytes);
	if (d->size_bytes != d->node->size_bytes)
		pr_warn("%s: not a multiple of %u bytes; the guest does not see the last %llu bytes",
			o->path, d->block_bytes,
			(unsigned long long)(d->node->size_bytes - d->size_bytes));
}

int disk_start(struct disk **out, struct disk_node *node, const struct disk_options *options,
	       struct loop *loop)
{
	struct disk *d = calloc(1, sizeof(*d));
	int err;

	if (!d) {
		pr_err("%s: no memory for a disk", options->path);
		node->ops->close(node);
		return -ENOMEM;
	}
	d->node = node;
	set_size(d, options);
	d->raw = node->raw;
	d->guarded = !options->format;
	d->read_only = options->read_only;
	d->writethrough = options->cache == DISK_CACHE_WRITETHROUGH;
	d->discard = options->discard;
	d->mend = options->mend;
	d->mend_ctx = options->mend_ctx;
	d->done_fd = -1;
	disk_list_init(&d->todo);
	disk_list_init(&d->done_list);
	pthread_mutex_init(&d->ring_lock, NULL);
	pthread_mutex_init(&d->done_lock, NULL);
	disk_gather_init(&d->gather);
	disk_pool_init(&d->pool, serve, d);
	err = open_parts(d, options, loop);
	if (err) {
		disk_close(d);
		return err;
	}
	*out = d;
	return 0;
}

int disk_close(struct disk *d)
{
	int err;

	if (!d)
		return 0;
	disk_drain(d);
	disk_pool_fini(&d->pool);
	loop_del(&d->ring_source);
	loop_del(&d->done_source);
	disk_ring_close(d->ring);
	err = d->node->ops->close(d->node);
	if (d->done_fd >= 0)
		close(d->done_fd);
	pthread_mutex_destroy(&d->ring_lock);
	pthread_mutex_destroy(&d->done_lock);
	disk_gather_fini(&d->gather);
	free(d);
	return err;
}
