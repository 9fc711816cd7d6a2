/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs a boot again to find the registers of its end, see retrace.h.
 *
 * A boot takes nearly the same time each time, but not quite, and an instruction that exits takes
 * some thousand times as long. So stepping starts shortly before the end. If that was too late, or
 * so early that the time limit passed, the next re-run starts it elsewhere.
 *
 * The other machine has no disk, network, console or share, because what it does must not be done
 * twice. So this is only for guests that ended before one of their drivers used a device. A re-run
 * that takes another way without them shows it by a different end.
 */
#include "retrace.h"

#include "kvm/arch.h"
#include "kvm/log.h"
#include "kvm/pages.h"
#include "kvm/vm.h"

#include <stdlib.h>

#define NS_PER_MS 1000000ULL
#define NS_PER_S (1000 * NS_PER_MS)
#define MAX_LIVES 6
/* A boot that took longer has been seen on a console, or by --hang. */
#define MAX_RUN_NS (3 * NS_PER_S)
#define ALL_LIVES_NS (15 * NS_PER_S)
#define STEPPING_NS (4 * NS_PER_S)
/* How long before the expected end stepping starts, at first. */
#define AHEAD_NS 200000ULL

struct retrace {
	struct config config;
	const struct arch *arch;
	struct vm *vm; /* NULL: none yet */
	uint64_t step_ns;
	struct loop_timer begin, limit;
	struct vcpu_ask ask; /* starts stepping */
	/* vCPU 0's: */
	bool stepping;
	uint64_t stepping_since_ns, given_up_ns; /* given_up_ns 0: not */
};

static void begin_stepping(struct vcpu *v, void *ctx)
{
	struct retrace *r = ctx;

	if (v->vm->arch->step_on(v))
		return;
	r->stepping = true;
	r->stepping_since_ns = now_ns();
}

/* The vCPU has executed one instruction. */
static void on_step(void *ctx, struct vcpu *v)
{
	const struct arch *arch = v->vm->arch;
	struct retrace *r = ctx;

	if (!r->stepping || (now_ns() - r->stepping_since_ns < STEPPING_NS && !arch->step(v)))
		return;
	arch->step_off(v);
	r->stepping = false;
	r->given_up_ns = now_ns();
}

static void on_begin(void *ctx)
{
	struct retrace *r = ctx;

	vcpu_ask(&r->vm->vcpu[0], &r->ask);
}

static void on_limit(void *ctx)
{
	struct retrace *r = ctx;

	vm_end(r->vm, VERDICT_TIMEOUT, 0, "the re-run did not end like the first run");
}

/* Removes what has effects outside the machine, and keeps the rest of what the guest sees. */
static void silence(struct config *c)
{
	for (unsigned int i = 0; i < CONFIG_NR_SERIAL; i++) {
		if (c->serial[i])
			c->serial[i] = "null";
	}
	c->nr_disks = c->nr_nets = c->nr_ports = c->nr_shares = c->nr_adds = 0;
	c->root = NULL;
	c->console = CONSOLE_SERIAL;
	c->has_command = false;
	c->gdb = c->trace = NULL;
	c->timeline = c->timestamps = false;
	c->hang_s = c->timeout_s = 0;
}

/* Runs the machine once. Returns false if it could not run. */
static bool live(struct retrace *r, uint64_t limit_ns, _Atomic(struct gmem *) *guarded)
{
	enum log_level level = log_get_level();
	struct vm *vm = pages_alloc(sizeof(*vm));
	int err;

	if (!vm)
		return false;
	r->vm = vm;
	r->ask = (struct vcpu_ask){ .fn = begin_stepping, .ctx = r };
	r->stepping = false;
	r->given_up_ns = 0;
	log_set_level(LOG_LEVEL_NONE); /* the first run has reported all of it */
	err = vm_init(vm, &r->config, r->arch);
	vm->hooks = (struct vm_hooks){ .debug_exit = on_step, .ctx = r };
	atomic_store(guarded, &vm->mem);
	loop_timer_init(&vm->loop, &r->begin, on_begin, r);
	loop_timer_init(&vm->loop, &r->limit, on_limit, r);
	if (!err)
		err = vm_bring_up(vm);
	if (!err)
		err = loop_timer_arm(&r->limit, limit_ns);
	if (!err && r->step_ns)
		err = loop_timer_arm(&r->begin, r->step_ns);
	else if (!err)
		on_begin(r);
	if (!err)
		err = vm_run(vm);
	vm_join(vm);
	loop_timer_fini(&r->begin);
	loop_timer_fini(&r->limit);
	log_set_level(level);
	return !err;
}

static void end_life(struct retrace *r, _Atomic(struct gmem *) *guarded)
{
	atomic_store(guarded, NULL);
	vm_fini(r->vm);
	pages_free(r->vm, sizeof(*r->vm));
	r->vm = NULL;
}

/* Returns the time from vCPU 0's first instruction to its end; 0: not known. */
static uint64_t ran_ns(struct vm *vm)
{
	uint64_t khz = vm->arch->ticks_khz(vm);
	const struct vcpu *v = &vm->vcpu[0];

	return khz && v->rare_ticks > v->entered_ticks
		       ? (uint64_t)((double)(v->rare_ticks - v->entered_ticks) * 1e6 / (double)khz)
		       : 0;
}

/*
 * A re-run ended like the original. Returns true if its registers are known; otherwise adjusts
 * where the next re-run starts to step.
 */
static bool registers_known(struct retrace *r, uint64_t *end_ns, uint64_t *ahead_ns)
{
	if (r->arch->stepped(&r->vm->vcpu[0]))
		return true;
	if (r->given_up_ns) { /* too early */
		*end_ns = r->step_ns + now_ns() - r->given_up_ns;
		*ahead_ns /= 4;
	} else { /* too late */
		*end_ns = ran_ns(r->vm);
		*ahead_ns *= 4;
	}
	return false;
}

/*
 * Runs the boot again until it ends like the first run with its registers known. Returns whether
 * r->vm is such a run.
 */
static bool run_again(struct retrace *r, uint64_t end_ns, _Atomic(struct gmem *) *guarded)
{
	uint64_t began_ns = now_ns(), ahead_ns = AHEAD_NS;

	for (unsigned int i = 0; i < MAX_LIVES && now_ns() - began_ns < ALL_LIVES_NS; i++) {
		r->step_ns = end_ns > 2 * ahead_ns ? end_ns - ahead_ns : 0;
		if (!live(r, 2 * end_ns + STEPPING_NS + NS_PER_S, guarded) ||
		    !r->arch->registers_lost(&r->vm->vcpu[0]))
			break;
		if (registers_known(r, &end_ns, &ahead_ns))
			return true;
		end_life(r, guarded);
	}
	if (r->vm)
		end_life(r, guarded);
	return false;
}

static bool wanted(struct vm *vm)
{
	uint64_t ns;

	if (vm->verdict.kind != VERDICT_CRASH || vm->config->gdb ||
	    !vm->arch->registers_lost(&vm->vcpu[0]) ||
	    (vm->config->post_mortem == POST_MORTEM_OFF && !vm->config->dump))
		return false;
	ns = ran_ns(vm);
	return ns && ns <= MAX_RUN_NS && !vm->arch->has_driver(vm);
}

struct retrace *retrace_at_end(struct vm *vm, _Atomic(struct gmem *) *guarded)
{
	struct retrace *r;

	if (!wanted(vm))
		return NULL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->config = *vm->config;
	r->arch = vm->arch;
	silence(&r->config);
	pr_info("KVM on this CPU has reset the registers: running the guest again and single-stepping its end");
	if (run_again(r, ran_ns(vm), guarded)) {
		verdict_set(&vm->verdict, VERDICT_CRASH, 0, "triple fault on vCPU 0");
		return r;
	}
	free(r);
	atomic_store(guarded, &vm->mem);
	return NULL;
}

struct vm *retrace_vm(struct retrace *r)
{
	return r->vm;
}

void retrace_free(struct retrace *r, _Atomic(struct gmem *) *guarded)
{
	if (!r)
		return;
	end_life(r, guarded);
	free(r);
}
