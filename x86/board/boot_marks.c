/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records boot stages for --timeline: those that the guest writes to a port, those that lines on
 * the console show, and the moment when the decompressor is done.
 *
 * That moment causes no exit. So the launcher samples the first vCPU's RIP, first after a
 * millisecond, then each time a 64th of the guest's age has passed. The result is at most that much
 * late, the guest loses a few microseconds each time, and a guest that never gets there is sampled
 * some hundred times in all. A decompressor runs in low memory, a Linux kernel in the upper half of
 * its addresses (Documentation/x86/x86_64/mm.rst; 32-bit kernels: from PAGE_OFFSET, 3 GiB, on).
 *
 * Thread: loop; any for the port and the lines.
 */
#include "boot_marks.h"

#include "kvm/console_watch.h"
#include "kvm/timeline.h"
#include "kvm/vm.h"
#include "x86/cpu/cpu.h"
#include "x86/layout.h"

#include <stdatomic.h>

#define FIRST_SAMPLE_NS 1000000ULL
#define SAMPLES_PER_AGE 64
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

int boot_marks_insert_port(struct boot_marks *b)
{
	struct timeline *t = b->vm->timeline;

	return t ? bus_insert(&b->vm->pio, PORT_MARK, 1, &mark_ops, t, "mark") : 0;
}

static void on_asked(struct vcpu *v, void *ctx)
{
	struct boot_marks *b = ctx;

	atomic_store(&b->rip, cpu_read_rip(v->fd));
}

static void look(void *ctx)
{
	struct boot_marks *b = ctx;
	struct timeline *t = b->vm->timeline;
	uint64_t age_ns = now_ns() - b->vm->times.entry_ns;

	if (timeline_reached(t, TIMELINE_VERSION) || age_ns > GIVE_UP_NS)
		return;
	if (atomic_load(&b->rip) >= PAGE_OFFSET_32) {
		timeline_reach(t, TIMELINE_KERNEL);
		return;
	}
	vcpu_ask(&b->vm->vcpu[0], &b->ask);
	loop_timer_arm(&b->timer, max_u64(FIRST_SAMPLE_NS, age_ns / SAMPLES_PER_AGE));
}

void boot_marks_init(struct boot_marks *b, struct vm *vm)
{
	b->vm = vm;
	b->ask = (struct vcpu_ask){ .fn = on_asked, .ctx = b };
	loop_timer_init(&vm->loop, &b->timer, look, b);
}

void boot_marks_start(struct boot_marks *b)
{
	if (b->vm->timeline)
		loop_timer_arm(&b->timer, FIRST_SAMPLE_NS);
}

void boot_marks_fini(struct boot_marks *b)
{
	loop_timer_fini(&b->timer);
}

void boot_marks_line(struct vm *vm, unsigned int found)
{
	struct timeline *t = vm->timeline;

	timeline_reach(t, TIMELINE_CONSOLE);
	if (found & 1U << WATCH_VERSION)
		timeline_reach(t, TIMELINE_VERSION);
	if (found & 1U << WATCH_SMP)
		timeline_reach(t, TIMELINE_SMP);
	if (found & 1U << WATCH_INIT)
		timeline_reach(t, TIMELINE_INIT);
}
