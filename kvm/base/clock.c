/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the clock by which the launcher measures time, in nanoseconds. */
#include "kvm/clock.h"

#include <time.h>

#define NS_PER_S 1000000000ULL

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}
