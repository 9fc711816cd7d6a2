/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What --timeline needs of the board: a port for the guest's own marks, and a look-out for the moment when the decompressor is done.
 *
 * Nothing in that moment leaves to the launcher. So the first vCPU is asked where it is, first after a millisecond, then each time a
 * 64th of the guest's life so far has gone by: the answer is at most so late, the guest loses a few microseconds an ask, and a guest that
 * never gets there is asked some hundred times in all. A decompressor runs in low memory, a Linux kernel in the upper half of its
 * addresses (Documentation/x86/x86_64/mm.rst; 32-bit kernels: from PAGE_OFFSET, 3 GiB, on).
 *
 * On the loop's thread, but for the port.
 */
#include "kvm/timeline.h"
#include "machine.h"
#include "x86/layout.h"

#include <stdatomic.h>

#define FIRST_LOOK_NS 1000000ULL
#define LOOKS_A_LIFE 64
#define GIVE_UP_NS 60000000000ULL
#define PAGE_OFFSET_32 0xc0000000ULL

static uint64_t mark_read(void *dev, uint64_t offset, unsigned int size)
{
	(void)dev;
	(void)offset;
	return UINT64_MAX >> (64 - 8 * size);
}

static void mark_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	(void)offset;
	(void)size;
	timeline_mark(dev, (unsigned int)value);
}

static const struct bus_ops mark_ops = { .read = mark_read, .write = mark_write, .width = 1 };

int machine_create_marks(struct machine *m)
{
	return m->vm->timeline ? bus_insert(&m->vm->pio, PORT_MARK, 1, &mark_ops, m->vm->timeline, "mark")
			       : 0;
}

static void on_asked(struct vcpu *v, void *ctx)
{
	struct machine *m = ctx;

	atomic_store(&m->mark_rip, cpu_read_rip(v->fd));
}

static void look(void *ctx)
{
	struct machine *m = ctx;
	struct timeline *t = m->vm->timeline;
	uint64_t life_ns = now_ns() - m->vm->times.entry_ns;

	if (timeline_reached(t, TIMELINE_VERSION) || life_ns > GIVE_UP_NS)
		return;
	if (atomic_load(&m->mark_rip) >= PAGE_OFFSET_32) {
		timeline_reach(t, TIMELINE_KERNEL);
		return;
	}
	vcpu_ask(&m->vm->vcpu[0], &m->mark_ask);
	loop_timer_arm(&m->timeline_timer, max_u64(FIRST_LOOK_NS, life_ns / LOOKS_A_LIFE));
}

void machine_watch_timeline(struct machine *m)
{
	if (!m->vm->timeline)
		return;
	m->mark_ask = (struct vcpu_ask){ .fn = on_asked, .ctx = m };
	loop_timer_init(&m->vm->loop, &m->timeline_timer, look, m);
	loop_timer_arm(&m->timeline_timer, FIRST_LOOK_NS);
}

void machine_timeline_line(struct machine *m, unsigned int found)
{
	struct timeline *t = m->vm->timeline;

	timeline_reach(t, TIMELINE_CONSOLE);
	if (found & 1U << WATCH_VERSION)
		timeline_reach(t, TIMELINE_VERSION);
	if (found & 1U << WATCH_SMP)
		timeline_reach(t, TIMELINE_SMP);
	if (found & 1U << WATCH_INIT)
		timeline_reach(t, TIMELINE_INIT);
}
