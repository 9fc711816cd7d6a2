/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the clock by which the launcher measures time. */
#ifndef KVM_CLOCK_H
#define KVM_CLOCK_H

#include "kvm/types.h"

/* Returns CLOCK_MONOTONIC in nanoseconds. Thread: any. */
uint64_t now_ns(void);

#endif
