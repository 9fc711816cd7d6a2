/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets and prints a vCPU's state: CPUID, MSRs, and the registers at the first instruction.
 */
#ifndef X86_CPU_CPU_H
#define X86_CPU_CPU_H

#include "boot_entry.h"
#include "kvm/gmem.h"
#include "kvm/types.h"

#include <linux/kvm.h>
#include <stdio.h>

/* What cpuid_tailor() needs in addition to KVM's list. */
struct cpuid_config {
	unsigned int nr_cpus;
	uint32_t apic_id;  /* of this vCPU */
	uint32_t tsc_khz;  /* 0: unknown, no frequency leaves */
	bool tsc_deadline; /* KVM_CAP_TSC_DEADLINE_TIMER */
	bool hyperv;	   /* Hyper-V's leaves are at 0x40000000: no frequency leaf */
};

/* The list's entry for a leaf and its subleaf @index, or NULL. Pure. */
struct kvm_cpuid_entry2 *cpuid_find(const struct kvm_cpuid2 *cpuid, uint32_t function,
				    uint32_t index);

/*
 * Whether KVM's list has AMX without the state of its tiles, because the process has not asked for
 * the permission (arch_prctl). Pure.
 */
bool cpuid_lacks_tiles(const struct kvm_cpuid2 *cpuid);

/* The APIC id of vCPU @index: contiguous, one package, one thread per core. */
uint32_t cpu_apic_id(unsigned int index);

/*
 * Turns KVM_GET_SUPPORTED_CPUID's list into one vCPU's: APIC id, topology (1, 4, 0xB, 0x1F,
 * 0x80000008, 0x8000001D/E), hypervisor and frequency leaves (0x40000000.., 0x40000010, 0x15).
 * Leaves that are all zeros are left out; the guest sees no difference. @cap is the number of
 * entries for which @cpuid has room; CPUID_ADDED_MAX more than KVM gave is always enough. Returns
 * 0, or -ENOSPC (then the list is not valid). Pure; a tailored list may be tailored again.
 */
#define CPUID_ADDED_MAX 8
int cpuid_tailor(struct kvm_cpuid2 *cpuid, unsigned int cap, const struct cpuid_config *config);

/* Returns where the guest's physical addresses end (CPUID 0x80000008). Pure. */
uint64_t cpuid_address_end(const struct kvm_cpuid2 *cpuid);

/* Turns a tailored list into that of another vCPU of the same machine. Pure. */
void cpuid_set_apic_id(struct kvm_cpuid2 *cpuid, uint32_t apic_id);

/*
 * cpuid_changes.c: checks --cpuid's list, "+FEATURE,-FEATURE,vendor=NAME". Returns 0, or -EINVAL
 * (reported). The functions below take a list that has passed, or NULL for no change.
 */
int cpuid_check_changes(const char *changes);
/* Changes KVM's list before it is tailored, since the vendor decides which leaves exist. */
void cpuid_change_vendor(struct kvm_cpuid2 *cpuid, const char *changes);
/*
 * Changes the tailored list. Returns 0, or -EOPNOTSUPP (reported) for a feature that neither it nor
 * @offered, KVM's own list, has. May be repeated.
 */
int cpuid_change_features(struct kvm_cpuid2 *cpuid, struct kvm_cpuid2 *offered,
			  const char *changes);
/* Prints the features that --cpuid can change. */
void cpuid_list_features(FILE *f);

struct x86_cpu_set; /* what all vCPUs share, CPUID and MSRs; read from KVM once per machine */

/*
 * Reads what KVM offers, and changes it by @cpuid_changes (NULL: no change; must outlive the set).
 * Call it before the first vCPU is created, because it sets the width of KVM's APIC ids. Returns 0,
 * or -errno (reported). Thread: setup.
 */
int cpu_set_create(struct x86_cpu_set **out, int kvm_fd, int vm_fd, unsigned int nr_cpus,
		   const char *cpuid_changes);
void cpu_set_destroy(struct x86_cpu_set *set);
/* Returns where the guest's physical addresses end. */
uint64_t cpu_address_end(const struct x86_cpu_set *set);

/*
 * Sets CPUID (first) and MSRs of one vCPU, before it runs. Calls for one set must not overlap.
 * Returns 0, or -errno (reported); an MSR that KVM refuses is only a pr_debug line.
 */
int cpu_setup(struct x86_cpu_set *set, int vcpu_fd, unsigned int index);

/*
 * Sets the boot processor's registers for @entry. Segment state passes VMX entry checks too.
 * Returns 0, or -errno (reported).
 *
 * CPU_REAL16: @entry->rip is linear and below 1 MiB. CS is @entry->cs, and all other segments are
 * @entry->ds. If both are 0, all segments are rip's own paragraph, or 0 if rip lies in the first 64
 * KiB.
 */
int cpu_set_entry(int vcpu_fd, const struct boot_entry *entry);

/* The pure half of cpu_set_entry(): turns @sregs, KVM's reset state, into the entry's state. */
void cpu_entry_state(const struct boot_entry *entry, struct kvm_sregs *sregs,
		     struct kvm_regs *regs);

/* A vCPU's state as KVM reports it. */
struct cpu_state {
	unsigned int index;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_vcpu_events events;
	/* MSR_LSTAR, the entry of Linux's system calls; 0: not set, or not known */
	uint64_t lstar;
	uint32_t mp_state; /* KVM_MP_STATE_ */
	bool has_lapic;
	struct kvm_lapic_state lapic;
};

/*
 * Reads the state from KVM. @lapic: also the local APIC. State that this KVM does not report is
 * zero. Returns 0, or -errno. Thread: the vCPU's own, or any while it does not run.
 */
int cpu_gather(struct cpu_state *s, int vcpu_fd, unsigned int index, bool lapic);
/* Reads cpu_state.lstar. Thread: the vCPU's own, or any while it does not run. */
uint64_t cpu_read_lstar(int vcpu_fd);
/*
 * The next instruction's address, without the code segment's base; 0 if it is not known. Thread:
 * the vCPU's own.
 */
uint64_t cpu_read_rip(int vcpu_fd);

/*
 * Prints mode, registers, control registers, segments, descriptor tables, local APIC, and pending
 * events. Pure.
 */
void cpu_print(FILE *f, const struct cpu_state *s);

/* "64-bit mode", for example; whether code is 64 bits wide. */
const char *cpu_mode_name(const struct cpu_state *s);
bool cpu_in_64bit(const struct cpu_state *s);
/* "#PF", or "vector 0x31" for an interrupt. @buf has room for a name that must be made. */
const char *cpu_vector_name(unsigned int vector, char *buf, size_t n);
/* The linear address in RIP, with the code segment's base; in RSP, with the stack segment's. */
uint64_t cpu_linear_rip(const struct cpu_state *s);
uint64_t cpu_linear_rsp(const struct cpu_state *s);

/*
 * Writes one line on why KVM_RUN returned with an exit that ends a machine (failed entry, internal
 * error, shutdown, anything unknown), cut to fit @n. Pure.
 */
void cpu_exit_text(const struct kvm_run *run, char *buf, size_t n);

#endif
