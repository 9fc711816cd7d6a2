/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests which exception is found and why it could not be delivered, from registers and memory
 * alone: one guest state a row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "x86/postmortem/fault.h"

#include <stdlib.h>
#include <string.h>

#define RAM_BYTES (4 * MIB)
#define TABLES 0x1000
#define CODE 0x10000ULL
#define STACK 0x20000ULL
#define GDT 0x30000ULL
#define IDT 0x31000ULL

static struct gmem mem;

static void put(gpa_t gpa, const void *bytes, size_t len)
{
	assert_int_equal(gmem_write(&mem, gpa, bytes, len), 0);
}

static void put64(gpa_t gpa, uint64_t value)
{
	put(gpa, &value, 8);
}

/*
 * Maps the first 2 MiB to themselves; makes a GDT with code at 0x10 and data at 0x18, and no IDT.
 */
static int setup(void **state)
{
	(void)state;
	gmem_init(&mem);
	if (gmem_add(&mem, 0, RAM_BYTES, GMEM_NORMAL))
		return -1;
	put64(TABLES, (TABLES + 0x1000) | 3);
	put64(TABLES + 0x1000, (TABLES + 0x2000) | 3);
	put64(TABLES + 0x2000, 0x83);
	put64(GDT + 0x10, 0x00af9b000000ffff);
	put64(GDT + 0x18, 0x00cf93000000ffff);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gmem_fini(&mem);
	return 0;
}

static struct cpu_state cpu_at(const char *code, size_t len)
{
	struct cpu_state s = {
		.regs = { .rip = CODE, .rsp = STACK },
		.sregs = { .cr0 = 0x80010001,
			   .cr3 = TABLES,
			   .cr4 = 0x20,
			   .efer = 0xd00,
			   .cs = { .selector = 0x10, .l = 1, .present = 1 },
			   .gdt = { .base = GDT, .limit = 0x1f } },
	};

	put(CODE, code, len);
	return s;
}

#define AT(code) cpu_at(code, sizeof(code) - 1)

static void assert_fault(const struct cpu_state *s, const char *what, const char *delivery)
{
	struct fault fault;

	fault_explain(&fault, s, &mem);
	assert_string_equal(fault.what, what);
	assert_string_equal(fault.delivery, delivery);
}

static void put_gate(unsigned int vector, uint64_t handler, uint16_t selector, unsigned int ist,
		     unsigned int type)
{
	put64(IDT + vector * 16ULL, (handler & 0xffff) | (uint64_t)selector << 16 |
					    (uint64_t)ist << 32 | (uint64_t)type << 40 |
					    (handler >> 16 & 0xffff) << 48);
	put64(IDT + vector * 16ULL + 8, handler >> 32);
}

static void set_idt(struct cpu_state *s)
{
	s->sregs.idt = (struct kvm_dtable){ .base = IDT, .limit = 0xfff };
	put_gate(8, CODE, 0x10, 0, 0x8e);
	put_gate(14, CODE, 0x10, 0, 0x8e);
	put_gate(6, CODE, 0x10, 0, 0x8e);
}

static void accesses(void **state)
{
	struct cpu_state s = AT("\x8a\x00"); /* mov (%rax),%al */

	(void)state;
	s.regs.rax = 0x10000000000;
	assert_fault(&s, "#PF reading 0x10000000000: not present at level 4 (PGD)",
		     "IDT limit is 0");
	s.regs.rax = 0xdead000000000100;
	assert_fault(&s, "#GP reading 0xdead000000000100: the address is not canonical",
		     "IDT limit is 0");
	s.regs.rax = 0x1000;
	assert_fault(&s, "", "IDT limit is 0"); /* nothing wrong is visible: no name is guessed */
	s = AT("\x50");				/* push */
	s.regs.rsp = 0x200000;
	assert_fault(&s, "", "IDT limit is 0");
	s.regs.rsp = 0x400000;
	assert_fault(&s, "#PF writing 0x3ffff8, on the stack: not present at level 2 (PMD)",
		     "IDT limit is 0");
	s.regs.rsp = 0x8000000000000000;
	assert_fault(&s, "#SS writing 0x7ffffffffffffff8: the address is not canonical",
		     "IDT limit is 0");
}

static void fetches(void **state)
{
	struct cpu_state s = AT("\x90");

	(void)state;
	s.regs.rip = 0x400000;
	assert_fault(&s, "#PF fetching an instruction at 0x400000: not present at level 2 (PMD)",
		     "IDT limit is 0");
	s.regs.rip = 0x800000000000;
	assert_fault(&s,
		     "#GP fetching an instruction at 0x800000000000: the address is not canonical",
		     "IDT limit is 0");
	s = AT("\xff\xe0"); /* jmp *%rax */
	s.regs.rax = 0x800000000000;
	assert_fault(&s, "#GP going to 0x800000000000: the address is not canonical",
		     "IDT limit is 0");
}

static void instructions(void **state)
{
	struct cpu_state s = AT("\x0f\x0b");

	(void)state;
	assert_fault(&s, "#UD by the instruction ud2", "IDT limit is 0");
	s = AT("\xf7\xf1"); /* div %ecx */
	assert_fault(&s, "#DE dividing by zero", "IDT limit is 0");
	s.regs.rcx = 1;
	assert_fault(&s, "", "IDT limit is 0");
	s = AT("\x8e\xd8"); /* mov %eax,%ds */
	s.regs.rax = 0x28;
	assert_fault(
		&s,
		"#GP by loading a segment register: the selector 0x28 is beyond the GDT's limit 0x1f",
		"IDT limit is 0");
	s = AT("\x0f\x22\xe0"); /* mov %rax,%cr4 */
	s.regs.rax = 0x8020;
	assert_fault(&s, "#GP writing 0x8020 to CR4, in which bit 15 is reserved",
		     "IDT limit is 0");
	s.regs.rax = 0x80008020;
	assert_fault(&s, "#GP writing 0x80008020 to CR4, in which bits 15 31 are reserved",
		     "IDT limit is 0");
	s.regs.rax = 0x80020; /* Key Locker, which the processor may lack */
	assert_fault(
		&s,
		"#GP writing 0x80020 to CR4 (now 0x20): most likely a bit that this processor lacks",
		"IDT limit is 0");
	s.regs.rax = 0;
	assert_fault(&s, "#GP writing 0x0 to CR4, without PAE, in long mode", "IDT limit is 0");
}

/* An instruction that is not enabled fails before it accesses memory. */
static void not_enabled_comes_first(void **state)
{
	struct cpu_state s = AT("\xc5\xfe\x7f\x00"); /* vmovdqu %ymm0,(%rax) */

	(void)state;
	s.regs.rax = 0x10000000000;
	assert_fault(&s, "#UD by an AVX instruction with CR4.OSXSAVE clear", "IDT limit is 0");
	s.sregs.cr4 |= 1U << 18;
	assert_fault(&s, "#PF writing 0x10000000000: not present at level 4 (PGD)",
		     "IDT limit is 0");
	s = AT("\xdd\x18"); /* fstpl (%rax) */
	s.regs.rax = 0x10000000000;
	s.sregs.cr0 |= 1U << 3;
	assert_fault(&s, "#NM by an FPU instruction with CR0.TS set", "IDT limit is 0");
}

static void delivery(void **state)
{
	struct cpu_state s = AT("\x0f\x0b");
	const char *ud = "#UD by the instruction ud2";

	(void)state;
	set_idt(&s);
	assert_fault(&s, ud, "");
	put_gate(6, CODE, 0x10, 0, 0x0e);
	assert_fault(&s, ud, "the IDT's gate for #UD is not present");
	put_gate(6, CODE, 0x10, 0, 0x8c);
	assert_fault(&s, ud, "the IDT's gate for #UD is no interrupt or trap gate");
	put_gate(6, CODE, 0x38, 0, 0x8e);
	put_gate(8, CODE, 0x18, 0, 0x8e);
	assert_fault(
		&s, ud,
		"the code segment 0x38 of the gate for #UD is beyond the GDT's limit 0x1f; for the double fault, the code segment 0x18 of the gate for #DF is no code segment");
	s.sregs.idt.base = 0x400000;
	assert_fault(&s, ud, "the IDT at 0x400000 is not mapped");
}

static void delivery_needs_a_stack(void **state)
{
	struct cpu_state s = AT("\x0f\x0b");
	const char *ud = "#UD by the instruction ud2";

	(void)state;
	set_idt(&s);
	s.regs.rsp = 0x400000;
	assert_fault(&s, ud,
		     "no frame can be pushed at RSP 0x400000: not present at level 2 (PMD)");
	/* A double fault with a stack of its own would have been delivered. */
	put_gate(8, CODE, 0x10, 1, 0x8e);
	s.sregs.tr.base = 0x40000;
	put64(0x40000 + 0x24, STACK);
	assert_fault(&s, ud,
		     "no frame can be pushed at RSP 0x400000: not present at level 2 (PMD)");
	put64(0x40000 + 0x24, 0x600000);
	assert_fault(
		&s, ud,
		"no frame can be pushed at RSP 0x400000: not present at level 2 (PMD); for the double fault, no frame can be pushed at the IST stack 0x600000: not present at level 2 (PMD)");
}

static void what_kvm_knows_is_used(void **state)
{
	struct cpu_state s = AT("\x90");

	(void)state;
	s.events.exception.injected = 1;
	s.events.exception.nr = 14;
	s.events.exception.error_code = 2;
	s.sregs.cr2 = 0x1234;
	assert_fault(&s, "#PF at 0x1234, error code 0x2", "IDT limit is 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(accesses, setup, teardown),
		cmocka_unit_test_setup_teardown(fetches, setup, teardown),
		cmocka_unit_test_setup_teardown(instructions, setup, teardown),
		cmocka_unit_test_setup_teardown(not_enabled_comes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(delivery, setup, teardown),
		cmocka_unit_test_setup_teardown(delivery_needs_a_stack, setup, teardown),
		cmocka_unit_test_setup_teardown(what_kvm_knows_is_used, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
