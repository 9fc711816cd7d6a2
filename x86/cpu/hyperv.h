/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Hyper-V interface for guests, which --cpuid's words hyperv and hv-* request: its CPUID
 * leaves, and the parts that KVM must turn on.
 *
 * Hypervisor Top Level Functional Specification (TLFS); for KVM's part the kernel's
 * Documentation/virt/kvm/api.rst. @changes is a text that has passed cpuid_check_changes(), or
 * NULL.
 */
#ifndef X86_CPU_HYPERV_H
#define X86_CPU_HYPERV_H

#include "kvm/types.h"

#include <linux/kvm.h>
#include <stdio.h>

#define HYPERV_LEAVES 6 /* the number of leaves that it adds */

/* Whether @name, of @len characters, is a word of this interface for --cpuid. Pure. */
bool hyperv_knows(const char *name, size_t len);
/* The @n'th word of this interface, for help's list; NULL after the last. Pure. */
const char *hyperv_word(unsigned int n);

/* Whether the machine has this interface; whether it has a SynIC. Pure. */
bool hyperv_wanted(const char *changes);
bool hyperv_wants_synic(const char *changes, const struct kvm_cpuid2 *offered);

/*
 * Adds the interface to KVM's list @cpuid before it is tailored: Hyper-V's leaves at 0x40000000,
 * KVM's own at 0x40000100. @offered is the result of hyperv_supported(). @cap is the number of
 * entries for which there is room. Returns 0, -ENOSPC, or -EOPNOTSUPP (reported) for a word that
 * @offered does not have. Pure.
 */
int hyperv_cpuid(struct kvm_cpuid2 *cpuid, unsigned int cap, const struct kvm_cpuid2 *offered,
		 const char *changes);

/*
 * Reads KVM_GET_SUPPORTED_HV_CPUID; the caller frees the list. Returns NULL on failure (reported).
 */
struct kvm_cpuid2 *hyperv_supported(int kvm_fd);
/* Gives a vCPU its SynIC, after its CPUID. Returns 0, or -errno. */
int hyperv_enable_synic(int vcpu_fd);

#endif
