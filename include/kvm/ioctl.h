/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Wraps KVM's ioctls: checks the argument's size at compile time, and returns -errno. Only
 * vcpu_run() also calls ioctl(2) on a KVM descriptor.
 */
#ifndef KVM_IOCTL_H
#define KVM_IOCTL_H

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#define KVM_DEVICE "/dev/kvm"

static inline int kvm_ioctl_raw(int fd, unsigned long request, unsigned long arg)
{
	int r;

	do {
		r = ioctl(fd, request, arg);
	} while (r < 0 && errno == EINTR && request != KVM_RUN);
	return r < 0 ? -errno : r;
}

/*
 * kvm_ioctl(fd, KVM_SET_REGS, &regs): sizeof(*arg) must be the size that the request encodes
 * (variable-sized ones encode that of their head).
 */
#define kvm_ioctl(fd, request, arg)                                                                \
	({                                                                                         \
		_Static_assert(_IOC_SIZE(request) == sizeof(*(arg)),                               \
			       #request ": argument of another size");                             \
		kvm_ioctl_raw(fd, request, (unsigned long)(arg));                                  \
	})

/* For requests that take a number: KVM_CREATE_VM, KVM_CHECK_EXTENSION, KVM_CREATE_VCPU, KVM_RUN. */
#define kvm_ioctl_val(fd, request, value)                                                          \
	({                                                                                         \
		_Static_assert(_IOC_SIZE(request) == 0, #request ": takes a pointer");             \
		kvm_ioctl_raw(fd, request, (unsigned long)(value));                                \
	})

#endif
