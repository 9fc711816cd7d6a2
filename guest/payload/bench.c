/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs loops of exits to measure their cost: bench,KIND,N[,1].
 *
 * The last argument runs the loop at CPL 3, which a KVM that emulates ring 0 runs natively. Prints
 * time stamp counts; the cost of an exit is the slope between two values of N.
 */
#include "payload.h"

static void loop_nothing(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		asm volatile("");
}

static void loop_in(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		inb(0x80);
}

static void loop_out(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		outb(0x80, (uint8_t)i);
}

static void loop_mmio(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		read32(0xd8000000);
}

static void loop_console(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		while (!(inb(COM1 + 5) & 0x20))
			;
		outb(COM1, i % 64 == 63 ? '\n' : '.');
	}
}

static const struct {
	const char *name;
	void (*loop)(uint64_t n);
} kinds[] = {
	{ "nothing", loop_nothing }, { "in", loop_in },		  { "out", loop_out },
	{ "mmio", loop_mmio },	     { "console", loop_console },
};

void test_bench(void)
{
	uint64_t kind = arg(0, 0), n = arg(1, 1000), start, end;

	if (kind >= ARRAY_SIZE(kinds)) {
		print("not ok: kinds are 0 to %llu\n", (unsigned long long)ARRAY_SIZE(kinds) - 1);
		return;
	}
	irq_setup();
	user_pages();
	start = rdtsc();
	if (arg(2, 0))
		run_at_cpl3(kinds[kind].loop, n);
	else
		kinds[kind].loop(n);
	end = rdtsc();
	print("\nbench %s n %llu cpl %u tsc %llu khz %llu\n", kinds[kind].name,
	      (unsigned long long)n, arg(2, 0) ? 3 : 0, (unsigned long long)(end - start),
	      (unsigned long long)tsc_khz());
}
