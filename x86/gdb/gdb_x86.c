/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gives the debugger a vCPU's registers, memory and breakpoints, through KVM.
 *
 * Thread: loop, while no vCPU is in the guest; gdb_x86_trapped(): vCPU.
 *
 * Traps arrive as KVM_EXIT_DEBUG (Documentation/virt/kvm/api.rst, KVM_SET_GUEST_DEBUG). A trap that
 * is not the debugger's, such as the guest's own int3, goes back to the guest.
 *
 * GDB gets RIP as the processor has it, without the code segment's base, but breakpoints are at
 * linear addresses. So in real mode GDB might not agree with the reason of a trap; it then gets no
 * reason.
 */
#include "gdb_x86.h"

#include "gdb_breaks.h"
#include "gdb_fpu.h"
#include "gdb_regs.h"
#include "kvm/ioctl.h"
#include "kvm/vm.h"
#include "x86/cpu/cpu.h"
#include "x86/cpu/msrs.h"
#include "x86/cpu/x86_bits.h"
#include "x86/postmortem/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VECTOR_DB 1
#define VECTOR_BP 3
#define DR6_STEP (1ULL << 14)

struct gdb_state {
	struct gdb_breaks breaks;
	bool step_blocks_irqs;		/* KVM can block interrupts during a single step */
	struct kvm_guest_debug debug[]; /* each vCPU's current setting */
};

int gdb_setup(struct vm *vm)
{
	int flags = kvm_ioctl_val(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG2);

	vm->gdb_state =
		calloc(1, sizeof(*vm->gdb_state) + vm->nr_vcpus * sizeof(vm->gdb_state->debug[0]));
	if (!vm->gdb_state)
		return -ENOMEM;
	vm->gdb_state->step_blocks_irqs = flags > 0 && flags & KVM_GUESTDBG_BLOCKIRQ;
	return 0;
}

void gdb_destroy(struct vm *vm)
{
	free(vm->gdb_state);
	vm->gdb_state = NULL;
}

/* ---- registers --------------------------------------------------------------------------- */

static int get_regs(const struct vcpu *v, struct gdb_regs *r)
{
	int err = kvm_ioctl(v->fd, KVM_GET_REGS, &r->regs);

	if (!err)
		err = kvm_ioctl(v->fd, KVM_GET_SREGS, &r->sregs);
	if (!err)
		err = gdb_fpu_get(v, &r->fpu);
	if (err)
		return err;
	msr_read(v->fd, MSR_KERNEL_GS_BASE, &r->kernel_gs_base);
	gdb_regs_tags(r);
	return 0;
}

/*
 * Loads a changed selector like real mode does. In protected mode the processor would read a
 * descriptor; this is not implemented, so the change is refused.
 */
static int load_segment(struct kvm_segment *to, const struct kvm_segment *was, bool real)
{
	if (to->selector == was->selector)
		return 0;
	if (!real)
		return -EINVAL;
	to->base = (uint64_t)to->selector << 4;
	return 0;
}

static int load_segments(struct gdb_regs *r, const struct gdb_regs *was)
{
	bool real = !(was->sregs.cr0 & CR0_PE) || was->regs.rflags & RFLAGS_VM;
	int err = load_segment(&r->sregs.cs, &was->sregs.cs, real);

	err = err ? err : load_segment(&r->sregs.ss, &was->sregs.ss, real);
	err = err ? err : load_segment(&r->sregs.ds, &was->sregs.ds, real);
	err = err ? err : load_segment(&r->sregs.es, &was->sregs.es, real);
	err = err ? err : load_segment(&r->sregs.fs, &was->sregs.fs, real);
	return err ? err : load_segment(&r->sregs.gs, &was->sregs.gs, real);
}

/* Sets only what has changed, so that a register that KVM refuses does not prevent the others. */
static int set_regs(const struct vcpu *v, struct gdb_regs *r, const struct gdb_regs *was)
{
	int err = load_segments(r, was);

	if (!err && memcmp(&r->sregs, &was->sregs, sizeof(r->sregs)) != 0)
		err = kvm_ioctl(v->fd, KVM_SET_SREGS, &r->sregs);
	if (!err && memcmp(&r->regs, &was->regs, sizeof(r->regs)) != 0)
		err = kvm_ioctl(v->fd, KVM_SET_REGS, &r->regs);
	if (!err && memcmp(&r->fpu, &was->fpu, sizeof(r->fpu)) != 0)
		err = gdb_fpu_set(v, &r->fpu);
	if (!err && r->kernel_gs_base != was->kernel_gs_base &&
	    !msr_write(v->fd, MSR_KERNEL_GS_BASE, r->kernel_gs_base))
		err = -EINVAL;
	return err;
}

int gdb_x86_read_regs(struct vcpu *v, uint8_t *bytes, size_t *len)
{
	struct gdb_regs r;
	int err = get_regs(v, &r);

	*len = err ? 0 : gdb_regs_pack(&r, bytes);
	return err;
}

int gdb_x86_write_regs(struct vcpu *v, const uint8_t *bytes)
{
	struct gdb_regs r, was;
	int err = get_regs(v, &was);

	if (err)
		return err;
	memcpy(&r, &was, sizeof(r));
	gdb_regs_unpack(&r, bytes);
	if (r.ftag != was.ftag)
		gdb_regs_untags(&r);
	return set_regs(v, &r, &was);
}

/* ---- memory --------------------------------------------------------------------------- */

static int get_paging(const struct vcpu *v, struct paging *p)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	int err = kvm_ioctl(v->fd, KVM_GET_SREGS, &sregs);

	if (!err)
		err = kvm_ioctl(v->fd, KVM_GET_REGS, &regs);
	if (!err)
		*p = (struct paging){ sregs.cr0, sregs.cr3, sregs.cr4, sregs.efer, regs.rflags };
	return err;
}

/*
 * Translates @addr; @p NULL: it is physical already. The debugger may write what the guest may not,
 * so the walk is one for reading.
 */
static bool translate(const struct gmem *mem, const struct paging *p, uint64_t addr, gpa_t *gpa)
{
	struct pagewalk w;

	*gpa = addr;
	if (!p)
		return true;
	pagewalk(&w, mem, p, addr, WALK_READ);
	*gpa = w.gpa;
	return w.mapped;
}

static size_t copy(struct vcpu *v, uint64_t addr, void *to, const void *from, size_t len,
		   bool physical)
{
	struct gmem *mem = &v->vm->mem;
	struct paging p;
	size_t done = 0;

	if (!physical && get_paging(v, &p))
		return 0;
	while (done < len) {
		size_t part;
		gpa_t gpa;
		int err;

		if (!translate(mem, physical ? NULL : &p, addr + done, &gpa))
			break;
		part = (size_t)min_u64(len - done, PAGE_BYTES - (gpa & (PAGE_BYTES - 1)));
		err = to ? gmem_read(mem, gpa, (char *)to + done, part)
			 : gmem_write(mem, gpa, (const char *)from + done, part);
		if (err)
			break;
		done += part;
	}
	return done;
}

size_t gdb_x86_read(struct vcpu *v, uint64_t addr, void *buf, size_t len, bool physical)
{
	return copy(v, addr, buf, NULL, len, physical);
}

size_t gdb_x86_write(struct vcpu *v, uint64_t addr, const void *buf, size_t len, bool physical)
{
	return copy(v, addr, NULL, buf, len, physical);
}

/* ---- breakpoints --------------------------------------------------------------------------- */

int gdb_x86_insert(struct vcpu *v, enum gdb_break kind, uint64_t addr, uint64_t len)
{
	const struct gmem *mem = &v->vm->mem;
	gpa_t gpa = 0;

	if (kind == GDB_BREAK_SOFT) {
		struct paging p;

		if (get_paging(v, &p) || !translate(mem, &p, addr, &gpa) || !gmem_at(mem, gpa, 1))
			return -EFAULT;
	}
	return gdb_breaks_add(&v->vm->gdb_state->breaks, kind, addr, len, gpa);
}

int gdb_x86_remove(struct vm *vm, enum gdb_break kind, uint64_t addr, uint64_t len)
{
	return gdb_breaks_del(&vm->gdb_state->breaks, kind, addr, len);
}

void gdb_x86_remove_all(struct vm *vm)
{
	gdb_x86_plant(vm, false);
	vm->gdb_state->breaks.nr = 0;
}

void gdb_x86_plant(struct vm *vm, bool on)
{
	gdb_breaks_plant(&vm->gdb_state->breaks, &vm->mem, on);
}

void gdb_x86_resume(struct vcpu *v, bool step, bool breaks)
{
	struct gdb_state *g = v->vm->gdb_state;
	struct kvm_guest_debug *debug = &g->debug[v->index];
	struct gdb_debug_regs d;

	*debug = (struct kvm_guest_debug){ 0 };
	if (step)
		debug->control |=
			KVM_GUESTDBG_SINGLESTEP | (g->step_blocks_irqs ? KVM_GUESTDBG_BLOCKIRQ : 0);
	if (breaks && gdb_breaks_any_soft(&g->breaks))
		debug->control |= KVM_GUESTDBG_USE_SW_BP;
	if (breaks && gdb_breaks_debug_regs(&g->breaks, &d) && d.nr) {
		debug->control |= KVM_GUESTDBG_USE_HW_BP;
		memcpy(debug->arch.debugreg, d.addr, sizeof(d.addr));
		debug->arch.debugreg[7] = d.dr7;
	}
	if (debug->control)
		debug->control |= KVM_GUESTDBG_ENABLE;
	kvm_ioctl(v->fd, KVM_SET_GUEST_DEBUG, debug);
}

/* Finds the physical address of the next instruction; @cpu gets the state with its linear one. */
static bool locate(struct vcpu *v, struct cpu_state *cpu, gpa_t *gpa)
{
	struct paging p;

	if (cpu_gather(cpu, v->fd, v->index, false))
		return false;
	p = fault_paging(cpu);
	return translate(&v->vm->mem, &p, cpu_linear_rip(cpu), gpa);
}

bool gdb_x86_on_break(struct vcpu *v)
{
	const struct gdb_breaks *b = &v->vm->gdb_state->breaks;
	struct cpu_state cpu = { 0 };
	gpa_t gpa;

	if (!locate(v, &cpu, &gpa))
		return false;
	for (unsigned int i = 0; i < b->nr; i++) {
		if (b->at[i].kind == GDB_BREAK_HARD && b->at[i].addr == cpu_linear_rip(&cpu))
			return true;
	}
	return gdb_breaks_soft_at(b, gpa) != NULL;
}

/* ---- traps --------------------------------------------------------------------------- */

static void trapped_soft(struct gdb_stop *stop, const struct gdb_break_entry *e,
			 const struct cpu_state *cpu)
{
	stop->signal = GDB_SIGTRAP;
	stop->at_break = true;
	stop->reason = e->addr == cpu->regs.rip ? "swbreak" : NULL;
}

static void trapped_hard(struct gdb_stop *stop, const struct gdb_debug_regs *d, uint64_t dr6,
			 const struct cpu_state *cpu)
{
	for (unsigned int n = 0; n < d->nr; n++) {
		const struct gdb_break_entry *e = d->owner[n];

		if (!(dr6 & (1ULL << n)))
			continue;
		stop->signal = GDB_SIGTRAP;
		if (e->kind == GDB_BREAK_HARD) {
			stop->at_break = true;
			stop->reason = e->addr == cpu->regs.rip ? "hwbreak" : NULL;
		} else {
			stop->reason = e->kind == GDB_WATCH_WRITE ? "watch" : "awatch";
			stop->addr = d->addr[n];
			return; /* it does not trap again; a breakpoint would */
		}
	}
}

static void hand_back(struct vcpu *v, uint32_t vector)
{
	struct kvm_guest_debug debug = v->vm->gdb_state->debug[v->index];

	debug.control |= vector == VECTOR_BP ? KVM_GUESTDBG_INJECT_BP : KVM_GUESTDBG_INJECT_DB;
	kvm_ioctl(v->fd, KVM_SET_GUEST_DEBUG, &debug);
}

bool gdb_x86_trapped(struct vcpu *v, struct gdb_stop *stop)
{
	const struct kvm_debug_exit_arch *exit = &v->run->debug.arch;
	const struct gdb_state *g = v->vm->gdb_state;
	const struct gdb_break_entry *soft = NULL;
	struct cpu_state cpu = { 0 };
	struct gdb_debug_regs d;
	gpa_t gpa;

	*stop = (struct gdb_stop){ 0 };
	if (locate(v, &cpu, &gpa))
		soft = gdb_breaks_soft_at(&g->breaks, gpa);
	if (exit->exception == VECTOR_BP && soft)
		trapped_soft(stop, soft, &cpu);
	if (exit->exception == VECTOR_DB && gdb_breaks_debug_regs(&g->breaks, &d))
		trapped_hard(stop, &d, exit->dr6, &cpu);
	if (exit->exception == VECTOR_DB && exit->dr6 & DR6_STEP &&
	    g->debug[v->index].control & KVM_GUESTDBG_SINGLESTEP)
		stop->signal = GDB_SIGTRAP;
	if (!stop->signal)
		hand_back(v, exit->exception);
	return stop->signal;
}

/* ---- texts --------------------------------------------------------------------------- */

static const char *activity(uint32_t mp_state)
{
	switch (mp_state) {
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
		return "not started";
	case KVM_MP_STATE_HALTED:
		return "halted";
	default:
		return "runs";
	}
}

void gdb_x86_thread_info(struct vcpu *v, char *text, size_t n)
{
	struct cpu_state cpu = { 0 };

	if (cpu_gather(&cpu, v->fd, v->index, false))
		snprintf(text, n, "unknown");
	else
		snprintf(text, n, "%s, %s, CPL %u", activity(cpu.mp_state), cpu_mode_name(&cpu),
			 cpu.sregs.cs.selector & 3U);
}

void gdb_x86_print_registers(struct vcpu *v, FILE *f)
{
	struct cpu_state cpu = { 0 };

	if (cpu_gather(&cpu, v->fd, v->index, true))
		fputs("cannot get the registers from KVM\n", f);
	else
		cpu_print(f, &cpu);
}
