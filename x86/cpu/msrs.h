/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads and writes a vCPU's MSRs through KVM, one or a few at once.
 *
 * Thread: the vCPU's own, or any while it does not run.
 */
#ifndef X86_CPU_MSRS_H
#define X86_CPU_MSRS_H

#include "kvm/ioctl.h"
#include "kvm/types.h"

#define MSRS_MAX 5

/* Like struct kvm_msrs, with room for the entries. */
struct msrs {
	uint32_t nr, pad;
	struct kvm_msr_entry entry[MSRS_MAX];
};
_Static_assert(offsetof(struct msrs, entry) == sizeof(struct kvm_msrs), "as in struct kvm_msrs");

/* Both return how many MSRs KVM took, counted from the first, or -errno. */
static inline int msrs_get(int vcpu_fd, struct msrs *msrs)
{
	return kvm_ioctl(vcpu_fd, KVM_GET_MSRS, (struct kvm_msrs *)(void *)msrs);
}

static inline int msrs_set(int vcpu_fd, struct msrs *msrs)
{
	return kvm_ioctl(vcpu_fd, KVM_SET_MSRS, (struct kvm_msrs *)(void *)msrs);
}

/* Both return whether KVM took the MSR. */
static inline bool msr_read(int vcpu_fd, uint32_t index, uint64_t *value)
{
	struct msrs msr = { .nr = 1, .entry = { { .index = index } } };
	bool read = msrs_get(vcpu_fd, &msr) == 1;

	*value = read ? msr.entry[0].data : 0;
	return read;
}

static inline bool msr_write(int vcpu_fd, uint32_t index, uint64_t value)
{
	struct msrs msr = { .nr = 1, .entry = { { .index = index, .data = value } } };

	return msrs_set(vcpu_fd, &msr) == 1;
}

#endif
