/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stops and resumes vCPUs for the debugger, and gives its session access to them. All but
 * gdb_debug_exit(), gdb_held_waits() and gdb_stop_at_end() runs on the loop's thread.
 *
 * Phases:
 * - IDLE: no client is connected.
 * - STOPPING: all vCPUs are held and kicked.
 * - STOPPED: all vCPUs wait; packets are served.
 * - RUNNING: some vCPUs are released. A trap, or 0x03 from the client, leads to STOPPING again.
 *
 * A vCPU that waits does so in vm_wait_resumed(), after a KVM_RUN that has completed what its last
 * exit left open. So its registers are complete, and KVM accepts calls for it from any thread. A
 * vCPU inside one of our devices (a console that takes no bytes) is not waited for long: it is held
 * before it enters the guest again.
 *
 * Breakpoints are in guest memory only while the machine runs. A vCPU that was reported at a
 * breakpoint which still exists when it resumes steps over it first, alone. (GDB removes its own
 * breakpoint only where its idea of the address is the processor's, which in real mode it is not.)
 */
#include "gdb_impl.h"

#include "kvm/arch.h"
#include "kvm/vm.h"

#include <stdatomic.h>

/* How long vCPUs that are inside a device get to leave it. */
#define STOP_NS 1000000000ULL

static bool all_wait(const struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		if (!vm->vcpu[i].waits)
			return false;
	}
	return true;
}

void gdb_held_waits(void *ctx)
{
	struct gdb *g = ctx;

	if (g->phase == GDB_STOPPING && all_wait(g->vm))
		loop_timer_arm(&g->stop_timer, 0);
}

/* Locks: vm->pause_lock. */
static void hold_all(struct gdb *g)
{
	struct vm *vm = g->vm;

	g->phase = GDB_STOPPING;
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		vm->vcpu[i].held = true;
		if (!vm->vcpu[i].waits)
			vcpu_kick(&vm->vcpu[i]);
	}
	loop_timer_arm(&g->stop_timer, all_wait(vm) ? 0 : STOP_NS);
}

void gdb_stop_machine(struct gdb *g)
{
	pthread_mutex_lock(&g->vm->pause_lock);
	if (g->phase == GDB_IDLE || g->phase == GDB_RUNNING) {
		g->cause = GDB_NO_CAUSE;
		hold_all(g);
	}
	pthread_mutex_unlock(&g->vm->pause_lock);
}

void gdb_debug_exit(void *ctx, struct vcpu *v)
{
	struct gdb *g = ctx;
	struct gdb_stop stop;

	if (!v->vm->arch->gdb.trapped(v, &stop))
		return;
	pthread_mutex_lock(&v->vm->pause_lock);
	g->trap[v->index] = stop;
	if (g->cause == GDB_NO_CAUSE)
		g->cause = v->index;
	if (g->phase == GDB_RUNNING)
		hold_all(g);
	pthread_mutex_unlock(&v->vm->pause_lock);
}

bool gdb_stop_at_end(void *ctx, struct vcpu *v, unsigned int signal)
{
	struct gdb *g = ctx;
	bool stops;

	pthread_mutex_lock(&v->vm->pause_lock);
	stops = g->phase != GDB_IDLE;
	if (stops)
		g->trap[v->index] = (struct gdb_stop){ .signal = signal };
	if (stops && g->cause == GDB_NO_CAUSE)
		g->cause = v->index;
	if (g->phase == GDB_RUNNING)
		hold_all(g);
	pthread_mutex_unlock(&v->vm->pause_lock);
	return stops;
}

/* Releases the vCPUs for which @action has something; all of them if @action is NULL. */
static void release(struct gdb *g, enum gdb_phase phase, const enum gdb_action *action)
{
	struct vm *vm = g->vm;

	pthread_mutex_lock(&vm->pause_lock);
	g->phase = phase;
	g->cause = GDB_NO_CAUSE;
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		if (action && action[i] == GDB_STAY)
			continue;
		g->trap[i].signal = 0;
		vm->vcpu[i].held = false;
	}
	pthread_cond_broadcast(&vm->resumed);
	pthread_mutex_unlock(&vm->pause_lock);
}

void gdb_run(struct gdb *g, const enum gdb_action *action)
{
	struct vm *vm = g->vm;

	vm->arch->gdb.plant(vm, true);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		if (action[i] != GDB_STAY)
			vm->arch->gdb.resume(&vm->vcpu[i], action[i] == GDB_STEP, true);
	}
	release(g, GDB_RUNNING, action);
}

static void step_over(struct gdb *g, unsigned int index)
{
	struct vm *vm = g->vm;

	vm->arch->gdb.resume(&vm->vcpu[index], true, false);
	pthread_mutex_lock(&vm->pause_lock);
	g->over = true;
	g->phase = GDB_RUNNING;
	g->cause = GDB_NO_CAUSE;
	g->trap[index].signal = 0;
	vm->vcpu[index].held = false;
	pthread_cond_broadcast(&vm->resumed);
	pthread_mutex_unlock(&vm->pause_lock);
}

void gdb_release(struct gdb *g)
{
	struct vm *vm = g->vm;

	vm->arch->gdb.remove_all(vm);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		vm->arch->gdb.resume(&vm->vcpu[i], false, false);
	release(g, GDB_IDLE, NULL);
	g->leaving = false;
	g->answer_due = false;
	g->over = false;
}

/* ---- the session's target ---------------------------------------------------------------- */

static struct vcpu *vcpu_of(void *ctx, unsigned int thread)
{
	return &((struct gdb *)ctx)->vm->vcpu[thread];
}

static const struct arch_gdb *arch_of(void *ctx)
{
	return &((struct gdb *)ctx)->vm->arch->gdb;
}

static size_t target_description(void *ctx, char *xml, size_t n)
{
	return arch_of(ctx)->description(xml, n);
}

static bool target_reg(void *ctx, unsigned int n, size_t *offset, size_t *bytes)
{
	return arch_of(ctx)->reg(n, offset, bytes);
}

static int target_read_regs(void *ctx, unsigned int thread, uint8_t *bytes, size_t *len)
{
	return arch_of(ctx)->read_regs(vcpu_of(ctx, thread), bytes, len);
}

static int target_write_regs(void *ctx, unsigned int thread, const uint8_t *bytes)
{
	return arch_of(ctx)->write_regs(vcpu_of(ctx, thread), bytes);
}

static size_t target_read(void *ctx, unsigned int thread, uint64_t addr, void *buf, size_t len,
			  bool physical)
{
	return arch_of(ctx)->read(vcpu_of(ctx, thread), addr, buf, len, physical);
}

static size_t target_write(void *ctx, unsigned int thread, uint64_t addr, const void *buf,
			   size_t len, bool physical)
{
	return arch_of(ctx)->write(vcpu_of(ctx, thread), addr, buf, len, physical);
}

static int target_insert(void *ctx, unsigned int thread, enum gdb_break kind, uint64_t addr,
			 uint64_t len)
{
	return arch_of(ctx)->insert(vcpu_of(ctx, thread), kind, addr, len);
}

static int target_remove(void *ctx, enum gdb_break kind, uint64_t addr, uint64_t len)
{
	return arch_of(ctx)->remove(((struct gdb *)ctx)->vm, kind, addr, len);
}

/*
 * Returns the vCPU of a trap that came with the reported one and will not come again by itself, so
 * that it must be reported now; or GDB_NO_CAUSE.
 */
static unsigned int unreported_trap(const struct gdb *g)
{
	for (unsigned int i = 0; i < g->vm->nr_vcpus; i++) {
		const struct gdb_stop *trap = &g->trap[i];

		if (trap->signal && trap->signal != GDB_SIGTRAP)
			return i; /* it has come to its end */
		if (trap->signal && trap->reason && !trap->at_break)
			return i;
	}
	return GDB_NO_CAUSE;
}

static void target_resume(void *ctx, const enum gdb_action *action)
{
	struct gdb *g = ctx;
	unsigned int last = g->session.stopped, other = unreported_trap(g);

	g->answer_due = true;
	if (other != GDB_NO_CAUSE) {
		pthread_mutex_lock(&g->vm->pause_lock);
		g->cause = other;
		hold_all(g);
		pthread_mutex_unlock(&g->vm->pause_lock);
	} else if (g->session.stop.at_break && action[last] != GDB_STAY &&
		   arch_of(ctx)->on_break(&g->vm->vcpu[last])) {
		step_over(g, last);
	} else {
		gdb_run(g, action);
	}
}

static void target_kill(void *ctx)
{
	vm_end(((struct gdb *)ctx)->vm, VERDICT_QUIT, 0, "ended by the debugger");
}

static void target_thread_info(void *ctx, unsigned int thread, char *text, size_t n)
{
	arch_of(ctx)->thread_info(vcpu_of(ctx, thread), text, n);
}

static void target_print_registers(void *ctx, unsigned int thread, FILE *f)
{
	arch_of(ctx)->print_registers(vcpu_of(ctx, thread), f);
}

static void target_print_info(void *ctx, FILE *f)
{
	struct vm *vm = ((struct gdb *)ctx)->vm;
	char text[128];

	for (unsigned int i = 0; i < vm->mem.nr_regions; i++)
		fprintf(f, "memory %#llx..%#llx\n", (unsigned long long)vm->mem.region[i].gpa,
			(unsigned long long)(vm->mem.region[i].gpa + vm->mem.region[i].size_bytes -
					     1));
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		arch_of(ctx)->thread_info(&vm->vcpu[i], text, sizeof(text));
		fprintf(f, "thread %u: vCPU %u, %s\n", i + 1, i, text);
	}
}

const struct gdb_target_ops gdb_target_ops = {
	.description = target_description,
	.reg = target_reg,
	.read_regs = target_read_regs,
	.write_regs = target_write_regs,
	.read = target_read,
	.write = target_write,
	.insert = target_insert,
	.remove = target_remove,
	.resume = target_resume,
	.kill = target_kill,
	.thread_info = target_thread_info,
	.print_registers = target_print_registers,
	.print_info = target_print_info,
};
