/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests what --testdev adds: the test device's ports and memory, fw_cfg, the PM timer, and sleep
 * with a wake-up through real mode.
 */
#include "payload.h"

#define SCRATCH_PORT 0xe0
#define FLUSH_PORT 0xe4
#define IRQ_PORT 0x2000
#define FW_CFG_SELECT 0x510
#define FW_CFG_DATA 0x511
#define FW_CFG_RAM_BYTES 3
#define FW_CFG_NR_CPUS 5
#define MMIO_GPA 0xff000000UL
#define MMIO_BYTES 0x10000
#define GSI_FREE 22

/* Offsets in the FADT and the FACS. */
#define FADT_FACS 36
#define FADT_PM1_EVENT 56
#define FADT_PM1_CONTROL 64
#define FADT_PM_TIMER 76
#define FACS_WAKING_VECTOR 12

#define PM_TIMER_KHZ 3579
#define PM_TIMER_MASK 0xffffff
#define PM1_RTC 0x400
#define PM1_S3_NOW 0x2400 /* SLP_EN, sleep type 1 */
#define RESUME_GPA 0x1000

static volatile uint32_t irqs;

static void on_line(void)
{
	irqs++;
}

static void check_scratch(void)
{
	uint32_t out[] = { 0x11111111, 0x89abcdef }, in[3] = { 0 };
	const void *from = out;
	void *to = in;
	size_t n = ARRAY_SIZE(out);

	outl(SCRATCH_PORT, 0x12345678);
	check_eq("scratch byte", inb(SCRATCH_PORT), 0x78);
	outw(SCRATCH_PORT + 2, 0xbeef);
	check_eq("scratch double word", inl(SCRATCH_PORT), 0xbeef5678);
	asm volatile("rep outsl" : "+S"(from), "+c"(n) : "d"(SCRATCH_PORT) : "memory");
	n = ARRAY_SIZE(in);
	asm volatile("rep insl" : "+D"(to), "+c"(n) : "d"(SCRATCH_PORT) : "memory");
	check("scratch by strings: the last one stays", in[0] == out[1] && in[2] == out[1]);
}

static void check_memory(void)
{
	static volatile uint64_t word = 0x0123456789abcdef;

	outl(FLUSH_PORT, (uint32_t)(uintptr_t)&word);
	check_eq("a flushed page keeps its content", word, 0x0123456789abcdef);
	outl(FLUSH_PORT, 0xfffff000); /* no page at all */
	write32(MMIO_GPA, 0x11223344);
	write32(MMIO_GPA + 4, 0x55667788);
	write32(MMIO_GPA + MMIO_BYTES - 4, 0xa5a5a5a5);
	check_eq("MMIO RAM", read64(MMIO_GPA), 0x5566778811223344);
	check_eq("MMIO RAM: byte", read8(MMIO_GPA + 5), 0x77);
	check_eq("MMIO RAM: its end", read16(MMIO_GPA + MMIO_BYTES - 2), 0xa5a5);
}

static uint64_t fw_cfg(uint16_t key, unsigned int bytes)
{
	uint64_t value = 0;

	outw(FW_CFG_SELECT, key);
	for (unsigned int i = 0; i < bytes; i++)
		value |= (uint64_t)inb(FW_CFG_DATA) << (8 * i);
	return value;
}

static void check_lines(void)
{
	irq_setup();
	irq_route(GSI_FREE, false, on_line);
	outb(IRQ_PORT + GSI_FREE, 1);
	check("GSI up", wait_count(&irqs, 1, 5000));
	outb(IRQ_PORT + GSI_FREE, 1);
	outb(IRQ_PORT + GSI_FREE, 0);
	outb(IRQ_PORT + GSI_FREE, 1);
	check("GSI up again", wait_count(&irqs, 2, 5000));
	check_eq("no more often than that", irqs, 2);
}

static uint16_t fadt_port(unsigned int offset)
{
	const uint8_t *fadt = acpi_table("FACP");

	return fadt ? (uint16_t)(fadt[offset] | fadt[offset + 1] << 8) : 0;
}

static void check_pm_timer(void)
{
	uint16_t port = fadt_port(FADT_PM_TIMER);
	uint32_t first = inl(port), ticks;

	delay_us(20000);
	ticks = (inl(port) - first) & PM_TIMER_MASK;
	print("20 ms are %u ticks\n", ticks);
	check("PM timer", port && ticks >= 18 * PM_TIMER_KHZ && ticks < 2000 * PM_TIMER_KHZ);
}

/* Arguments: CPUs, MiB. */
void test_testdev(void)
{
	check_scratch();
	check_memory();
	check_eq("fw_cfg: CPUs", fw_cfg(FW_CFG_NR_CPUS, 2), arg(0, 1));
	check_eq("fw_cfg: RAM", fw_cfg(FW_CFG_RAM_BYTES, 8), arg(1, 0) << 20);
	check_eq("fw_cfg: after an item", inb(FW_CFG_DATA), 0);
	check_eq("fw_cfg: anything else", fw_cfg(0, 4), 0);
	check_pm_timer();
	check_lines();
}

/*
 * Sleeps until the clock's alarm in the next second. Argument: 0 for no alarm. The wake-up code
 * waits for the timer through the interrupt vectors and 8259s as firmware left them, and ends the
 * machine with debug exit 21.
 */
void test_s3(void)
{
	static const uint8_t resume[] = {
		0xfb,	    /* sti */
		0xf4,	    /* hlt */
		0xb0, 21,   /* movb $21, %al */
		0xe6, 0xf4, /* outb %al, $0xf4 */
		0xeb, 0xfe, /* jmp . */
	};
	uint32_t facs = 0, vector = RESUME_GPA;
	const uint8_t *fadt = acpi_table("FACP");

	memcpy(&facs, fadt + FADT_FACS, sizeof(facs));
	check("FACS", facs && !memcmp((void *)(uintptr_t)facs, "FACS", 4));
	memcpy((void *)(uintptr_t)(facs + FACS_WAKING_VECTOR), &vector, sizeof(vector));
	memcpy((void *)RESUME_GPA, resume, sizeof(resume));
	for (uint8_t alarm = 1; alarm <= 5; alarm += 2) {
		outb(0x70, alarm);
		outb(0x71, 0xc0); /* any */
	}
	outb(0x70, 0x0b);
	outb(0x71, arg(0, 1) ? 0x22 : 0x02); /* alarm interrupt (or not), 24 hours */
	outw(fadt_port(FADT_PM1_EVENT) + 2, PM1_RTC);
	print("good night\n");
	outw(fadt_port(FADT_PM1_CONTROL), PM1_S3_NOW);
	print("this is not printed\n");
}
