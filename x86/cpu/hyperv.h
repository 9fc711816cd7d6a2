/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Hyper-V interface, which --cpuid's words hyperv and hv-* ask for: its CPUID leaves and what
 * KVM must be told of it (Hypervisor Top Level Functional Specification, TLFS; KVM's part is the
 * kernel's Documentation/virt/kvm/api.rst). @changes is a text that cpuid_check_changes() has
 * passed, or NULL.
 */
#ifndef X86_CPU_HYPERV_H
#define X86_CPU_HYPERV_H

#include "kvm/types.h"

#include <linux/kvm.h>
#include <stdio.h>

#define HYPERV_LEAVES 6 /* that it adds */

/* Whether --cpuid knows @name, of @len characters, as a word of this interface. Pure. */
bool hyperv_knows(const char *name, size_t len);
/* A word of it by number, for help's list; NULL: no more. Pure. */
const char *hyperv_word(unsigned int n);

/* Whether there is to be such an interface; whether it has a SynIC. Pure. */
bool hyperv_wanted(const char *changes);
bool hyperv_wants_synic(const char *changes, const struct kvm_cpuid2 *offered);

/*
 * Puts the interface into KVM's list @cpuid, before that is tailored: Hyper-V's leaves at
 * 0x40000000, KVM's own at 0x40000100. @offered is what KVM_GET_SUPPORTED_HV_CPUID says. @cap is
 * how many entries there is room for. Pure. Returns 0, -ENOSPC, or -EOPNOTSUPP having said which
 * word @offered has not.
 */
int hyperv_cpuid(struct kvm_cpuid2 *cpuid, unsigned int cap, const struct kvm_cpuid2 *offered,
		 const char *changes);

/* KVM_GET_SUPPORTED_HV_CPUID; the caller frees. NULL (reported). */
struct kvm_cpuid2 *hyperv_supported(int kvm_fd);
/* Gives a vCPU its SynIC, after its CPUID. Returns 0 or -errno. */
int hyperv_enable_synic(int vcpu_fd);

#endif
