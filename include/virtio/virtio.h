/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio device (virtio 1.2, chapter 2), between what it does (struct virtio_ops: block, entropy,
 * ...) and how it is reached (a transport). The core negotiates features, keeps the status, owns
 * the queues and the configuration space.
 *
 * Threads: kicks arrive on the loop's thread, register accesses on vCPU threads. Each device has
 * one lock, held in all callbacks of struct virtio_ops but pending(), and wherever a function below
 * says so.
 *
 * A guest's nonsense breaks its own device and nothing else: virtio_break() sets
 * DEVICE_NEEDS_RESET, tells the driver, and no queue is looked at until the driver resets the
 * device.
 */
#ifndef VIRTIO_VIRTIO_H
#define VIRTIO_VIRTIO_H

#include "kvm/gmem.h"
#include "kvm/loop.h"
#include "kvm/types.h"
#include "virtio/virtqueue.h"

#include <linux/virtio_config.h>
#include <pthread.h>

#define VIRTIO_MAX_QUEUES 64
#define VIRTIO_MAX_CONFIG_BYTES 256

#ifndef VIRTIO_F_RING_RESET /* younger than some distributions' headers */
#define VIRTIO_F_RING_RESET 40
#endif

#define VIRTIO_BIT(n) (1ULL << (n))

struct virtio_device;

/* What makes a device; constant. */
struct virtio_ops {
	const char *name; /* for messages: "block" */
	uint32_t device_id;
	/*
	 * The driver has made chains available in @queue: takes all of them with virtio_pop(), or
	 * says virtio_park(). What it returns at once, by virtio_push(), is shown to the driver
	 * afterwards. Loop's thread.
	 */
	void (*handle)(struct virtio_device *v, unsigned int queue);
	/*
	 * No memory of @queue is touched after this returns: waits for what is under way. NULL:
	 * nothing ever is.
	 */
	void (*quiesce)(struct virtio_device *v, unsigned int queue);
	/*
	 * For devices whose work is completed elsewhere, by code that must not wait for the lock:
	 * it notes what is done, and calls virtio_poke(). pending() says, without the lock, whether
	 * something is noted; serve() sees to it. NULL: never.
	 */
	bool (*pending)(const struct virtio_device *v);
	void (*serve)(struct virtio_device *v);
	/*
	 * The field of the configuration space that the driver writes: it is kept there, and
	 * nothing more.
	 */
	unsigned int driver_field_offset, driver_field_bytes;
};

/* How the driver is told; what a transport implements. */
struct virtio_transport {
	/* Used buffers are there. Lock held. */
	void (*used)(void *ctx);
	/*
	 * An eventfd that does the same for whoever writes to it without our knowing, until the
	 * driver's reset; or -errno. The transport's own. Lock held. May be NULL.
	 */
	int (*used_fd)(void *ctx);
	/* The configuration or the status changed. Without the lock, on any thread. */
	void (*config)(void *ctx);
	/* The status or the configuration space has new bytes to be read. Lock held. */
	void (*refresh)(void *ctx);
	/*
	 * Around a change of the configuration space by the device: nobody reads half of it.
	 * Without the lock; may be NULL.
	 */
	void (*hold_config)(void *ctx, bool hold);
	void *ctx;
};

struct virtio_queue {
	struct virtqueue vq;
	struct virtio_device *device;
	int kick_fd; /* eventfd: the driver's notifications */
	struct loop_source kick;
	bool was_reset;	  /* alone, by VIRTIO_F_RING_RESET: may be set up again after DRIVER_OK */
	bool parked;	  /* see virtio_park() */
	bool handed_over; /* see virtio_hand_over() */
};

struct virtio_device {
	const struct virtio_ops *ops;
	struct virtio_transport transport; /* no functions: not connected */
	pthread_mutex_t lock;

	uint64_t offered;	  /* features */
	uint64_t driver_features; /* what the driver wrote; a subset of @offered once FEATURES_OK */
	uint8_t status;
	bool config_irq_wanted;
	uint32_t config_generation;
	uint8_t config[VIRTIO_MAX_CONFIG_BYTES];
	unsigned int config_bytes;

	unsigned int nr_queues;
	struct virtio_queue *queue;
};

/* ---- for devices --------------------------------------------------------------------------- */

/*
 * @features: the device's own; those of rings and transport are added. @config is copied.
 * @queue_size: a power of two. Returns 0 or -errno (too many descriptors). virtio_fini() works
 * after a failed init. Set-up time.
 */
int virtio_init(struct virtio_device *v, const struct virtio_ops *ops, const struct gmem *mem,
		struct loop *loop, unsigned int nr_queues, uint16_t queue_size, uint64_t features,
		const void *config, unsigned int config_bytes);
/* Quiesces all queues. Loop's thread or tear-down, with no vCPU running. */
void virtio_fini(struct virtio_device *v);

void virtio_lock(struct virtio_device *v);
void virtio_unlock(struct virtio_device *v);

/* Whether the driver accepted feature bit @bit. Lock held. */
bool virtio_has(const struct virtio_device *v, unsigned int bit);

/*
 * Takes the next chain of @queue; @chain has iov and iov_cap set. False when there is none; a chain
 * that breaks a rule breaks the device. Lock held.
 */
bool virtio_pop(struct virtio_device *v, unsigned int queue, struct vq_chain *chain);
/* Returns a chain; unseen until virtio_publish(). Lock held. */
void virtio_push(struct virtio_device *v, unsigned int queue, uint16_t head, uint32_t written);
/*
 * Shows returned chains and interrupts if the driver wants that. The core does so after handle().
 * Lock held.
 */
void virtio_publish(struct virtio_device *v, unsigned int queue);

/*
 * Whether @queue's driver would want no interrupt now if @more chains were returned to it. Lock
 * held.
 */
bool virtio_is_polled(const struct virtio_device *v, unsigned int queue, uint16_t more);

/*
 * For handle(): @queue's chains are left there on purpose, until virtio_run() or virtio_kick(). The
 * driver is not asked to notify us of more of them. Lock held.
 */
void virtio_park(struct virtio_device *v, unsigned int queue);
/* Calls handle() for @queue now, if the device and the queue are live. Loop's thread, lock held. */
void virtio_run(struct virtio_device *v, unsigned int queue);

/*
 * @queue is served by somebody else from now on, who also gets its notifications by its kick_fd:
 * handle() is not called for it. To be taken back when that one has stopped: then handle() is
 * called again, for all that is there. The core takes it back when it is reset. Lock held.
 */
void virtio_hand_over(struct virtio_device *v, unsigned int queue);
void virtio_take_back(struct virtio_device *v, unsigned int queue);
/*
 * An eventfd by which that one interrupts the driver, valid until the device is reset; or -errno.
 * Lock held.
 */
int virtio_used_fd(struct virtio_device *v);

/* The driver broke the rules: nothing more is done for it until it resets the device. Lock held. */
void virtio_break(struct virtio_device *v, const char *why);

/*
 * Calls serve(), here or on the thread that has the lock, as soon as that is possible. Never waits.
 * Any thread.
 */
void virtio_poke(struct virtio_device *v);

/* Calls handle() for @queue soon, on the loop's thread. Any thread. */
void virtio_kick(struct virtio_device *v, unsigned int queue);

/*
 * Changes [offset, offset + len) of the configuration space and tells the driver. Without the lock.
 */
void virtio_set_config(struct virtio_device *v, unsigned int offset, const void *bytes,
		       unsigned int len);

/*
 * ---- for transports; lock held
 * ---------------------------------------------------------------------------
 */

/* Features of @select's 32 bits; 0 beyond the second. */
uint32_t virtio_offered(const struct virtio_device *v, uint32_t select);
/* Ignored after FEATURES_OK. */
void virtio_accept(struct virtio_device *v, uint32_t select, uint32_t features);
/* The driver writes the status: 0 resets, otherwise bits are added, if they may be. */
void virtio_write_status(struct virtio_device *v, uint32_t status);
/*
 * The driver writes @len bytes at @offset of the configuration space. False when they are not its
 * to write.
 */
bool virtio_write_config(struct virtio_device *v, uint64_t offset, const void *bytes,
			 unsigned int len);
/* NULL when there is no such queue. */
struct virtio_queue *virtio_queue(struct virtio_device *v, uint32_t index);
/*
 * The queue to change its size or an address of; NULL when that is not allowed now, or there is
 * none.
 */
struct virtqueue *virtio_queue_setup(struct virtio_device *v, uint32_t index);
/* Starts @index (refused when its size or an address is bad) or stops it. */
void virtio_queue_ready(struct virtio_device *v, uint32_t index, bool ready);
void virtio_queue_reset(struct virtio_device *v, uint32_t index);

#endif
