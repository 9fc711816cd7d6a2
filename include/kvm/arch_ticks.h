/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one hook that must cost nothing: the processor's own clock, read in line. arch_ticks_khz() in
 * arch.h says how fast it runs.
 */
#ifndef KVM_ARCH_TICKS_H
#define KVM_ARCH_TICKS_H

#include "kvm/types.h"

/* Goes on while the guest sleeps, and is the same on all of the host's processors. */
static inline uint64_t arch_ticks(void)
{
	return __builtin_ia32_rdtsc();
}

#endif
