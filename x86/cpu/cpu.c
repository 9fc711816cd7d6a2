/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets up vCPUs through KVM: CPUID, MSRs, and the registers at the first instruction.
 *
 * What all vCPUs share is read once (struct x86_cpu_set). Then each vCPU costs two system calls:
 * CPUID, which must come first because KVM checks and resets MSRs by it, and all MSRs in one call.
 * We set only what KVM's reset state lacks:
 * - MTRRdefType: on, write-back. A kernel that finds the MTRRs off, as after power-up, believes
 *   that memory is uncacheable and gives up PAT. CPUID's MTRR flag decides; KVM's list of MSRs to
 *   save leaves MTRRs out.
 * - MISC_ENABLE (Intel, if KVM lists it): fast strings, since otherwise Linux turns `rep movsb`
 *   off.
 *
 * We leave as KVM has them:
 * - PAT: the default is set.
 * - The TSC: KVM starts those of all vCPUs together.
 * - The local APIC: KVM starts the boot processor's LINT0 as ExtINT, which is all that a kernel
 *   without APIC support needs from the 8259. If Linux uses the APIC, it programs both pins itself
 *   (setup_local_APIC).
 *
 * Other processors wait for INIT and SIPI, which load their registers, so only the boot processor
 * gets an entry state.
 *
 * Segment state passes all checks on guest state at VM entry (Intel SDM vol. 3, 27.3.1), which
 * AMD's VMRUN does not make.
 *
 * Thread: setup; cpu_set_entry(): any, while the vCPU does not run.
 */
#include "cpu.h"
#include "hyperv.h"
#include "kvm/ioctl.h"
#include "kvm/log.h"
#include "kvm_list.h"
#include "msrs.h"
#include "x86/layout.h"
#include "x86_bits.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define APIC_BASE_EXTD (1ULL << 10)
#define MAX_XAPIC_CPUS 255
#define CPUID_ROOM_FIRST 128
#define MSR_ROOM_FIRST 256

#define MSR_IA32_MISC_ENABLE 0x1a0
#define MISC_ENABLE_FAST_STRINGS 1ULL
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MTRR_DEF_ENABLED_WRITE_BACK 0x806

#define LEAF1_EDX_MTRR (1U << 12)

/* as in asm/prctl.h, which older headers do not have */
#define ARCH_REQ_XCOMP_GUEST_PERM 0x1025
#define XFEATURE_TILEDATA 18

#define RFLAGS_FIXED 2

#define SEG_CODE 11 /* execute, read, accessed */
#define SEG_DATA 3  /* read, write, accessed */
#define SEG_LDT 2
#define SEG_TSS_BUSY 11

struct x86_cpu_set {
	struct cpuid_config config;
	bool mtrr;
	bool misc_enable;
	unsigned int cap;
	const char *changes;	    /* the user's, or NULL */
	struct kvm_cpuid2 *offered; /* with changes: KVM's original list */
	bool synic;		    /* Hyper-V's interrupt controller for each vCPU */
	struct kvm_cpuid2 *cpuid;   /* tailored; has the APIC id of the last vCPU set up */
};

static int read_cpuid_list(struct x86_cpu_set *set, int kvm_fd)
{
	const uint32_t spare = CPUID_ADDED_MAX + HYPERV_LEAVES;
	void *list = NULL;
	int err = kvm_list_read(kvm_fd, KVM_GET_SUPPORTED_CPUID, sizeof(set->cpuid->entries[0]),
				CPUID_ROOM_FIRST, spare, &list);

	free(set->cpuid);
	set->cpuid = list;
	set->cap = err ? 0 : set->cpuid->nent + spare;
	return err;
}

/*
 * A process must ask for the state of AMX's tiles before KVM offers it (Linux 5.17, KVM's api.rst,
 * KVM_GET_SUPPORTED_CPUID). Only hosts that have AMX pay for the question.
 */
static int read_supported_cpuid(struct x86_cpu_set *set, int kvm_fd)
{
	int err = read_cpuid_list(set, kvm_fd);

	if (!err && cpuid_lacks_tiles(set->cpuid) &&
	    !syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_GUEST_PERM, XFEATURE_TILEDATA))
		err = read_cpuid_list(set, kvm_fd);
	if (err)
		pr_err("KVM_GET_SUPPORTED_CPUID: %s; this host's KVM may be too old or broken; see `kvm host`",
		       strerror(-err));
	return err;
}

/* Whether KVM_GET_MSR_INDEX_LIST names @msr; false if the list cannot be read. */
static bool kvm_lists_msr(int kvm_fd, uint32_t msr)
{
	const struct kvm_msr_list *list;
	bool found = false;
	void *read;
	int err = kvm_list_read(kvm_fd, KVM_GET_MSR_INDEX_LIST, sizeof(list->indices[0]),
				MSR_ROOM_FIRST, 0, &read);

	list = read;
	for (uint32_t i = 0; !err && i < list->nmsrs && !found; i++)
		found = list->indices[i] == msr;
	free(read);
	return found;
}

/*
 * Only guests with an Intel CPU use MISC_ENABLE, so other machines do not spend time on reading the
 * list.
 */
static void choose_msrs(struct x86_cpu_set *set, int kvm_fd)
{
	const struct kvm_cpuid_entry2 *leaf0 = cpuid_find(set->cpuid, 0, 0),
				      *leaf1 = cpuid_find(set->cpuid, 1, 0);

	set->mtrr = leaf1 && (leaf1->edx & LEAF1_EDX_MTRR);
	if (leaf0 && leaf0->ebx == 0x756e6547) /* "Genu" */
		set->misc_enable = kvm_lists_msr(kvm_fd, MSR_IA32_MISC_ENABLE);
}

/*
 * APIC ids of 255 and more: KVM must accept 32-bit ids in its messages, and must not treat 255 as a
 * broadcast.
 */
static int widen_apic_ids(int vm_fd, unsigned int nr_cpus)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X2APIC_API,
		.args = { KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK },
	};
	int err;

	if (nr_cpus <= MAX_XAPIC_CPUS)
		return 0;
	err = kvm_ioctl(vm_fd, KVM_ENABLE_CAP, &cap);
	if (err)
		pr_err("-c %u: this host's KVM has no 32-bit APIC ids (%s); use at most 255 CPUs",
		       nr_cpus, strerror(-err));
	return err;
}

static int tailor(struct x86_cpu_set *set)
{
	int err = cpuid_tailor(set->cpuid, set->cap, &set->config);

	if (err)
		pr_err("KVM's CPUID list has no room for our entries; this is a bug");
	return err ? err : cpuid_change_features(set->cpuid, set->offered, set->changes);
}

static int add_hyperv(struct x86_cpu_set *set, int kvm_fd)
{
	struct kvm_cpuid2 *supported;
	int err;

	if (!hyperv_wanted(set->changes))
		return 0;
	supported = hyperv_supported(kvm_fd);
	if (!supported)
		return -EOPNOTSUPP;
	err = hyperv_cpuid(set->cpuid, set->cap - CPUID_ADDED_MAX, supported, set->changes);
	set->synic = hyperv_wants_synic(set->changes, supported);
	set->config.hyperv = true;
	free(supported);
	return err;
}

/* If there are changes, keeps a copy of KVM's own list. */
static int apply_vendor(struct x86_cpu_set *set)
{
	size_t bytes = sizeof(*set->cpuid) + set->cpuid->nent * sizeof(set->cpuid->entries[0]);

	if (!set->changes)
		return 0;
	set->offered = malloc(bytes);
	if (!set->offered)
		return -ENOMEM;
	memcpy(set->offered, set->cpuid, bytes);
	cpuid_change_vendor(set->cpuid, set->changes);
	return 0;
}

int cpu_set_create(struct x86_cpu_set **out, int kvm_fd, int vm_fd, unsigned int nr_cpus,
		   const char *cpuid_changes)
{
	struct x86_cpu_set *set = calloc(1, sizeof(*set));
	int tsc_khz, err;

	*out = set;
	if (!set)
		return -ENOMEM;
	set->changes = cpuid_changes;
	err = widen_apic_ids(vm_fd, nr_cpus);
	if (!err)
		err = read_supported_cpuid(set, kvm_fd);
	if (!err)
		err = apply_vendor(set);
	if (!err)
		err = add_hyperv(set, kvm_fd);
	if (!err) {
		tsc_khz = kvm_ioctl_val(vm_fd, KVM_GET_TSC_KHZ, 0);
		set->config.nr_cpus = nr_cpus;
		set->config.tsc_khz = tsc_khz > 0 ? (uint32_t)tsc_khz : 0;
		set->config.tsc_deadline =
			kvm_ioctl_val(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
		err = tailor(set);
	}
	if (!err) {
		choose_msrs(set, kvm_fd);
		return 0;
	}
	cpu_set_destroy(set);
	*out = NULL;
	return err;
}

void cpu_set_destroy(struct x86_cpu_set *set)
{
	if (!set)
		return;
	free(set->offered);
	free(set->cpuid);
	free(set);
}

uint64_t cpu_address_end(const struct x86_cpu_set *set)
{
	return cpuid_address_end(set->cpuid);
}

/* KVM before 5.18 reports the frequency only for a vCPU. */
static int read_vcpu_tsc(struct x86_cpu_set *set, int vcpu_fd)
{
	int tsc_khz = kvm_ioctl_val(vcpu_fd, KVM_GET_TSC_KHZ, 0);

	if (tsc_khz <= 0)
		return 0;
	set->config.tsc_khz = (uint32_t)tsc_khz;
	return tailor(set);
}

/* Adds the bit for fast strings to the bits that KVM has already set. */
static void add_misc_enable(struct msrs *batch, int vcpu_fd)
{
	uint64_t now;

	if (!msr_read(vcpu_fd, MSR_IA32_MISC_ENABLE, &now) || now & MISC_ENABLE_FAST_STRINGS)
		return;
	batch->entry[batch->nr++] = (struct kvm_msr_entry){
		.index = MSR_IA32_MISC_ENABLE,
		.data = now | MISC_ENABLE_FAST_STRINGS,
	};
}

/* KVM stops at the first MSR that it refuses. That one keeps its value, and the rest follow. */
static int write_msrs(struct msrs *batch, int vcpu_fd, unsigned int index)
{
	while (batch->nr) {
		int done = msrs_set(vcpu_fd, batch);

		if (done < 0)
			return done;
		if ((uint32_t)done >= batch->nr)
			break;
		pr_debug("vCPU %u: KVM refuses MSR 0x%x = 0x%llx; left unchanged", index,
			 batch->entry[done].index, (unsigned long long)batch->entry[done].data);
		batch->nr -= (uint32_t)done + 1;
		memmove(batch->entry, &batch->entry[done + 1], batch->nr * sizeof(batch->entry[0]));
	}
	return 0;
}

static int set_msrs(const struct x86_cpu_set *set, int vcpu_fd, unsigned int index)
{
	struct msrs batch = { .nr = 0 };

	if (set->mtrr)
		batch.entry[batch.nr++] = (struct kvm_msr_entry){
			.index = MSR_MTRR_DEF_TYPE,
			.data = MTRR_DEF_ENABLED_WRITE_BACK,
		};
	if (set->misc_enable)
		add_misc_enable(&batch, vcpu_fd);
	return write_msrs(&batch, vcpu_fd, index);
}

/*
 * x2APIC specification, 2.4: if there are ids of 255 and more, firmware hands over in x2APIC mode.
 * Otherwise Linux does not use such a CPU.
 */
static int enter_x2apic(int vcpu_fd)
{
	struct kvm_sregs sregs;
	int err = kvm_ioctl(vcpu_fd, KVM_GET_SREGS, &sregs);

	if (err)
		return err;
	sregs.apic_base |= APIC_BASE_EXTD;
	return kvm_ioctl(vcpu_fd, KVM_SET_SREGS, &sregs);
}

int cpu_setup(struct x86_cpu_set *set, int vcpu_fd, unsigned int index)
{
	const char *what = "CPUID (KVM_SET_CPUID2)";
	int err = 0;

	if (!set->config.tsc_khz)
		err = read_vcpu_tsc(set, vcpu_fd);
	if (err)
		return err;
	cpuid_set_apic_id(set->cpuid, cpu_apic_id(index));
	err = kvm_ioctl(vcpu_fd, KVM_SET_CPUID2, set->cpuid);
	if (!err) {
		what = "MSRs (KVM_SET_MSRS)";
		err = set_msrs(set, vcpu_fd, index);
	}
	if (!err && set->config.nr_cpus > MAX_XAPIC_CPUS) {
		what = "local APIC in x2APIC mode (KVM_SET_SREGS)";
		err = enter_x2apic(vcpu_fd);
	}
	if (!err && set->synic) {
		what = "SynIC (KVM_CAP_HYPERV_SYNIC)";
		err = hyperv_enable_synic(vcpu_fd);
	}
	if (err)
		pr_err("vCPU %u: KVM refuses its %s: %s", index, what, strerror(-err));
	return err;
}

static struct kvm_segment flat(uint16_t selector, uint8_t type, bool code64)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.l = code64,
		.db = !code64, /* L and D together are reserved */
	};
}

static struct kvm_segment real(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.base = (uint64_t)selector << 4,
		.limit = 0xffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
	};
}

static void set_data_segments(struct kvm_sregs *sregs, struct kvm_segment data)
{
	sregs->ds = data;
	sregs->es = data;
	sregs->ss = data;
	sregs->fs = data;
	sregs->gs = data;
}

/* VMX requires a task register in every mode, and a busy one; nothing uses it. */
static void set_system_segments(struct kvm_sregs *sregs, uint16_t tr)
{
	sregs->tr = (struct kvm_segment){
		.limit = BOOT_TSS_LIMIT, .selector = tr, .type = SEG_TSS_BUSY, .present = 1
	};
	sregs->ldt = (struct kvm_segment){ .limit = 0xffff, .type = SEG_LDT, .unusable = 1 };
}

static void enter_real(const struct boot_entry *entry, struct kvm_sregs *sregs,
		       struct kvm_regs *regs)
{
	uint16_t paragraph = regs->rip > 0xffff ? (uint16_t)(regs->rip >> 4) : 0;
	bool given = entry->cs || entry->ds;

	sregs->cr0 = CR0_ET;
	sregs->cs = real(given ? entry->cs : paragraph, SEG_CODE);
	set_data_segments(sregs, real(given ? entry->ds : paragraph, SEG_DATA));
	set_system_segments(sregs, 0);
	/* The interrupt vectors are where a PC has them. */
	sregs->idt = (struct kvm_dtable){ .limit = 0x3ff };
	sregs->gdt = (struct kvm_dtable){ .limit = 0 };
	regs->rip -= sregs->cs.base;
}

static void enter_flat(struct kvm_sregs *sregs, bool long64)
{
	/*
	 * NE stays clear: PVH requires all writable bits except PE to be clear, and KVM itself sets
	 * NE where VMX needs it.
	 */
	sregs->cr0 = CR0_PE | CR0_ET | (long64 ? CR0_PG : 0);
	sregs->cr3 = long64 ? BOOT_PML4_GPA : 0;
	sregs->cr4 = long64 ? CR4_PAE : 0;
	sregs->efer = long64 ? EFER_LME | EFER_LMA : 0;
	sregs->cs = flat(BOOT_CS, SEG_CODE, long64);
	set_data_segments(sregs, flat(BOOT_DS, SEG_DATA, false));
	set_system_segments(sregs, BOOT_TR);
	sregs->gdt = (struct kvm_dtable){ .base = BOOT_GDT_GPA, .limit = BOOT_GDT_BYTES - 1 };
	/* The guest cannot take an interrupt or a fault until it has its own table. */
	sregs->idt = (struct kvm_dtable){ .limit = 0 };
}

void cpu_entry_state(const struct boot_entry *entry, struct kvm_sregs *sregs, struct kvm_regs *regs)
{
	*regs = (struct kvm_regs){
		.rip = entry->rip,
		.rsi = entry->rsi,
		.rbx = entry->rbx,
		.rax = entry->rax,
		.rsp = entry->rsp,
		.rflags = RFLAGS_FIXED,
	};
	sregs->cr2 = sregs->cr3 = sregs->cr4 = sregs->cr8 = sregs->efer = 0;
	if (entry->mode == CPU_REAL16)
		enter_real(entry, sregs, regs);
	else
		enter_flat(sregs, entry->mode == CPU_LONG64);
}

int cpu_set_entry(int vcpu_fd, const struct boot_entry *entry)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	int err;

	/* Read first, because this also carries the APIC's base. */
	err = kvm_ioctl(vcpu_fd, KVM_GET_SREGS, &sregs);
	if (!err) {
		cpu_entry_state(entry, &sregs, &regs);
		err = kvm_ioctl(vcpu_fd, KVM_SET_SREGS, &sregs);
	}
	if (!err)
		err = kvm_ioctl(vcpu_fd, KVM_SET_REGS, &regs);
	if (err)
		pr_err("vCPU 0: KVM refuses the registers at entry: %s", strerror(-err));
	return err;
}
