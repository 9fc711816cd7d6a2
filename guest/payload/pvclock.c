/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests that KVM's clock tells the guest when the guest was stopped from outside. */
#include "payload.h"

#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01
#define CLOCK_ON 1
#define GUEST_STOPPED 2
#define LIMIT_US 30000000ULL

/* Documentation/virt/kvm/x86/msr.rst. */
static volatile struct {
	uint32_t version, pad;
	uint64_t tsc_timestamp, system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags;
	uint8_t pad2[2];
} clock __attribute__((aligned(64)));

static bool was_stopped(void)
{
	uint64_t end = rdtsc() + tsc_khz() * (LIMIT_US / 1000);

	while (!(clock.flags & GUEST_STOPPED) && rdtsc() < end)
		asm volatile("pause");
	return clock.flags & GUEST_STOPPED;
}

/* Waits for a stop, then runs on without a word. Argument: for how many milliseconds. */
void test_stopped(void)
{
	wrmsr(MSR_KVM_SYSTEM_TIME_NEW, (uintptr_t)&clock | CLOCK_ON);
	print("ready\n");
	check("the clock says that the guest was stopped", was_stopped());
	clock.flags = 0;
	delay_us(arg(0, 0) * 1000);
}
