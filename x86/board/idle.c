/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ends a machine in which nothing can happen any more: every CPU is halted with interrupts off, or
 * never started. KVM sleeps in such a guest without end and reports nothing.
 *
 * Once a second the loop reads the CPU time of the vCPU threads; this causes no exit and costs a
 * busy guest nothing. If it has hardly grown, each vCPU's own thread checks whether an interrupt
 * could still wake the vCPU. Two rounds with the same result end the machine: with a panic or a
 * halt if the kernel has said that, else with a crash. Once a console shows that the kernel halts,
 * CPU time does not count: some KVMs wake a halted vCPU again and again for nothing.
 */
#include "idle.h"

#include "kvm/console_watch.h"
#include "kvm/gdb_target.h"
#include "kvm/ioctl.h"
#include "kvm/log.h"
#include "kvm/vm.h"
#include "x86/cpu/x86_bits.h"
#include "x86/postmortem/endlog.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define ROUND_NS 1000000000ULL
#define ASKED_NS 50000000ULL   /* time for the vCPUs to answer */
#define IDLE_CPU_NS 5000000ULL /* CPU time a second below which a guest may be dead */

/*
 * One vCPU's answer: whether nothing can wake it, because it is halted with interrupts off, or was
 * never started.
 */
struct idle_cpu {
	struct vcpu_ask ask;
	_Atomic bool dead;
};

static uint64_t vcpus_cpu_ns(const struct vm *vm)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		struct timespec ts;
		clockid_t clock;

		if (!pthread_getcpuclockid(vm->vcpu[i].thread, &clock) &&
		    !clock_gettime(clock, &ts))
			sum += (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
	}
	return sum;
}

/* Whether the vCPU's last instruction, or its next one, is HLT. */
static bool stands_at_hlt(const struct vcpu *v, uint64_t rip)
{
	for (uint64_t back = 0; back < 2; back++) {
		struct kvm_translation tr = { .linear_address = rip - back };
		const uint8_t *code;

		if (kvm_ioctl(v->fd, KVM_TRANSLATE, &tr) || !tr.valid)
			continue;
		code = gmem_at(&v->vm->mem, tr.physical_address, 1);
		if (code && *code == 0xf4)
			return true;
	}
	return false;
}

static bool is_dead(const struct vcpu *v)
{
	struct kvm_mp_state mp;
	struct kvm_regs regs;

	if (kvm_ioctl(v->fd, KVM_GET_MP_STATE, &mp))
		return false;
	if (mp.mp_state == KVM_MP_STATE_UNINITIALIZED || mp.mp_state == KVM_MP_STATE_INIT_RECEIVED)
		return true;
	if (kvm_ioctl(v->fd, KVM_GET_REGS, &regs) || regs.rflags & (1U << 9))
		return false;
	return mp.mp_state == KVM_MP_STATE_HALTED || stands_at_hlt(v, regs.rip);
}

static void on_asked(struct vcpu *v, void *ctx)
{
	struct idle_cpu *cpu = ctx;

	atomic_store(&cpu->dead, is_dead(v));
}

static void ask_vcpus(struct idle *i)
{
	for (unsigned int n = 0; n < i->vm->nr_vcpus; n++) {
		atomic_store(&i->cpu[n].dead, false);
		vcpu_ask(&i->vm->vcpu[n], &i->cpu[n].ask);
	}
}

static bool all_dead(const struct idle *i)
{
	for (unsigned int n = 0; n < i->vm->nr_vcpus; n++) {
		if (!atomic_load(&i->cpu[n].dead))
			return false;
	}
	return true;
}

/* Ends the machine. Returns false if a debugger has stopped it instead. */
static bool end_dead(struct vm *vm)
{
	struct autopsy *a = vm->autopsy;

	if (vm_stops_for_debugger(&vm->vcpu[0], GDB_SIGABRT))
		return false;
	endlog_judge(a);
	if (atomic_load(&a->panicked))
		vm_end(vm, VERDICT_PANIC, 0, "the guest kernel panicked");
	else if (atomic_load(&a->halted))
		vm_end(vm, VERDICT_HALT, 0, "the guest halted");
	else
		vm_end(vm, VERDICT_CRASH, 0,
		       "the guest is dead: all CPUs are halted with interrupts off");
	return true;
}

static void on_idle_timer(void *ctx)
{
	struct idle *i = ctx;
	uint64_t cpu_ns = vcpus_cpu_ns(i->vm);
	bool idle = cpu_ns - i->cpu_ns < IDLE_CPU_NS ||
		    atomic_load(&i->vm->autopsy->said) & WATCH_HALTS;

	vm_look_for_stop(i->vm, now_ns());
	gmem_repair(&i->vm->mem); /* a vCPU that waits for a lost page looks idle, too */
	i->cpu_ns = cpu_ns;
	if (i->rounds == 2 && idle && all_dead(i) && end_dead(i->vm))
		return;
	if (!idle || i->rounds == 2 || (i->rounds && !all_dead(i))) {
		i->rounds = 0;
		loop_timer_arm(&i->timer, ROUND_NS);
		return;
	}
	i->rounds++;
	ask_vcpus(i);
	loop_timer_arm(&i->timer, ASKED_NS);
}

void idle_init(struct idle *i, struct vm *vm)
{
	i->vm = vm;
	loop_timer_init(&vm->loop, &i->timer, on_idle_timer, i);
}

int idle_start(struct idle *i)
{
	i->cpu = calloc(i->vm->nr_vcpus, sizeof(*i->cpu));
	if (!i->cpu) {
		pr_err("out of memory");
		return -ENOMEM;
	}
	for (unsigned int n = 0; n < i->vm->nr_vcpus; n++)
		i->cpu[n].ask = (struct vcpu_ask){ .fn = on_asked, .ctx = &i->cpu[n] };
	return loop_timer_arm(&i->timer, ROUND_NS);
}

void idle_fini(struct idle *i)
{
	loop_timer_fini(&i->timer);
	free(i->cpu);
	i->cpu = NULL;
}
