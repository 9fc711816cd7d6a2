/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets up the VM and its vCPUs as x86 needs it, and serves the exits that only x86 has.
 *
 * The set-up runs on vCPU 0's thread. KVM requires its order: TSS and interrupt controllers before
 * the first vCPU, CPUID before MSRs.
 */
#include "exits.h"
#include "board_hyperv.h"
#include "kvm/gdb_target.h"
#include "kvm/ioctl.h"
#include "kvm/log.h"
#include "machine.h"
#include "x86/cpu/cpu.h"
#include "x86/layout.h"
#include "x86/postmortem/endlog.h"
#include "x86/postmortem/gather.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int refused(const char *what, int err)
{
	pr_err("KVM refuses %s: %s", what, strerror(-err));
	return err;
}

/*
 * Makes KVM exit for MSRs that it does not know or refuses, before it raises #GP, so that the
 * recorder sees them. Older KVMs cannot.
 */
static void watch_msrs(struct vm *vm)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args = { KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN },
	};

	if (kvm_ioctl(vm->vm_fd, KVM_ENABLE_CAP, &cap))
		pr_debug("KVM does not report MSRs that it refuses");
}

/*
 * No page table can name memory above the CPU's addresses; KVM before 5.18 takes it all the same.
 */
static int check_memory_end(const struct vm *vm)
{
	const struct gmem_region *last = &vm->mem.region[vm->mem.nr_regions - 1];
	uint64_t end = cpu_address_end(vm->machine->cpus);

	if (last->gpa + last->size_bytes <= end)
		return 0;
	pr_err("-m %lluM: the guest's CPU addresses %lluG, some of it for devices; use at most %lluG",
	       (unsigned long long)(vm->config->mem_bytes / MIB), (unsigned long long)(end / GIB),
	       (unsigned long long)((end - (MMIO_HOLE_END - MMIO_HOLE_GPA)) / GIB));
	return -EINVAL;
}

int x86_setup_vm(struct vm *vm)
{
	uint64_t identity_map = KVM_IDENTITY_MAP_GPA;
	int err;

	/*
	 * VMX without unrestricted guest needs these, in memory of their own. Must come before the
	 * first vCPU.
	 */
	err = kvm_ioctl(vm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map);
	if (!err)
		err = kvm_ioctl_raw(vm->vm_fd, KVM_SET_TSS_ADDR, KVM_TSS_GPA);
	if (err)
		return refused("the TSS address", err);
	watch_msrs(vm);
	err = kvm_ioctl_val(vm->vm_fd, KVM_CREATE_IRQCHIP, 0);
	if (err) {
		pr_err("KVM refuses in-kernel interrupt controllers: %s; the host's kernel needs CONFIG_KVM_IOAPIC",
		       strerror(-err));
		return err;
	}
	err = cpu_set_create(&vm->machine->cpus, vm->kvm_fd, vm->vm_fd, vm->nr_vcpus,
			     vm->config->cpuid);
	return err ? err : check_memory_end(vm);
}

int x86_setup_vcpu(struct vcpu *v)
{
	int err = gather_vcpu_setup(v);

	return err ? err : cpu_setup(v->vm->machine->cpus, v->fd, v->index);
}

/*
 * Whether the vCPU has an empty IDT and its next instruction is int3: this is how Linux resets a
 * machine by a triple fault, at reboot=t. A kernel that dies before it has an IDT may stand on such
 * a byte, too, since linkers fill gaps with it; but it has no log yet. On AMD this cannot be seen,
 * since KVM has already reset the vCPU.
 */
static bool resets_by_int3(const struct vcpu *v)
{
	struct kvm_translation tr = { 0 };
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	const uint8_t *code;

	if (kvm_ioctl(v->fd, KVM_GET_SREGS, &sregs) || kvm_ioctl(v->fd, KVM_GET_REGS, &regs) ||
	    sregs.idt.limit)
		return false;
	tr.linear_address = regs.rip;
	if (kvm_ioctl(v->fd, KVM_TRANSLATE, &tr) || !tr.valid)
		return false;
	code = gmem_at(&v->vm->mem, tr.physical_address, 1);
	return code && *code == 0xcc;
}

/*
 * Ends the machine by a fault that the vCPU cannot survive. A debugger first sees it as a signal,
 * and the end comes when the debugger has the machine continue or disconnects.
 */
static void end_by_fault(struct vcpu *v, enum verdict_kind kind, const char *text)
{
	if (vm_stops_for_debugger(v, GDB_SIGSEGV))
		vm_wait_resumed(v);
	vm_end(v->vm, kind, 0, "%s", text);
}

static void on_shutdown(struct vcpu *v)
{
	struct machine *m = v->vm->machine;
	bool has_log = endlog_judge(&m->autopsy);
	char text[160];

	if (atomic_load(&m->autopsy.panicked)) {
		end_by_fault(v, VERDICT_PANIC, "the guest kernel panicked (then a triple fault)");
		return;
	}
	if (atomic_load(&m->autopsy.restarting) || (has_log && resets_by_int3(v))) {
		ends_by_reset(&m->ends, "triple fault");
		return;
	}
	snprintf(text, sizeof(text), "triple fault on vCPU %u%s", v->index,
		 gather_registers_lost(v)
			 ? " (its registers are lost: KVM on this CPU has reset them)"
			 : "");
	end_by_fault(v, VERDICT_CRASH, text);
}

bool x86_handle_exit(struct vcpu *v)
{
	const struct kvm_run *run = v->run;
	char why[128], text[160];

	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		on_shutdown(v);
		return true;
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return true;
	case KVM_EXIT_DEBUG:
		if (v->vm->hooks.debug_exit)
			v->vm->hooks.debug_exit(v->vm->hooks.ctx, v);
		return true;
	case KVM_EXIT_FAIL_ENTRY:
	case KVM_EXIT_INTERNAL_ERROR:
		cpu_exit_text(run, why, sizeof(why));
		snprintf(text, sizeof(text), "vCPU %u: %s", v->index, why);
		end_by_fault(v, VERDICT_CRASH, text);
		return true;
	case KVM_EXIT_HLT:
		vm_end(v->vm, VERDICT_CRASH, 0, "vCPU %u: halted without an interrupt controller",
		       v->index);
		return true;
	case KVM_EXIT_HYPERV:
		return hyperv_exit(v);
	case KVM_EXIT_SYSTEM_EVENT:
		return hyperv_system_event(v);
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		v->run->msr.error = 1; /* #GP, as without this exit, which is for the recorder */
		return true;
	default:
		return false;
	}
}
