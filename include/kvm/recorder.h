/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flight recorder: keeps the last RECORDER_EVENTS events of each vCPU, always, for the report
 * on a machine that ends badly.
 *
 * One ring has one writer: a vCPU's own thread, or, for the machine's ring of interrupts, the
 * thread that holds its lock. Only the writer may read it, or any thread once it is no longer
 * written.
 *
 * An event is 16 bytes and two stores: time (ticks / 256, 40 bits), kind, size and port in one
 * word; the value in the other. MMIO and MSRs have their address in the value's upper half, so of 8
 * byte values the lower half is kept.
 */
#ifndef KVM_RECORDER_H
#define KVM_RECORDER_H

#include "kvm/arch_ticks.h"
#include "kvm/types.h"

#define RECORDER_DEVICES 1000000
#define RECORDER_EVENTS 1024 /* a power of two; 16 KiB a ring, touched as it fills */

enum event_kind {
	EVENT_PORT_READ = 1,
	EVENT_PORT_WRITE,
	EVENT_MMIO_READ,
	EVENT_MMIO_WRITE,
	EVENT_MSR_READ, /* an MSR that KVM does not know or refuses */
	EVENT_MSR_WRITE,
	EVENT_IRQ,  /* a device has set a line: GSI, level */
	EVENT_EXIT, /* any other: KVM's exit reason, and its own number in it */
	NR_EVENT_KINDS,
};

struct event {
	uint64_t head;
	uint64_t value;
};

struct recorder {
	struct event *ring; /* NULL: records nothing */
	uint64_t nr;	    /* recorded in all */
	/* Gets each event too, on the writer's thread; NULL: nothing does. */
	void (*also)(const struct recorder *r, const struct event *e);
	void *also_ctx;
	unsigned int source; /* for also(): the vCPU's index, or RECORDER_DEVICES */
};

/* An event, unpacked. */
struct event_view {
	uint64_t ticks;
	enum event_kind kind;
	unsigned int size; /* bytes: 1, 2, 4, 8 */
	uint64_t addr;	   /* port, guest-physical address, MSR, GSI, exit reason */
	uint64_t value;
};

struct event_view event_view(const struct event *e);

/*
 * Finds the event @back places before the last one (0: the last). Returns false if there is none,
 * or it was overwritten.
 */
bool recorder_back(const struct recorder *r, unsigned int back, struct event_view *view);

/* Returns the time of the last event, or 0 if there is none. */
uint64_t recorder_now(const struct recorder *r);

static inline uint64_t event_head(uint64_t ticks, enum event_kind kind, unsigned int size,
				  uint64_t port)
{
	return ticks >> 8 << 24 | (uint64_t)kind << 20 | (uint64_t)size << 16 | port;
}

static inline void recorder_put(struct recorder *r, uint64_t head, uint64_t value)
{
	struct event *e;

	if (__builtin_expect(!r->ring, 0))
		return;
	/* Atomic, because other threads look whether it has grown. */
	e = &r->ring[r->nr % RECORDER_EVENTS];
	__atomic_store_n(&r->nr, r->nr + 1, __ATOMIC_RELAXED);
	e->head = head;
	e->value = value;
	if (__builtin_expect(r->also != NULL, 0))
		r->also(r, e);
}

/* Records a port access. */
static inline void record_port(struct recorder *r, uint64_t ticks, enum event_kind kind,
			       unsigned int size, uint16_t port, uint32_t value)
{
	recorder_put(r, event_head(ticks, kind, size, port), value);
}

/* Records any other event, with 48 bits of @addr. */
static inline void record_wide(struct recorder *r, uint64_t ticks, enum event_kind kind,
			       unsigned int size, uint64_t addr, uint64_t value)
{
	recorder_put(r, event_head(ticks, kind, size, addr >> 32 & 0xffff),
		     addr << 32 | (uint32_t)value);
}

#endif
