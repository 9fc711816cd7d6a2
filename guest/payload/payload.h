/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The test payload: a guest that boots like a Linux kernel and runs the tests that its command line
 * names (test=NAME[+NAME...][,ARG...]).
 *
 * It prints one line on COM1 for each check, `ok WHAT` or `not ok WHAT: ...`, and ends in the way
 * the test defines.
 */
#ifndef PAYLOAD_H
#define PAYLOAD_H

#define SEL_CODE 0x10
#define SEL_DATA 0x18
#define SEL_USER_DATA 0x20
#define SEL_USER_CODE 0x28
#define SEL_TSS 0x30

/* Vector of I/O APIC pin n. */
#define VEC_GSI(n) (0x20 + (n))
#define VEC_NMI 2
#define VEC_UD 6
#define NR_VECTORS 64

#define TRAMPOLINE_GPA 0x8000
#define AP_STACK_BYTES 2048
#define MAX_APS 1024

/* Offsets into struct entry_state. */
#define ES_RSI 0
#define ES_RSP 8
#define ES_RFLAGS 16
#define ES_CR0 24
#define ES_CR4 32
#define ES_EFER 40
#define ES_CS 48
#define ES_DS 50
#define ES_ES 52
#define ES_SS 54
#define ES_MODE 56
#define ES_GDTR 64
#define ES_RBX 80
#define ES_RAX 88
#define ES_BYTES 96

#define COM1 0x3f8
#define ACPI_SLEEP_PORT 0x600
#define ACPI_S5_NOW 0x34 /* SLP_EN, sleep type 5 */
#define LAPIC_GPA 0xfee00000UL
#define IOAPIC_GPA 0xfec00000UL

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <asm/bootparam.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct entry_state {
	uint64_t rsi, rsp, rflags, cr0, cr4, efer;
	uint16_t cs, ds, es, ss;
	uint32_t mode; /* 32 or 64 */
	uint32_t pad;
	uint16_t gdt_limit;
	uint64_t gdt_base;
	uint8_t pad2[6];
	uint64_t rbx, rax;
} __attribute__((packed));

/* state.S */
extern struct entry_state entry_state;
extern uint64_t gdt[];
extern uint64_t page_tables[];

static inline void outb(uint16_t port, uint8_t value)
{
	asm volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t value)
{
	asm volatile("outw %0, %1" ::"a"(value), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t value)
{
	asm volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t value;

	asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t value;

	asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint8_t read8(uintptr_t gpa)
{
	uint8_t value;

	asm volatile("movb (%1), %0" : "=q"(value) : "r"(gpa) : "memory");
	return value;
}

static inline uint16_t read16(uintptr_t gpa)
{
	uint16_t value;

	asm volatile("movw (%1), %0" : "=r"(value) : "r"(gpa) : "memory");
	return value;
}

static inline uint32_t read32(uintptr_t gpa)
{
	uint32_t value;

	asm volatile("movl (%1), %0" : "=r"(value) : "r"(gpa) : "memory");
	return value;
}

static inline uint64_t read64(uintptr_t gpa)
{
	uint64_t value;

	asm volatile("movq (%1), %0" : "=r"(value) : "r"(gpa) : "memory");
	return value;
}

static inline void write32(uintptr_t gpa, uint32_t value)
{
	asm volatile("movl %0, (%1)" ::"r"(value), "r"(gpa) : "memory");
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	asm volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r;

	asm volatile("cpuid"
		     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
		     : "a"(leaf), "c"(subleaf));
	return r;
}

/* lib.c: output and reports, polled */
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* %s %c %u %x %llu %llx */
void put_bytes(const char *bytes, size_t len);
void check(const char *what, bool good);
void check_eq(const char *what, uint64_t got, uint64_t want);
unsigned int failures(void);
void *memset(void *to, int value, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
uint64_t sum_bytes(const void *at, size_t n);
uint64_t tsc_khz(void); /* from CPUID; a guess if CPUID has no rate */
void delay_us(uint64_t us);
_Noreturn void power_off(void);
_Noreturn void spin(void);

/* cmdline.c */
#define MB1_MAGIC 0x2badb002 /* in entry_state.rax: entered by Multiboot */
#define MB2_MAGIC 0x36d76289
const struct boot_params *boot_params(void);
const char *command_line(void);
const char *handover_cmdline(void); /* from PVH or Multiboot; NULL: entered by neither */
const char *test_word(void);	    /* what follows the last "test=" on the command line, or "" */
size_t name_len(const char *word);
uint64_t arg(unsigned int index, uint64_t otherwise); /* of the test, from 0; decimal or 0x */
/* 32 bits of the structure from PVH or Multiboot */
uint64_t info_word(unsigned int offset);
uintptr_t mb2_tag(uint32_t type, unsigned int index); /* the @index'th of a type, or 0 */
bool is_pvh(void);

/* irq.c */
typedef void (*irq_handler)(void);
void irq_setup(void); /* IDT, TSS, LAPIC on, PICs off; interrupts stay disabled in the processor */
void irq_route(unsigned int gsi, bool level, irq_handler handler);
void lapic_eoi(void);
void irq_nmi_by_rtc(void); /* 1024 times a second, from now on */
/*
 * Waits with interrupts on until *counter reaches @want or @ms have passed; returns whether it did.
 */
bool wait_count(const volatile uint32_t *counter, uint32_t want, uint64_t ms);
void run_at_cpl3(void (*fn)(uint64_t arg), uint64_t arg);
void user_pages(void); /* switches to our own page tables, which CPL 3 may use */

/* tables.c */
const uint8_t *acpi_table(const char *signature); /* NULL: none */
unsigned int madt_apic_ids(uint32_t *ids, unsigned int max);

/* One function for each test, by file. */
void test_end_reset(void), test_end_cf9(void), test_end_i8042(void), test_end_port92(void),
	test_end_triple(void);
void test_end_ud(void), test_end_pf(void), test_end_debug(void), test_end_halt(void),
	test_end_panic(void), test_end_driverless(void);
void test_end_halted(void), test_end_idle(void), test_end_button(void), test_end_last(void),
	test_end_restart(void);
void test_end_int3(void), test_end_nmi_halt(void), test_end_job(void), test_end_nowhere(void);
void test_print(void), test_print_com2(void), test_pause(void);
void test_entry(void), test_e820(void), test_zeropage(void), test_cmdline(void), test_seed(void),
	test_initrd(void);
void test_pvh(void), test_multiboot(void);
void test_initrd_wait(void);
void test_say(void);
void test_acpi(void), test_mptable(void);
void test_cpuid(void), test_smp(void), test_smp_halt(void), test_smp_crash(void);
void test_uart(void), test_uart_irq(void), test_uart_rx(void), test_paste(void), test_flood(void),
	test_breaks(void);
void test_pit(void), test_refresh(void);
void test_rtc(void), test_rtc_irq(void), test_i8042(void), test_lamps(void);
void test_bus(void), test_bench(void), test_stopped(void);
void test_blk(void), test_blk_irq(void), test_net(void), test_hostile(void);
void test_blk_rate(void), test_net_rate(void);
void test_testdev(void), test_s3(void);

#endif
#endif
