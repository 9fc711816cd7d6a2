/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests accesses that no device takes, accesses wider than the device, and string accesses. */
#include "payload.h"

#define NOWHERE_PORT 0x1230
#define NOWHERE_GPA 0xd8000000UL

static void check_nothing(void)
{
	check_eq("port byte", inb(NOWHERE_PORT), 0xff);
	check_eq("port word", inw(NOWHERE_PORT), 0xffff);
	check_eq("port double word", inl(NOWHERE_PORT), 0xffffffff);
	outb(NOWHERE_PORT, 1);
	outl(NOWHERE_PORT, 1);
	check_eq("last port", inb(0xffff), 0xff);
	check_eq("MMIO byte", read8(NOWHERE_GPA), 0xff);
	check_eq("MMIO word", read16(NOWHERE_GPA + 2), 0xffff);
	check_eq("MMIO double word", read32(NOWHERE_GPA + 4), 0xffffffff);
	check_eq("MMIO quad word", read64(NOWHERE_GPA + 8), ~0ULL);
	write32(NOWHERE_GPA, 0);
	check_eq("MMIO after a write", read32(NOWHERE_GPA), 0xffffffff);
}

static void check_wide(void)
{
	unsigned int word;

	outb(COM1 + 7, 0x5a);
	word = inw(COM1 + 6);
	check_eq("word over two registers", word >> 8, 0x5a);
	outw(COM1 + 6, 0xa500);
	check_eq("word write reaches the second", inb(COM1 + 7), 0xa5);
	check_eq("double word over four registers", inl(COM1 + 4) >> 24, 0xa5);
	outb(0x70, 0x0d);
	check_eq("clock by word", inw(0x70), 0x80ff);
	outl(0xcf8, 0x80000000);
	check_eq("PCI probe finds nothing", inl(0xcf8), 0xffffffff);
	check_eq("PCI data", inl(0xcfc), 0xffffffff);
}

static void check_strings(void)
{
	static const char text[] = "rep outsb: 40 bytes by one instruction.\n";
	const char *from = text;
	uint8_t into[64];
	void *to = into;
	size_t n = sizeof(text) - 1;
	bool good = true;

	outb(0x80, 0);
	asm volatile("rep outsb" : "+S"(from), "+c"(n) : "d"(COM1) : "memory");
	outb(COM1 + 7, 0x3c);
	n = sizeof(into);
	asm volatile("rep insb" : "+D"(to), "+c"(n) : "d"(COM1 + 7) : "memory");
	for (unsigned int i = 0; i < sizeof(into); i++)
		good = good && into[i] == 0x3c;
	check("rep insb", good);
	n = sizeof(into) / 4;
	to = into;
	asm volatile("rep insl" : "+D"(to), "+c"(n) : "d"(NOWHERE_PORT) : "memory");
	check_eq("rep insl without a device", sum_bytes(into, sizeof(into)), 0xff * sizeof(into));
}

void test_bus(void)
{
	check_nothing();
	check_wide();
	check_strings();
}
