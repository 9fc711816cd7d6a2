/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ends, with --hang, a guest that runs but makes no progress.
 *
 * Progress is an exit to the launcher, a byte on a console, or code on more than a few pages: an
 * endless loop stays on its own pages, and those of the timer's interrupt. The keyboard
 * controller's exits do not count: a kernel that has panicked and waits in a loop blinks the lamps
 * (Linux's panic_blink).
 *
 * Once a second the loop's thread checks this and lets the vCPUs' threads sample RIP for the next
 * round. Costs nothing without the option.
 */
#include "hang.h"

#include "hw/i8042.h"
#include "kvm/log.h"
#include "kvm/vm.h"
#include "x86/cpu/cpu.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

struct hang_cpu {
	struct vcpu_ask ask;
	_Atomic uint64_t rip;
};

static void on_asked(struct vcpu *v, void *ctx)
{
	struct hang_cpu *cpu = ctx;

	atomic_store(&cpu->rip, cpu_read_rip(v->fd));
}

static uint64_t count_events(const struct hang *h)
{
	uint64_t sum = atomic_load(h->console_bytes);

	for (unsigned int i = 0; i < h->vm->nr_vcpus; i++)
		sum += __atomic_load_n(&h->vm->vcpu[i].recorder.nr, __ATOMIC_RELAXED);
	return sum - i8042_accesses(h->i8042);
}

/* Whether no vCPU was seen on @pc's page before. Keeps the page, as long as there is room. */
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

static bool made_progress(struct hang *h)
{
	uint64_t events = count_events(h);
	bool moved = events != h->events || atomic_load(&h->vm->nr_pauses) || vm_is_debugged(h->vm);

	h->events = events;
	for (unsigned int i = 0; i < h->vm->nr_vcpus && !moved; i++)
		moved = is_new_page(h, atomic_load(&h->cpu[i].rip)) && h->nr_pages > HANG_PAGES;
	return moved;
}

static void on_hang_timer(void *ctx)
{
	struct hang *h = ctx;
	uint64_t limit_s = h->vm->config->hang_s;
	bool moved = made_progress(h);

	vm_look_for_stop(h->vm, now_ns());
	if (moved)
		h->nr_pages = 0;
	if (quiet_look(&h->quiet, now_ns(), moved) >= limit_s * 1000000000ULL) {
		vm_end(h->vm, VERDICT_TIMEOUT, 0,
		       "the guest hangs: no byte, no new code and no device but the keyboard for %llu s",
		       (unsigned long long)limit_s);
		return;
	}
	for (unsigned int i = 0; i < h->vm->nr_vcpus; i++)
		vcpu_ask(&h->vm->vcpu[i], &h->cpu[i].ask);
	loop_timer_arm(&h->timer, QUIET_LOOK_NS);
}

void hang_init(struct hang *h, struct vm *vm)
{
	h->vm = vm;
	loop_timer_init(&vm->loop, &h->timer, on_hang_timer, h);
}

int hang_start(struct hang *h, const struct i8042 *i8042, const _Atomic uint64_t *console_bytes)
{
	if (!h->vm->config->hang_s)
		return 0;
	h->cpu = calloc(h->vm->nr_vcpus, sizeof(*h->cpu));
	if (!h->cpu) {
		pr_err("out of memory");
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < h->vm->nr_vcpus; i++)
		h->cpu[i].ask = (struct vcpu_ask){ .fn = on_asked, .ctx = &h->cpu[i] };
	h->i8042 = i8042;
	h->console_bytes = console_bytes;
	quiet_begin(&h->quiet, now_ns());
	return loop_timer_arm(&h->timer, QUIET_LOOK_NS);
}

void hang_fini(struct hang *h)
{
	loop_timer_fini(&h->timer);
	free(h->cpu);
	h->cpu = NULL;
}
