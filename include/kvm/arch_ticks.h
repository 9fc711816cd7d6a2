/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the processor's clock, inline: the one hook of an architecture that must cost nothing.
 * struct arch's ticks_khz() returns its frequency.
 */
#ifndef KVM_ARCH_TICKS_H
#define KVM_ARCH_TICKS_H

#include "kvm/types.h"

/* The clock goes on while the guest sleeps, and is the same on all of the host's processors. */
static inline uint64_t arch_ticks(void)
{
	return __builtin_ia32_rdtsc();
}

#endif
