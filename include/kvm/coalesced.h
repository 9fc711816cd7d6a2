/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Drains KVM's ring of gathered writes (KVM_CAP_COALESCED_MMIO and _PIO).
 *
 * A write to a zone does not exit to user space: KVM appends it to the machine's one ring. A thread
 * that exits for another reason drains the ring first, which keeps the order of accesses by one
 * vCPU: coalesced_drain() precedes every dispatched access.
 *
 * Locks: the ring's lock, then a device's. A device must not drain while it holds its own lock.
 */
#ifndef KVM_COALESCED_H
#define KVM_COALESCED_H

#include "kvm/bus.h"

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>

struct coalesced {
	struct kvm_coalesced_mmio_ring *ring; /* shared with KVM; NULL: KVM does not offer it */
	unsigned int capacity;		      /* entries in the ring */
	bool has_pio;
	int vm_fd;
	struct bus *pio, *mmio;
	pthread_mutex_t lock; /* the consumer's side: ring->first */
};

void coalesced_init(struct coalesced *c, struct bus *pio, struct bus *mmio);

/*
 * Binds KVM's ring in a vCPU's kvm_run mapping of @run_bytes. Without the capability it does
 * nothing, and no writes are gathered.
 */
void coalesced_attach(struct coalesced *c, int kvm_fd, int vm_fd, void *run, size_t run_bytes);

/*
 * Starts or stops (@on) gathering writes to [addr, addr + size_bytes). Returns 0, -ENOTSUP without
 * the capability, or -errno.
 */
int coalesced_zone(struct coalesced *c, enum bus_kind kind, uint64_t addr, uint32_t size_bytes,
		   bool on);

void coalesced_drain_slow(struct coalesced *c, bool may_wait);

static inline bool coalesced_pending(const struct coalesced *c)
{
	const struct kvm_coalesced_mmio_ring *ring = c->ring;

	return ring && __atomic_load_n(&ring->first, __ATOMIC_ACQUIRE) !=
			       __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE);
}

/* Brings all gathered writes to their devices, in order. Thread: vCPU. */
static inline void coalesced_drain(struct coalesced *c)
{
	if (__builtin_expect(coalesced_pending(c), 0))
		coalesced_drain_slow(c, true);
}

/*
 * Does the same without waiting for a vCPU that is draining, which then does the work.
 * Thread: loop.
 */
static inline void coalesced_try_drain(struct coalesced *c)
{
	if (coalesced_pending(c))
		coalesced_drain_slow(c, false);
}

#endif
