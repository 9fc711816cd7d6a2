/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * --hang: the look-out for a guest that runs and gets nowhere. It gets somewhere when it leaves to the
 * launcher, prints a byte, or is seen on more than a few pages of code: a loop that waits for ever stays on
 * its own, and those of the timer's interrupt. The keyboard controller does not count: a kernel that has
 * panicked and waits for ever blinks the lamps (Linux's panic_blink).
 *
 * Once a second, on the loop's thread; a guest that has left to the launcher since then is not disturbed, others are asked for
 * their RIP. Costs nothing without the option.
 */
#include "machine.h"

#include "hw/i8042.h"
#include "kvm/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define ROUND_NS 1000000000ULL

struct hang_cpu {
	struct vcpu_ask ask;
	_Atomic uint64_t rip;
};

static void on_asked(struct vcpu *v, void *ctx)
{
	struct hang_cpu *cpu = ctx;

	atomic_store(&cpu->rip, cpu_read_rip(v->fd));
}

static uint64_t count_events(const struct machine *m)
{
	uint64_t sum = atomic_load(&m->console_bytes);

	for (unsigned int i = 0; i < m->vm->nr_vcpus; i++)
		sum += __atomic_load_n(&m->vm->vcpu[i].recorder.nr, __ATOMIC_RELAXED);
	return sum - i8042_accesses(m->i8042);
}

/* Whether @pc lies on a page where no vCPU was seen before. Keeps it, as long as there is room. */
static bool is_new_page(struct hang *h, uint64_t pc)
{
	uint64_t page = pc / (4 * KIB);

	for (unsigned int i = 0; i < h->nr_pages; i++) {
		if (h->page[i] == page)
			return false;
	}
	if (h->nr_pages < HANG_PAGES)
		h->page[h->nr_pages] = page;
	h->nr_pages++;
	return true;
}

static bool got_somewhere(struct machine *m)
{
	struct hang *h = &m->hang;
	uint64_t events = count_events(m);
	bool moved = events != h->events || atomic_load(&m->vm->nr_pauses) || vm_is_debugged(m->vm);

	h->events = events;
	for (unsigned int i = 0; i < m->vm->nr_vcpus && !moved; i++)
		moved = is_new_page(h, atomic_load(&h->cpu[i].rip)) && h->nr_pages > HANG_PAGES;
	return moved;
}

static void on_hang_timer(void *ctx)
{
	struct machine *m = ctx;
	struct hang *h = &m->hang;
	uint64_t now = now_ns(), limit_s = m->vm->config->hang_s;

	if (got_somewhere(m)) {
		h->since_ns = now;
		h->nr_pages = 0;
	} else if (now - h->since_ns >= limit_s * 1000000000ULL) {
		vm_end(m->vm, VERDICT_TIMEOUT, 0,
		       "the guest hangs: no exit, no byte and no new code for %llu s",
		       (unsigned long long)limit_s);
		return;
	}
	for (unsigned int i = 0; i < m->vm->nr_vcpus; i++)
		vcpu_ask(&m->vm->vcpu[i], &h->cpu[i].ask);
	loop_timer_arm(&h->timer, ROUND_NS);
}

int machine_watch_hang(struct machine *m)
{
	struct hang *h = &m->hang;

	if (!m->vm->config->hang_s)
		return 0;
	h->cpu = calloc(m->vm->nr_vcpus, sizeof(*h->cpu));
	if (!h->cpu) {
		pr_err("out of memory");
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < m->vm->nr_vcpus; i++)
		h->cpu[i].ask = (struct vcpu_ask){ .fn = on_asked, .ctx = &h->cpu[i] };
	h->since_ns = now_ns();
	loop_timer_init(&m->vm->loop, &h->timer, on_hang_timer, m);
	return loop_timer_arm(&h->timer, ROUND_NS);
}
