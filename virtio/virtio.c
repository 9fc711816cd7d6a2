/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Implements the core of a virtio device for all devices and transports, see virtio.h: virtio 1.2,
 * sections 2.1 (status), 2.2 (features), 2.5 (configuration space), 2.6 (virtqueues and their
 * reset) and 3.1 (initialisation).
 *
 * Status. Bits are only added until the driver writes 0. The core refuses FEATURES_OK when the
 * driver accepted a feature that was not offered, or did not accept VIRTIO_F_VERSION_1: the bit
 * then reads back as 0. Queues are set up between FEATURES_OK and DRIVER_OK only: a running queue
 * never changes its size or its place.
 *
 * Kicks. Every kick is an eventfd that the loop watches; KVM (ioeventfd) or a vCPU thread writes to
 * it. The loop watches it edge triggered and never reads it: the counter only shows that something
 * happened, and the queue shows what. Queues run on the loop's thread, under the device's lock. If
 * a vCPU has the lock, the loop does not wait: the vCPU kicks all queues when it releases it.
 *
 * Turns. Whatever a driver puts into its queues, the loop must be back within milliseconds, because
 * it also serves signals, timers and the terminal. So everything that a queue does in one callback
 * is charged to one budget. When that is used up the queue kicks itself, and other devices have
 * their turn. The queues of a device share its budget.
 *
 * Reset. It happens on the vCPU thread that writes it and is complete when that write is:
 * ops->quiesce() has waited for all requests under way. It waits with the lock held, so that no new
 * request begins. Therefore code that completes requests must not wait for the lock; if the lock is
 * taken it records the completion: virtio_poke().
 *
 * Not supported: packed rings, and any legacy (before 1.0) interface.
 */
#include "virtio/virtio.h"

#include "kvm/log.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MIN_TURN_BYTES (256 * KIB)
/* The prices of a round of handle(), a chain, and a descriptor. */
#define ROUND_BYTES (4 * KIB)
#define CHAIN_BYTES (1 * KIB)
#define DESC_BYTES 64
#define RING_FEATURES                                                                              \
	(VIRTIO_BIT(VIRTIO_F_VERSION_1) | VIRTIO_BIT(VIRTIO_RING_F_INDIRECT_DESC) |                \
	 VIRTIO_BIT(VIRTIO_RING_F_EVENT_IDX) | VIRTIO_BIT(VIRTIO_F_RING_RESET))
#define KNOWN_STATUS                                                                               \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK |        \
	 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_FAILED)

void virtio_lock(struct virtio_device *v)
{
	pthread_mutex_lock(&v->lock);
}

bool virtio_trylock(struct virtio_device *v)
{
	return !pthread_mutex_trylock(&v->lock);
}

static bool take_and_serve(struct virtio_device *v)
{
	if (!virtio_trylock(v))
		return false;
	v->ops->serve(v);
	return true;
}

static void kick_again(struct virtio_device *v)
{
	if (!atomic_exchange(&v->kick_missed, false))
		return;
	for (unsigned int i = 0; i < v->nr_queues; i++)
		virtio_kick(v, i);
}

void virtio_unlock(struct virtio_device *v)
{
	do {
		if (v->config_irq_wanted && v->transport.config)
			v->transport.config(v->transport.ctx);
		v->config_irq_wanted = false;
		pthread_mutex_unlock(&v->lock);
		/*
		 * We release the lock before these checks; virtio_poke()'s caller and on_kick()
		 * record before they try the lock. So one of the two sees the other.
		 */
		atomic_thread_fence(memory_order_seq_cst);
		if (atomic_load_explicit(&v->kick_missed, memory_order_relaxed))
			kick_again(v);
	} while (v->ops->pending && v->ops->pending(v) && take_and_serve(v));
}

void virtio_poke(struct virtio_device *v)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (take_and_serve(v))
		virtio_unlock(v);
}

bool virtio_has(const struct virtio_device *v, unsigned int bit)
{
	return v->driver_features & VIRTIO_BIT(bit);
}

static bool running(const struct virtio_device *v)
{
	return (v->status & VIRTIO_CONFIG_S_DRIVER_OK) &&
	       !(v->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void refresh(struct virtio_device *v)
{
	if (v->transport.refresh)
		v->transport.refresh(v->transport.ctx);
}

void virtio_break(struct virtio_device *v, const char *why)
{
	if (v->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	pr_guest("virtio %s: %s; the device stops until its driver resets it", v->ops->name, why);
	v->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	refresh(v);
	/* 2.1.2: notify the driver, if it is running. */
	if (v->status & VIRTIO_CONFIG_S_DRIVER_OK)
		v->config_irq_wanted = true;
}

bool virtio_pop(struct virtio_device *v, unsigned int queue, struct vq_chain *chain)
{
	struct virtqueue *vq = &v->queue[queue].vq;
	int got = running(v) && virtio_turn_left(v) ? vq_pop(vq, chain) : 0;

	if (got < 0)
		virtio_break(v, vq->why);
	if (got > 0)
		virtio_charge(v, CHAIN_BYTES + (uint64_t)chain->nr_descs * DESC_BYTES +
					 chain->readable_bytes + chain->writable_bytes);
	return got > 0;
}

void virtio_charge(struct virtio_device *v, uint64_t bytes)
{
	if (v->in_turn)
		v->left_bytes -= (int64_t)bytes;
}

uint64_t virtio_turn_left(const struct virtio_device *v)
{
	if (!v->in_turn)
		return VIRTIO_TURN_BYTES;
	return v->left_bytes > 0 ? (uint64_t)v->left_bytes : 0;
}

void virtio_push(struct virtio_device *v, unsigned int queue, uint16_t head, uint32_t written)
{
	vq_push(&v->queue[queue].vq, head, written);
}

void virtio_publish(struct virtio_device *v, unsigned int queue)
{
	if (vq_publish(&v->queue[queue].vq) && v->transport.used)
		v->transport.used(v->transport.ctx);
}

bool virtio_is_polled(const struct virtio_device *v, unsigned int queue, uint16_t more)
{
	return vq_is_polled(&v->queue[queue].vq, more);
}

void virtio_kick(struct virtio_device *v, unsigned int queue)
{
	uint64_t one = 1;
	ssize_t n = write(v->queue[queue].kick_fd, &one, sizeof(one));

	(void)n; /* the counter cannot overflow during a machine's run */
}

void virtio_park(struct virtio_device *v, unsigned int queue)
{
	v->queue[queue].parked = true;
}

static void run_rounds(struct virtio_device *v, unsigned int index)
{
	struct virtqueue *vq = &v->queue[index].vq;

	do {
		vq_disable_notify(vq);
		v->queue[index].parked = false;
		v->ops->handle(v, index);
		virtio_publish(v, index);
		if (v->queue[index].parked)
			return;
		if (!running(v) || !vq_enable_notify(vq))
			return;
		virtio_charge(v, ROUND_BYTES);
	} while (virtio_turn_left(v));
	virtio_kick(v, index);
}

void virtio_run(struct virtio_device *v, unsigned int index)
{
	bool nested = v->in_turn;

	if (!running(v) || !v->queue[index].vq.ready || v->queue[index].handed_over)
		return;
	if (!nested)
		v->left_bytes = v->turn_bytes;
	v->in_turn = true;
	run_rounds(v, index);
	v->in_turn = nested;
}

/*
 * Watching again reports at once what arrived in between: the counter, never read, is not zero (see
 * above).
 */
static void watch_kicks(struct virtio_queue *q, bool watch)
{
	if (q->handed_over == !watch)
		return;
	q->handed_over = !watch;
	if (loop_mod(&q->kick, watch ? EPOLLIN | EPOLLET : 0))
		pr_err("virtio %s: cannot watch a queue in the event loop; the queue may stall",
		       q->device->ops->name);
}

void virtio_hand_over(struct virtio_device *v, unsigned int queue)
{
	v->queue[queue].parked = true; /* when handle() returns, we must not look at the rings */
	watch_kicks(&v->queue[queue], false);
}

void virtio_take_back(struct virtio_device *v, unsigned int queue)
{
	watch_kicks(&v->queue[queue], true);
}

int virtio_used_fd(struct virtio_device *v)
{
	return v->transport.used_fd ? v->transport.used_fd(v->transport.ctx) : -ENOTSUP;
}

static void on_kick(void *ctx, uint32_t events)
{
	struct virtio_queue *q = ctx;
	struct virtio_device *v = q->device;

	(void)events;
	if (!virtio_trylock(v)) {
		atomic_store(&v->kick_missed, true);
		if (!virtio_trylock(v))
			return;
	}
	virtio_run(v, (unsigned int)(q - v->queue));
	virtio_unlock(v);
}

static int init_queue(struct virtio_device *v, unsigned int index, const struct gmem *mem,
		      struct loop *loop, uint16_t size)
{
	struct virtio_queue *q = &v->queue[index];

	vq_init(&q->vq, mem, size);
	q->device = v;
	q->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->kick_fd < 0)
		return -errno;
	return loop_add(loop, &q->kick, q->kick_fd, EPOLLIN | EPOLLET, on_kick, q);
}

int virtio_init(struct virtio_device *v, const struct virtio_ops *ops, const struct gmem *mem,
		struct loop *loop, unsigned int nr_queues, uint16_t queue_size, uint64_t features,
		const void *config, unsigned int config_bytes)
{
	int err = 0;

	assert(nr_queues <= VIRTIO_MAX_QUEUES && config_bytes <= VIRTIO_MAX_CONFIG_BYTES &&
	       queue_size <= VQ_MAX_SIZE);
	memset(v, 0, sizeof(*v));
	v->ops = ops;
	v->offered = features | RING_FEATURES;
	v->config_bytes = config_bytes;
	if (config_bytes)
		memcpy(v->config, config, config_bytes);
	pthread_mutex_init(&v->lock, NULL);
	v->queue = calloc(nr_queues, sizeof(*v->queue));
	if (!v->queue)
		return -ENOMEM;
	v->nr_queues = nr_queues;
	v->turn_bytes = (int64_t)max_u64(VIRTIO_TURN_BYTES / nr_queues, MIN_TURN_BYTES);
	for (unsigned int i = 0; i < nr_queues; i++)
		v->queue[i].kick_fd = -1;
	for (unsigned int i = 0; i < nr_queues && !err; i++)
		err = init_queue(v, i, mem, loop, queue_size);
	return err;
}

static void stop_queue(struct virtio_device *v, unsigned int index)
{
	struct virtio_queue *q = &v->queue[index];

	if (!q->vq.ready)
		return;
	if (v->ops->quiesce)
		v->ops->quiesce(v, index);
	virtio_take_back(v, index);
	vq_reset(&q->vq);
}

void virtio_fini(struct virtio_device *v)
{
	virtio_lock(v);
	for (unsigned int i = 0; i < v->nr_queues; i++)
		stop_queue(v, i);
	pthread_mutex_unlock(&v->lock);
	for (unsigned int i = 0; i < v->nr_queues; i++) {
		if (v->queue[i].kick_fd < 0)
			continue;
		loop_del(&v->queue[i].kick);
		close(v->queue[i].kick_fd);
	}
	free(v->queue);
	v->queue = NULL;
	v->nr_queues = 0;
	pthread_mutex_destroy(&v->lock);
}

void virtio_set_config(struct virtio_device *v, unsigned int offset, const void *bytes,
		       unsigned int len)
{
	assert(offset <= v->config_bytes && len <= v->config_bytes - offset);
	if (v->transport.hold_config)
		v->transport.hold_config(v->transport.ctx, true);
	virtio_lock(v);
	memcpy(v->config + offset, bytes, len);
	v->config_generation++;
	v->config_irq_wanted = running(v);
	refresh(v);
	virtio_unlock(v);
	if (v->transport.hold_config)
		v->transport.hold_config(v->transport.ctx, false);
}

bool virtio_write_config(struct virtio_device *v, uint64_t offset, const void *bytes,
			 unsigned int len)
{
	uint64_t at = offset - v->ops->driver_field_offset;

	if (offset < v->ops->driver_field_offset || at > v->ops->driver_field_bytes ||
	    len > v->ops->driver_field_bytes - at)
		return false;
	memcpy(v->config + offset, bytes, len);
	refresh(v);
	return true;
}

uint32_t virtio_offered(const struct virtio_device *v, uint32_t select)
{
	return select < 2 ? (uint32_t)(v->offered >> (32 * select)) : 0;
}

void virtio_accept(struct virtio_device *v, uint32_t select, uint32_t features)
{
	uint64_t mask;

	if (v->status & VIRTIO_CONFIG_S_FEATURES_OK) {
		pr_guest("virtio %s: features written after FEATURES_OK; ignored", v->ops->name);
		return;
	}
	if (select >= 2) {
		/*
		 * Bits that were not offered: record them as one that is never offered, so that
		 * FEATURES_OK is refused.
		 */
		if (features)
			v->driver_features |= VIRTIO_BIT(63);
		return;
	}
	mask = 0xffffffffULL << (32 * select);
	v->driver_features = (v->driver_features & ~mask) | (uint64_t)features << (32 * select);
}

static void device_reset(struct virtio_device *v)
{
	for (unsigned int i = 0; i < v->nr_queues; i++) {
		stop_queue(v, i);
		vq_reset(&v->queue[i].vq);
		v->queue[i].was_reset = false;
	}
	v->driver_features = 0;
	v->status = 0;
	v->config_irq_wanted = false;
}

static bool features_acceptable(const struct virtio_device *v)
{
	return !(v->driver_features & ~v->offered) && virtio_has(v, VIRTIO_F_VERSION_1);
}

/* The bits of @added that may be set now. */
static uint8_t permitted(const struct virtio_device *v, uint8_t added)
{
	uint8_t known = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	uint8_t status = v->status | added;

	if ((added & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    ((status & known) != known || !features_acceptable(v))) {
		pr_guest("virtio %s: features 0x%llx of 0x%llx offered: FEATURES_OK refused",
			 v->ops->name, (unsigned long long)v->driver_features,
			 (unsigned long long)v->offered);
		added &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	}
	status = v->status | added;
	if ((added & VIRTIO_CONFIG_S_DRIVER_OK) && !(status & VIRTIO_CONFIG_S_FEATURES_OK))
		added &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK;
	return added;
}

static void start_queue(struct virtio_device *v, unsigned int index)
{
	if (v->ops->started)
		v->ops->started(v, index);
	virtio_kick(v, index); /* for chains that were made available before */
}

void virtio_write_status(struct virtio_device *v, uint32_t status)
{
	uint8_t wanted = status & KNOWN_STATUS, added;

	if (!status) {
		device_reset(v);
		refresh(v);
		return;
	}
	if (v->status & KNOWN_STATUS & ~wanted) {
		pr_guest("virtio %s: status 0x%x after 0x%x clears bits; ignored", v->ops->name,
			 status, v->status);
		return;
	}
	added = permitted(v, (uint8_t)(wanted & ~v->status));
	v->status |= added;
	refresh(v);
	if (!(added & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	for (unsigned int i = 0; i < v->nr_queues; i++) {
		if (v->queue[i].vq.ready)
			start_queue(v, i);
	}
}

struct virtio_queue *virtio_queue(struct virtio_device *v, uint32_t index)
{
	return index < v->nr_queues ? &v->queue[index] : NULL;
}

struct virtqueue *virtio_queue_setup(struct virtio_device *v, uint32_t index)
{
	uint8_t phase = v->status & (VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK |
				     VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED);
	struct virtio_queue *q = virtio_queue(v, index);

	if (!q || q->vq.ready)
		return NULL;
	if (phase == VIRTIO_CONFIG_S_FEATURES_OK)
		return &q->vq;
	if (phase == (VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK) && q->was_reset)
		return &q->vq;
	return NULL;
}

void virtio_queue_ready(struct virtio_device *v, uint32_t index, bool ready)
{
	struct virtqueue *vq;

	if (!ready) {
		if (virtio_queue(v, index))
			stop_queue(v, index);
		return;
	}
	vq = virtio_queue_setup(v, index);
	if (!vq)
		return;
	if (vq_start(vq, virtio_has(v, VIRTIO_RING_F_EVENT_IDX),
		     virtio_has(v, VIRTIO_RING_F_INDIRECT_DESC))) {
		/* The driver may set it up once more. */
		pr_guest("virtio %s: queue %u has a bad size or address; it is not started",
			 v->ops->name, index);
		return;
	}
	v->queue[index].was_reset = false;
	if (running(v))
		start_queue(v, index);
}

void virtio_queue_reset(struct virtio_device *v, uint32_t index)
{
	struct virtio_queue *q = virtio_queue(v, index);

	if (!q || !virtio_has(v, VIRTIO_F_RING_RESET) || !running(v))
		return;
	stop_queue(v, index);
	vq_reset(&q->vq);
	q->was_reset = true;
}
