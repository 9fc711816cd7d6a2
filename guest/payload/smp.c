/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Starts the other processors with INIT and two start-up IPIs (MultiProcessor Specification 1.4,
 * B.4), by the APIC ids in the MADT.
 *
 * Each notes its id from CPUID, then halts for good, or crashes.
 */
#include "payload.h"

#define LAPIC_ICR_LOW 0x300
#define LAPIC_ICR_HIGH 0x310
#define ICR_INIT 0x4500
#define ICR_STARTUP 0x4600

extern const uint8_t trampoline[], trampoline_end[];
void ap_main(unsigned int index);

static volatile uint32_t nr_up;
static volatile bool ap_crashes;
static uint32_t ids[MAX_APS];
static volatile uint32_t seen[MAX_APS];

static uint32_t own_apic_id(void)
{
	if (cpuid(0, 0).eax >= 0xb && cpuid(0xb, 0).ebx)
		return cpuid(0xb, 0).edx;
	return cpuid(1, 0).ebx >> 24;
}

static void fall_down(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) empty = { 0, 0 };

	asm volatile("lidt %0; ud2" ::"m"(empty));
}

void ap_main(unsigned int index)
{
	if (ap_crashes)
		fall_down();
	if (index < MAX_APS)
		seen[index] = own_apic_id();
	__atomic_fetch_add(&nr_up, 1, __ATOMIC_SEQ_CST);
}

static void send_ipi(uint32_t apic_id, uint32_t command)
{
	write32(LAPIC_GPA + LAPIC_ICR_HIGH, apic_id << 24);
	write32(LAPIC_GPA + LAPIC_ICR_LOW, command);
}

static void wake(uint32_t apic_id)
{
	send_ipi(apic_id, ICR_INIT);
	delay_us(10000);
	for (int i = 0; i < 2; i++) {
		send_ipi(apic_id, ICR_STARTUP | TRAMPOLINE_GPA >> 12);
		delay_us(200);
	}
}

static unsigned int wake_all(void)
{
	unsigned int n = madt_apic_ids(ids, MAX_APS);
	uint32_t own = own_apic_id();

	irq_setup();
	user_pages();
	memcpy((void *)TRAMPOLINE_GPA, trampoline, (size_t)(trampoline_end - trampoline));
	for (unsigned int i = 0; i < n; i++) {
		if (ids[i] != own)
			wake(ids[i]);
	}
	for (unsigned int ms = 0; ms < 10000 && nr_up + 1 < n; ms++)
		delay_us(1000);
	return n;
}

static bool was_seen(uint32_t id)
{
	for (unsigned int i = 0; i < nr_up; i++) {
		if (seen[i] == id)
			return true;
	}
	return false;
}

/* Argument: the number of CPUs. */
void test_smp(void)
{
	unsigned int n = wake_all(), found = 0;

	for (unsigned int i = 0; i < nr_up; i++)
		print("processor with APIC id %u\n", seen[i]);
	for (unsigned int i = 0; i < n; i++)
		found += was_seen(ids[i]) || ids[i] == own_apic_id();
	check_eq("CPUs in the MADT", n, arg(0, 1));
	check_eq("others that came up", nr_up, n - 1);
	check_eq("ids as in the MADT", found, n);
}

void test_smp_halt(void)
{
	unsigned int n = wake_all();

	print("%u of %u up\n", nr_up + 1, n);
	for (;;)
		asm volatile("cli; hlt");
}

void test_smp_crash(void)
{
	ap_crashes = true;
	wake_all();
	print("not ok: the other processor did not crash\n");
	spin();
}
