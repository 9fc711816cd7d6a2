/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Identifies the host's processor for `kvm host`, and measures whether KVM executes or emulates a
 * guest's ring 0.
 *
 * The probe is a machine of one page and one processor, in flat 32-bit mode without paging. Every
 * KVM can run that mode directly; real mode would look worse than the host is, since the first
 * generations of VMX must emulate it. The page holds
 *
 * 	0:	dec ecx ; jnz 0 ; hlt
 *
 * and HLT exits to us because there is no interrupt controller. A run with ECX = 1 costs the exit
 * alone, a long run the exit and the loop. The smallest time of a few runs of each counts, so that
 * neither the exit's cost nor a pre-emption matters. If the loop proves fast, it is measured again
 * with more turns, for a meaningful figure.
 *
 * Keeps no state. The CPUID flags read here only explain a result; they never decide it. Thread:
 * main.
 */
#include "host_cpu.h"
#include "kvm/ioctl.h"
#include "kvm/loop.h"
#include "x86/layout.h"
#include "x86_bits.h"

#include <assert.h>
#include <cpuid.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TURNS_SHORT 1
#define TURNS_SLOW 1000
#define TURNS_FAST 100000
#define INSTRUCTIONS_A_TURN 2
#define FAST_NS 100000
#define TRIES 2

#define LEAF1_ECX_VMX (1U << 5)
#define LEAF1_ECX_HYPERVISOR (1U << 31)
#define EXT1_ECX_SVM (1U << 2)

struct probe_vm {
	int vm_fd, vcpu_fd;
	uint8_t *ram;
	struct kvm_run *run;
	size_t run_bytes;
};

static const struct host_cap caps[] = {
	{ KVM_CAP_EXT_CPUID, "EXT_CPUID", true, "the guest's processor cannot be described" },
	{ KVM_CAP_SET_TSS_ADDR, "SET_TSS_ADDR", true, "VMX cannot run real mode" },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, "SET_IDENTITY_MAP_ADDR", true,
	  "VMX cannot run without paging" },
	{ KVM_CAP_PIT2, "PIT2", true, "no timer for kernels that need a PIT" },
	{ KVM_CAP_TSC_DEADLINE_TIMER, "TSC_DEADLINE_TIMER", false,
	  "a guest's timers cost more exits" },
	{ KVM_CAP_GET_TSC_KHZ, "GET_TSC_KHZ", false, "guests must measure their clock" },
	{ KVM_CAP_X2APIC_API, "X2APIC_API", false, "at most 255 CPUs a machine" },
	{ KVM_CAP_VCPU_EVENTS, "VCPU_EVENTS", false, "no pending exceptions in crash reports" },
};

const struct host_cap *host_cpu_caps(unsigned int *nr)
{
	*nr = ARRAY_SIZE(caps);
	return caps;
}

static void find_hypervisor(struct arch_host_cpu *cpu)
{
	static const struct {
		const char *signature, *name;
	} known[] = {
		{ "KVMKVMKVM", "KVM" },		  { "Microsoft Hv", "Hyper-V" },
		{ "VMwareVMware", "VMware" },	  { "XenVMMXenVMM", "Xen" },
		{ "TCGTCGTCGTCG", "QEMU TCG" },	  { "bhyve bhyve ", "bhyve" },
		{ "VBoxVBoxVBox", "VirtualBox" }, { "ACRNACRNACRN", "ACRN" },
	};
	uint32_t eax, signature[4] = { 0 };

	__cpuid(0x40000000, eax, signature[0], signature[1], signature[2]);
	for (unsigned int i = 0; i < ARRAY_SIZE(known); i++) {
		if (!strncmp((const char *)signature, known[i].signature,
			     strlen(known[i].signature)))
			snprintf(cpu->hypervisor, sizeof(cpu->hypervisor), "%s", known[i].name);
	}
}

void host_cpu_identify(struct arch_host_cpu *cpu)
{
	uint32_t eax, ebx, ecx, edx, vendor;

	*cpu = (struct arch_host_cpu){ .module = NULL };
	__cpuid(0, eax, vendor, ecx, edx);
	__cpuid(1, eax, ebx, ecx, edx);
	cpu->in_vm = ecx & LEAF1_ECX_HYPERVISOR;
	if (vendor == signature_INTEL_ebx) {
		cpu->module = "kvm_intel";
		cpu->virt_name = "VT-x";
		cpu->virt_flag = ecx & LEAF1_ECX_VMX;
	} else if (vendor == signature_AMD_ebx || vendor == 0x6f677948) { /* "Hygo" */
		cpu->module = "kvm_amd";
		cpu->virt_name = "AMD-V (SVM)";
		cpu->virt_flag =
			__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && ecx & EXT1_ECX_SVM;
	}
	if (cpu->in_vm)
		find_hypervisor(cpu);
}

static int failed(struct arch_host_probe *p, const char *step, int err)
{
	p->step = step;
	p->err = err;
	return err;
}

static int set_flat32(int vcpu_fd)
{
	struct kvm_sregs s;
	struct kvm_segment data = {
		.limit = ~0U,
		.selector = 0x18,
		.type = 3,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
	int err = kvm_ioctl(vcpu_fd, KVM_GET_SREGS, &s);

	if (err)
		return err;
	s.cr0 = 0x31; /* PE, ET, NE */
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.cs = data;
	s.cs.selector = 0x10;
	s.cs.type = 11;
	return kvm_ioctl(vcpu_fd, KVM_SET_SREGS, &s);
}

static int make_vcpu(struct probe_vm *vm, int kvm_fd, struct arch_host_probe *p)
{
	int size = kvm_ioctl_val(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	void *map;
	int err;

	vm->vcpu_fd = kvm_ioctl_val(vm->vm_fd, KVM_CREATE_VCPU, 0);
	if (vm->vcpu_fd < 0)
		return failed(p, "KVM_CREATE_VCPU", vm->vcpu_fd);
	if (size < (int)sizeof(*vm->run))
		return failed(p, "KVM_GET_VCPU_MMAP_SIZE", size < 0 ? size : -EPROTO);
	map = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu_fd, 0);
	if (map == MAP_FAILED)
		return failed(p, "mmap of the vCPU", -errno);
	vm->run = map;
	vm->run_bytes = (size_t)size;
	err = set_flat32(vm->vcpu_fd);
	return err ? failed(p, "KVM_SET_SREGS", err) : 0;
}

static int make_vm(struct probe_vm *vm, int kvm_fd, struct arch_host_probe *p)
{
	static const uint8_t code[] = { 0x49, 0x75, 0xfd, 0xf4 };
	struct kvm_userspace_memory_region slot = { .memory_size = PAGE_BYTES };
	uint64_t identity_map = KVM_IDENTITY_MAP_GPA;
	void *ram;
	int err;

	vm->vm_fd = kvm_ioctl_val(kvm_fd, KVM_CREATE_VM, 0);
	if (vm->vm_fd < 0)
		return failed(p, "KVM_CREATE_VM", vm->vm_fd);
	ram = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ram == MAP_FAILED)
		return failed(p, "mmap", -errno);
	vm->ram = ram;
	memcpy(vm->ram, code, sizeof(code));
	slot.userspace_addr = (uintptr_t)vm->ram;
	err = kvm_ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot);
	if (err)
		return failed(p, "KVM_SET_USER_MEMORY_REGION", err);
	err = kvm_ioctl(vm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map);
	if (!err)
		err = kvm_ioctl_raw(vm->vm_fd, KVM_SET_TSS_ADDR, KVM_TSS_GPA);
	if (err)
		return failed(p, "KVM_SET_TSS_ADDR", err);
	return make_vcpu(vm, kvm_fd, p);
}

static void destroy_vm(struct probe_vm *vm)
{
	if (vm->run)
		munmap(vm->run, vm->run_bytes);
	if (vm->vcpu_fd >= 0)
		close(vm->vcpu_fd);
	if (vm->vm_fd >= 0)
		close(vm->vm_fd);
	if (vm->ram)
		munmap(vm->ram, PAGE_BYTES);
}

/* Runs @turns of the loop, and sets *ns to the time that took. */
static int run_once(struct probe_vm *vm, uint64_t turns, struct arch_host_probe *p, uint64_t *ns)
{
	struct kvm_regs regs = { .rcx = turns, .rflags = 2 };
	uint64_t start;
	int err = kvm_ioctl(vm->vcpu_fd, KVM_SET_REGS, &regs);

	assert(vm->run); /* make_vm() has succeeded */
	if (err)
		return failed(p, "KVM_SET_REGS", err);
	start = now_ns();
	do
		err = kvm_ioctl_val(vm->vcpu_fd, KVM_RUN, 0);
	while (err == -EINTR);
	*ns = now_ns() - start;
	if (err)
		return failed(p, "KVM_RUN", err);
	p->exit_reason = vm->run->exit_reason;
	return p->exit_reason == KVM_EXIT_HLT ? 0 : failed(p, "KVM_RUN", -EPROTO);
}

static int run_least(struct probe_vm *vm, uint64_t turns, struct arch_host_probe *p,
		     uint64_t *least_ns)
{
	int err = 0;

	*least_ns = UINT64_MAX;
	for (unsigned int i = 0; i < TRIES && !err; i++) {
		uint64_t ns;

		err = run_once(vm, turns, p, &ns);
		if (!err)
			*least_ns = min_u64(*least_ns, ns);
	}
	return err;
}

static int measure(struct probe_vm *vm, struct arch_host_probe *p)
{
	uint64_t turns = TURNS_SLOW, ns = 0, exit_ns = 0;
	int err;

	/* The very first run takes the page faults. */
	err = run_once(vm, TURNS_SHORT, p, &ns);
	if (!err)
		err = run_least(vm, TURNS_SHORT, p, &exit_ns);
	if (!err)
		err = run_least(vm, turns, p, &ns);
	if (!err && ns < exit_ns + FAST_NS) {
		turns = TURNS_FAST;
		err = run_least(vm, turns, p, &ns);
	}
	if (err)
		return err;
	p->nr_instructions = (turns - TURNS_SHORT) * INSTRUCTIONS_A_TURN;
	p->ps_per_instruction = ns > exit_ns ? (ns - exit_ns) * 1000 / p->nr_instructions : 0;
	p->emulated = p->ps_per_instruction >= HOST_EMULATED_NS * 1000;
	return 0;
}

void host_cpu_probe(int kvm_fd, struct arch_host_probe *probe)
{
	struct probe_vm vm = { .vm_fd = -1, .vcpu_fd = -1 };

	*probe = (struct arch_host_probe){ .err = 0 };
	if (!make_vm(&vm, kvm_fd, probe))
		measure(&vm, probe);
	destroy_vm(&vm);
}
