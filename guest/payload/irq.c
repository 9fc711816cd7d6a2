/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets up interrupts and CPL 3 for the tests: an IDT of 64 vectors, the local APIC, the I/O APIC,
 * and a TSS for the way back.
 *
 * Pin n of the I/O APIC raises vector 0x20 + n on this processor. Handlers run with interrupts off;
 * the end of interrupt is sent after them.
 */
#include "payload.h"

#define IA32_APIC_BASE 0x1b
#define LAPIC_EOI 0xb0
#define LAPIC_SPURIOUS 0xf0
#define IOAPIC_SELECT (IOAPIC_GPA + 0x00)
#define IOAPIC_WINDOW (IOAPIC_GPA + 0x10)
#define REDIRECTION(pin) (0x10 + 2 * (pin))
#define REDIRECT_NMI 0x400
#define REDIRECT_LEVEL (1U << 15)
#define NR_PINS 24

/* The frame that irq_entry.S pushes. */
struct frame {
	uint64_t r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

struct gate {
	uint16_t offset_0;
	uint16_t selector;
	uint16_t flags;
	uint16_t offset_16;
	uint32_t offset_32;
	uint32_t reserved;
};

#define GATE_INTERRUPT 0x8e00

static struct gate idt[NR_VECTORS];
/*
 * Its permission map allows every port: a KVM that emulates ring 0 checks the map even at IOPL 3.
 */
#define TSS_BYTES 104
#define IO_MAP_BYTES (65536 / 8 + 1)
static uint8_t tss[TSS_BYTES + IO_MAP_BYTES];
static irq_handler handlers[NR_PINS];
static uint8_t interrupt_stack[8192]
	__attribute__((aligned(16), section(".noinit,\"aw\",@nobits#")));

extern const uint8_t vector_stubs[];
void user_return(void);
void on_vector(const struct frame *f);

static void set_gate(unsigned int vector)
{
	uintptr_t at = (uintptr_t)vector_stubs + vector * 16;

	idt[vector] = (struct gate){
		.offset_0 = (uint16_t)at,
		.selector = SEL_CODE,
		.flags = GATE_INTERRUPT,
		.offset_16 = (uint16_t)(at >> 16),
		.offset_32 = (uint32_t)(at >> 32),
	};
}

static void load_idt(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = { sizeof(idt) - 1, (uintptr_t)idt };

	for (unsigned int i = 0; i < NR_VECTORS; i++)
		set_gate(i);
	asm volatile("lidt %0" ::"m"(pointer));
}

static void load_tss(void)
{
	uint64_t base = (uintptr_t)tss, rsp0 = (uintptr_t)interrupt_stack + sizeof(interrupt_stack);

	memcpy(tss + 4, &rsp0, sizeof(rsp0));
	tss[102] = TSS_BYTES;
	tss[sizeof(tss) - 1] = 0xff;
	gdt[SEL_TSS / 8] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ULL << 40 |
			   (base >> 24 & 0xff) << 56;
	gdt[SEL_TSS / 8 + 1] = base >> 32;
	asm volatile("ltr %w0" ::"r"(SEL_TSS));
}

void irq_setup(void)
{
	load_idt();
	load_tss();
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	asm volatile("" ::"r"(rdmsr(IA32_APIC_BASE)));
	write32(LAPIC_GPA + LAPIC_SPURIOUS, 0x100 | 0x2f);
}

static void ioapic_write(uint32_t index, uint32_t value)
{
	write32(IOAPIC_SELECT, index);
	write32(IOAPIC_WINDOW, value);
}

void irq_route(unsigned int gsi, bool level, irq_handler handler)
{
	handlers[gsi] = handler;
	ioapic_write(REDIRECTION(gsi) + 1, read32(LAPIC_GPA + 0x20) & 0xff000000);
	ioapic_write(REDIRECTION(gsi), (uint32_t)VEC_GSI(gsi) | (level ? REDIRECT_LEVEL : 0));
}

void lapic_eoi(void)
{
	write32(LAPIC_GPA + LAPIC_EOI, 0);
}

static uint8_t rtc_read(uint8_t reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

static void rtc_write(uint8_t reg, uint8_t value)
{
	outb(0x70, reg);
	outb(0x71, value);
}

void irq_nmi_by_rtc(void)
{
	ioapic_write(REDIRECTION(8) + 1, read32(LAPIC_GPA + 0x20) & 0xff000000);
	ioapic_write(REDIRECTION(8), REDIRECT_NMI);
	rtc_write(0x0a, 0x26); /* 1024 Hz */
	rtc_write(0x0b, rtc_read(0x0b) | 0x40);
	rtc_read(0x0c);
}

static _Noreturn void unexpected(const struct frame *f)
{
	uint64_t cr2;

	asm volatile("mov %%cr2, %0" : "=r"(cr2));
	print("not ok exception: vector %llu error %llx rip %llx cr2 %llx\n",
	      (unsigned long long)f->vector, (unsigned long long)f->error,
	      (unsigned long long)f->rip, (unsigned long long)cr2);
	power_off();
}

void on_vector(const struct frame *f)
{
	unsigned int gsi = (unsigned int)f->vector - VEC_GSI(0);

	if (f->vector == VEC_UD && (f->cs & 3) == 3)
		user_return();
	if (f->vector == VEC_NMI) {
		rtc_read(0x0c); /* or there is no next one */
		return;
	}
	if (f->vector == 0x2f && !handlers[0xf])
		return; /* the spurious vector */
	if (f->vector < VEC_GSI(0) || gsi >= NR_PINS || !handlers[gsi])
		unexpected(f);
	handlers[gsi]();
	lapic_eoi();
}

bool wait_count(const volatile uint32_t *counter, uint32_t want, uint64_t ms)
{
	uint64_t end = rdtsc() + tsc_khz() * ms;

	asm volatile("sti");
	while (*counter < want && rdtsc() < end)
		asm volatile("pause");
	asm volatile("cli");
	return *counter >= want;
}

void user_pages(void)
{
	uint64_t *directory = page_tables + 2 * 512;

	memset(page_tables, 0, 2 * 4096);
	page_tables[0] = (uintptr_t)(page_tables + 512) | 7;
	for (unsigned int i = 0; i < 4; i++)
		page_tables[512 + i] = (uintptr_t)(directory + 512 * i) | 7;
	for (uint64_t i = 0; i < 2048; i++)
		directory[i] = i << 21 | 0x87;
	asm volatile("mov %0, %%cr3" ::"r"(page_tables) : "memory");
}
