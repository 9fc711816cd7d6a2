/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the i8254 in the way kernels calibrate with it: channel 2 counts down once while its gate
 * is high, and port 0x61 shows its output.
 */
#include "payload.h"

#define PIT_HZ 1193182ULL
#define PORT_COUNTER2 0x42
#define PORT_CONTROL 0x43
#define PORT_61 0x61
#define GATE 0x01
#define SPEAKER 0x02
#define OUTPUT 0x20
#define REFRESH 0x10
#define CHANNEL2_BOTH_BYTES_ONCE 0xb0

/*
 * Counts @us and reports how long that took. This guest's very first access to the timer is the
 * control word or the gate.
 */
static uint64_t one_shot_us(uint64_t us)
{
	uint64_t count = PIT_HZ * us / 1000000, khz = tsc_khz(), start;

	outb(PORT_61, (uint8_t)((inb(PORT_61) & ~SPEAKER) | GATE));
	outb(PORT_CONTROL, CHANNEL2_BOTH_BYTES_ONCE);
	outb(PORT_COUNTER2, (uint8_t)count);
	outb(PORT_COUNTER2, (uint8_t)(count >> 8));
	start = rdtsc();
	while (!(inb(PORT_61) & OUTPUT)) {
		if ((rdtsc() - start) / khz > 10 * us / 1000)
			break;
	}
	return (rdtsc() - start) * 1000 / khz;
}

void test_pit(void)
{
	uint64_t us;

	if (arg(0, 0))
		outb(PORT_CONTROL, CHANNEL2_BOTH_BYTES_ONCE); /* the first access is a write */
	us = one_shot_us(20000);
	print("20000 us took %llu\n", (unsigned long long)us);
	check("one shot", us >= 19000 && us < 100000);
	us = one_shot_us(40000);
	check("another", us >= 38000 && us < 100000);
}

void test_refresh(void)
{
	uint8_t first = inb(PORT_61);
	unsigned int turns = 0;

	while (((inb(PORT_61) ^ first) & REFRESH) == 0 && turns < 100000)
		turns++;
	check("refresh toggles", turns < 100000);
}
