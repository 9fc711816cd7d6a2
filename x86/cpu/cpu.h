/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vCPU state: CPUID, MSRs, the registers at the first instruction, and their printed form.
 */
#ifndef X86_CPU_CPU_H
#define X86_CPU_CPU_H

#include "boot_entry.h"
#include "kvm/gmem.h"
#include "kvm/types.h"

#include <linux/kvm.h>
#include <stdio.h>

/* What cpuid_tailor() needs besides KVM's list. */
struct cpuid_config {
	unsigned int nr_cpus;
	uint32_t apic_id;  /* of this vCPU */
	uint32_t tsc_khz;  /* 0: unknown, no frequency leaves */
	bool tsc_deadline; /* KVM_CAP_TSC_DEADLINE_TIMER */
	bool hyperv;	   /* 0x40000000.. is Hyper-V's: no frequency leaf there */
};

/* The list's entry of a leaf and its subleaf @index, or NULL. Pure. */
struct kvm_cpuid_entry2 *cpuid_find(const struct kvm_cpuid2 *cpuid, uint32_t function,
				    uint32_t index);

/* APIC id of vCPU @index: contiguous, one package, one thread a core. */
uint32_t cpu_apic_id(unsigned int index);

/*
 * Turns KVM_GET_SUPPORTED_CPUID's list into one vCPU's: APIC id, topology (1, 4, 0xB, 0x1F,
 * 0x80000008, 0x8000001D/E), hypervisor and frequency leaves (0x40000000.., 0x40000010, 0x15).
 * Leaves of nothing but zeros are left out, which the guest cannot tell. Pure; tailoring a tailored
 * list again is fine. @cap is how many entries @cpuid has room for; returns 0 or -ENOSPC (then the
 * list is of no use): CPUID_ADDED_MAX more than KVM gave is always enough.
 */
#define CPUID_ADDED_MAX 8
int cpuid_tailor(struct kvm_cpuid2 *cpuid, unsigned int cap, const struct cpuid_config *config);

/* Makes a tailored list another vCPU's of the same machine. Pure. */
void cpuid_set_apic_id(struct kvm_cpuid2 *cpuid, uint32_t apic_id);

/*
 * --cpuid's list, cpuid_changes.c: "+FEATURE,-FEATURE,vendor=NAME". Returns 0, or -EINVAL having
 * said why. The functions below take a list that has passed, or NULL for no change.
 */
int cpuid_check_changes(const char *changes);
/* On KVM's list, before it is tailored: by the vendor is decided whose leaves there are. */
void cpuid_change_vendor(struct kvm_cpuid2 *cpuid, const char *changes);
/*
 * On the tailored list. Returns 0, or -EOPNOTSUPP having said which feature neither it nor
 * @offered, KVM's own, has. Doing it again is fine.
 */
int cpuid_change_features(struct kvm_cpuid2 *cpuid, struct kvm_cpuid2 *offered,
			  const char *changes);
/* What there is to change, in lines for people. */
void cpuid_list_features(FILE *f);

struct x86_cpu_set; /* what all vCPUs share: their CPUID and MSRs; read from KVM once a machine */

/*
 * Reads what KVM offers, and changes it by @cpuid_changes (NULL: not at all; outlives the set).
 * Before the first vCPU is created, because it tells KVM how wide APIC ids are. Returns 0 or -errno
 * having said why.
 */
int cpu_set_create(struct x86_cpu_set **out, int kvm_fd, int vm_fd, unsigned int nr_cpus,
		   const char *cpuid_changes);
void cpu_set_destroy(struct x86_cpu_set *set);

/*
 * Sets CPUID (first) and MSRs. Each vCPU, before it runs; calls for one set must not overlap.
 * Returns 0 or -errno having said why; an MSR that KVM refuses is a pr_debug line, not a failure.
 */
int cpu_setup(struct x86_cpu_set *set, int vcpu_fd, unsigned int index);

/*
 * The boot processor's registers for @entry. Segment state passes VMX entry checks too. CPU_REAL16:
 * @entry->rip is linear and below 1 MiB; CS is @entry->cs and all other segments @entry->ds, or,
 * when both are 0, all are rip's own paragraph, or 0 where it lies in the first 64 KiB. Returns 0
 * or -errno having said why.
 */
int cpu_set_entry(int vcpu_fd, const struct boot_entry *entry);

/* The pure half of cpu_set_entry(): @sregs holds KVM's reset state and becomes the entry's. */
void cpu_entry_state(const struct boot_entry *entry, struct kvm_sregs *sregs,
		     struct kvm_regs *regs);

/* What KVM tells of a vCPU. */
struct cpu_state {
	unsigned int index;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_vcpu_events events;
	/* MSR_LSTAR: where Linux's system calls enter; 0: not set, or not told */
	uint64_t lstar;
	uint32_t mp_state; /* KVM_MP_STATE_ */
	bool has_lapic;
	struct kvm_lapic_state lapic;
};

/*
 * Asks KVM. On the vCPU's own thread, or when it does not run. @lapic: with the local APIC. Returns
 * 0 or -errno; what only some KVMs tell is left zero.
 */
int cpu_gather(struct cpu_state *s, int vcpu_fd, unsigned int index, bool lapic);
/* See cpu_state.lstar. On the vCPU's own thread, or when it does not run. */
uint64_t cpu_read_lstar(int vcpu_fd);
/*
 * The next instruction's address, without the code segment's base; 0: not told. On the vCPU's own
 * thread.
 */
uint64_t cpu_read_rip(int vcpu_fd);

/*
 * Prints mode, registers, control registers, segments, descriptor tables, local APIC, pending
 * events. Pure.
 */
void cpu_print(FILE *f, const struct cpu_state *s);

/* "64-bit mode"; and whether code is 64 bits wide, whether anything is protected. */
const char *cpu_mode_name(const struct cpu_state *s);
bool cpu_in_64bit(const struct cpu_state *s);
/* "#PF"; "vector 0x31" for an interrupt. @buf holds it where it must be made. */
const char *cpu_vector_name(unsigned int vector, char *buf, size_t n);
/* Where RIP points, with the code segment's base. */
uint64_t cpu_linear_rip(const struct cpu_state *s);
uint64_t cpu_linear_rsp(const struct cpu_state *s);

/*
 * One line on why KVM_RUN came back with an exit that ends a machine (failed entry, internal error,
 * shutdown, anything unknown). Pure. Cut to fit @n.
 */
void cpu_exit_text(const struct kvm_run *run, char *buf, size_t n);

#endif
