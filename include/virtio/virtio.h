/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio device (virtio 1.2, chapter 2) connects a device's function (struct virtio_ops: block,
 * entropy, ...) with a transport, by which the guest reaches it. This core negotiates features,
 * keeps the status, and owns the queues and the configuration space.
 *
 * Threads: kicks arrive on the loop's thread, register accesses on vCPU threads. Each device has
 * one lock. It is held in all callbacks of struct virtio_ops except pending(), and for each
 * function below with "Locks: held". A vCPU may hold it for long, while a reset waits for the host.
 *
 * A guest that breaks the rules breaks only its own device: virtio_break() sets DEVICE_NEEDS_RESET
 * and notifies the driver, and the device ignores its queues until the driver resets it.
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

#ifndef VIRTIO_F_RING_RESET /* newer than the headers of some distributions */
#define VIRTIO_F_RING_RESET 40
#endif

#define VIRTIO_BIT(n) (1ULL << (n))

struct virtio_device;

/* The constant part of a kind of device. */
struct virtio_ops {
	const char *name; /* for messages: "block" */
	uint32_t device_id;
	/*
	 * The driver has made chains available in @queue: takes them with virtio_pop() until that
	 * returns false, or calls virtio_park(). The core shows the driver the chains that handle()
	 * returned by virtio_push(). Thread: loop.
	 */
	void (*handle)(struct virtio_device *v, unsigned int queue);
	/*
	 * The driver has started @queue: for work that the loop must not wait for. NULL: not used.
	 * Thread: vCPU.
	 */
	void (*started)(struct virtio_device *v, unsigned int queue);
	/*
	 * Waits for requests under way: no memory of @queue is touched after this returns. NULL: no
	 * request is ever under way.
	 */
	void (*quiesce)(struct virtio_device *v, unsigned int queue);
	/*
	 * For devices whose work completes elsewhere, in code that must not wait for the lock: that
	 * code records the completion and calls virtio_poke(). pending() returns, without the lock,
	 * whether a completion is recorded; serve() handles it. NULL: not used.
	 */
	bool (*pending)(const struct virtio_device *v);
	void (*serve)(struct virtio_device *v);
	/*
	 * The field of the configuration space that the driver may write. The core only stores the
	 * bytes.
	 */
	unsigned int driver_field_offset, driver_field_bytes;
};

/* Notifies the driver; each transport implements this. */
struct virtio_transport {
	/* There are used buffers. Locks: held. */
	void (*used)(void *ctx);
	/*
	 * Returns an eventfd that has the effect of used() when another process or the kernel
	 * writes to it, until the driver's reset; or -errno. The transport owns it. Locks: held.
	 * May be NULL.
	 */
	int (*used_fd)(void *ctx);
	/* The configuration or the status changed. Thread: any. Locks: held. */
	void (*config)(void *ctx);
	/*
	 * The bytes of the status or the configuration space, as read by the driver, changed.
	 * Locks: held.
	 */
	void (*refresh)(void *ctx);
	/*
	 * Called before and after the device changes the configuration space, so that the driver
	 * never reads half a change. Locks: not held. May be NULL.
	 */
	void (*hold_config)(void *ctx, bool hold);
	void *ctx;
};

struct virtio_queue {
	struct virtqueue vq;
	struct virtio_device *device;
	int kick_fd; /* eventfd: the driver's notifications */
	struct loop_source kick;
	/* the queue alone, by VIRTIO_F_RING_RESET: may be set up again after DRIVER_OK */
	bool was_reset;
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
	/* a kick found the lock taken: who releases the lock kicks all queues */
	_Atomic bool kick_missed;
	/* What virtio_run() may still do, in bytes (see virtio_charge()), while @in_turn. */
	bool in_turn;
	int64_t turn_bytes, left_bytes;
	uint32_t config_generation;
	uint8_t config[VIRTIO_MAX_CONFIG_BYTES];
	unsigned int config_bytes;

	unsigned int nr_queues;
	struct virtio_queue *queue;
};

/* ---- for devices ----------------------------------------------------------------------------- */

/*
 * @features: the device's own; the core adds those of the rings. @config is copied. @queue_size is
 * a power of two. Returns 0 or -errno (too many descriptors); call virtio_fini() in either case.
 * Thread: setup.
 */
int virtio_init(struct virtio_device *v, const struct virtio_ops *ops, const struct gmem *mem,
		struct loop *loop, unsigned int nr_queues, uint16_t queue_size, uint64_t features,
		const void *config, unsigned int config_bytes);
/* Quiesces all queues. Thread: loop, or main at tear-down, with no vCPU running. */
void virtio_fini(struct virtio_device *v);

/*
 * The loop's thread must not wait for the lock of a device whose reset waits for the host:
 * virtio_trylock() returns false if another thread has it.
 */
void virtio_lock(struct virtio_device *v);
bool virtio_trylock(struct virtio_device *v);
void virtio_unlock(struct virtio_device *v);

/* Whether the driver accepted feature bit @bit. Locks: held. */
bool virtio_has(const struct virtio_device *v, unsigned int bit);

/*
 * Takes the next chain of @queue; the caller has set iov and iov_cap of @chain. Returns false if
 * there is none, or if the device has had its turn: the core then calls handle() again after other
 * devices. A chain that breaks a rule breaks the device. Locks: held.
 */
bool virtio_pop(struct virtio_device *v, unsigned int queue, struct vq_chain *chain);

/*
 * What a device may do in one callback of the loop, all rounds of handle() together: so much work
 * takes as long as copying this many bytes, one to two milliseconds. virtio_pop() charges each
 * chain with its descriptors and bytes. handle() charges work that this does not show: other system
 * calls, at a price in bytes. Outside of virtio_run() there is no limit. Locks: held.
 */
#define VIRTIO_TURN_BYTES (4 * MIB)
void virtio_charge(struct virtio_device *v, uint64_t bytes);
/* Returns what is left of this turn, 0 if nothing. */
uint64_t virtio_turn_left(const struct virtio_device *v);
/* Returns a chain to the driver, which sees it after virtio_publish(). Locks: held. */
void virtio_push(struct virtio_device *v, unsigned int queue, uint16_t head, uint32_t written);
/*
 * Shows returned chains to the driver and interrupts it if it wants that. The core calls this after
 * handle(). Locks: held.
 */
void virtio_publish(struct virtio_device *v, unsigned int queue);

/*
 * Whether the driver of @queue would not want an interrupt now if @more chains were returned to it.
 * Locks: held.
 */
bool virtio_is_polled(const struct virtio_device *v, unsigned int queue, uint16_t more);

/*
 * For handle(): leaves the chains of @queue there on purpose, until virtio_run() or virtio_kick().
 * The driver need not notify us of more chains. Locks: held.
 */
void virtio_park(struct virtio_device *v, unsigned int queue);
/*
 * Calls handle() for @queue now, if the device and the queue are running. Thread: loop. Locks:
 * held.
 */
void virtio_run(struct virtio_device *v, unsigned int queue);

/*
 * Hands @queue over: another process or the kernel serves it from now on and gets its notifications
 * by kick_fd, and the core does not call handle(). Take the queue back when the other side has
 * stopped; the core then calls handle() again for the chains that are there. The core itself takes
 * back a queue that is reset. Locks: held.
 */
void virtio_hand_over(struct virtio_device *v, unsigned int queue);
void virtio_take_back(struct virtio_device *v, unsigned int queue);
/*
 * Returns an eventfd by which the other side interrupts the driver, valid until the device is
 * reset; or -errno. Locks: held.
 */
int virtio_used_fd(struct virtio_device *v);

/*
 * Breaks the device because the driver broke the rules: the device does nothing more until the
 * driver resets it. Locks: held.
 */
void virtio_break(struct virtio_device *v, const char *why);

/*
 * Calls serve() as soon as possible, on this thread or on the one that has the lock. Never waits.
 * Thread: any.
 */
void virtio_poke(struct virtio_device *v);

/* Makes the loop's thread call handle() for @queue soon. Thread: any. */
void virtio_kick(struct virtio_device *v, unsigned int queue);

/*
 * Changes [offset, offset + len) of the configuration space and notifies the driver. Locks: not
 * held.
 */
void virtio_set_config(struct virtio_device *v, unsigned int offset, const void *bytes,
		       unsigned int len);

/* ---- for transports; lock held --------------------------------------------------------------- */

/* 32 bits of the offered features, number @select; 0 beyond the second. */
uint32_t virtio_offered(const struct virtio_device *v, uint32_t select);
/* The driver writes 32 bits of its features. Ignored after FEATURES_OK. */
void virtio_accept(struct virtio_device *v, uint32_t select, uint32_t features);
/* The driver writes the status: 0 resets the device; other values add bits, if that is allowed. */
void virtio_write_status(struct virtio_device *v, uint32_t status);
/*
 * The driver writes @len bytes at @offset of the configuration space. Returns false if it may not.
 */
bool virtio_write_config(struct virtio_device *v, uint64_t offset, const void *bytes,
			 unsigned int len);
/* Returns NULL if there is no such queue. */
struct virtio_queue *virtio_queue(struct virtio_device *v, uint32_t index);
/*
 * Returns the queue, to change its size or an address; NULL if that is not allowed now or there is
 * no such queue.
 */
struct virtqueue *virtio_queue_setup(struct virtio_device *v, uint32_t index);
/* Starts queue @index (refused if its size or an address is bad) or stops it. */
void virtio_queue_ready(struct virtio_device *v, uint32_t index, bool ready);
void virtio_queue_reset(struct virtio_device *v, uint32_t index);

#endif
