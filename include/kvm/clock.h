/* SPDX-License-Identifier: GPL-2.0-only */
/* Tells the time that the launcher measures by. */
#ifndef KVM_CLOCK_H
#define KVM_CLOCK_H

#include "kvm/types.h"

/* Nanoseconds of CLOCK_MONOTONIC. Any thread. */
uint64_t now_ns(void);

#endif
