/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the post-mortem's text as a whole: what it leaves out when registers are lost or only
 * sampled, brief reports, the last events, frames.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "x86/postmortem/page.h"

#include <stdlib.h>
#include <string.h>

#define CODE 0x10000ULL
#define STACK 0x20000ULL

static struct gmem mem;
static struct event ring[RECORDER_EVENTS];

struct fixture {
	struct cpu_state cpu;
	struct recorder events;
	struct postmortem pm;
};

static void put64(gpa_t gpa, uint64_t value)
{
	assert_int_equal(gmem_write(&mem, gpa, &value, 8), 0);
}

static struct fixture fix;

/* A vCPU in long mode at an int3; the first 2 MiB are mapped to themselves. */
static int setup(void **state)
{
	*state = &fix;
	gmem_init(&mem);
	if (gmem_add(&mem, 0, 2 * MIB, GMEM_NORMAL))
		return -1;
	put64(0x1000, 0x2003);
	put64(0x2000, 0x3003);
	put64(0x3000, 0x83);
	put64(CODE, 0xcc);
	fix.cpu = (struct cpu_state){
		.regs = { .rip = CODE, .rsp = STACK, .rflags = 2 },
		.sregs = { .cr0 = 0x80010001, .cr3 = 0x1000, .cr4 = 0x20, .efer = 0x500 }
	};
	fix.cpu.sregs.cs.l = 1;
	fix.events = (struct recorder){ .ring = ring };
	fix.pm = (struct postmortem){
		.cpu = &fix.cpu, .mem = &mem, .events = &fix.events, .ticks_khz = 1000
	};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gmem_fini(&mem);
	return 0;
}

static char *print(const struct fixture *f)
{
	static char text[16384];
	FILE *out = fmemopen(text, sizeof(text), "w");

	assert_non_null(out);
	postmortem_print(out, &f->pm);
	fclose(out);
	return text;
}

static void assert_has(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("\"%s\" is not in:\n%s", what, text);
}

static void a_triple_fault_has_its_sentence(void **state)
{
	struct fixture *f = *state;
	char *text;

	f->pm.stopped_by = "triple fault";
	f->pm.triple_fault = true;
	text = print(f);
	assert_has(
		text,
		"vCPU 0: triple fault; 64-bit mode, ring 0, interrupts off, 4-level paging; at RIP 0x10000\n");
	assert_has(text, "  IDT gate for #BP: IDT limit is 0\n");
	assert_has(
		text,
		"=> triple fault at RIP 0x10000: #BP by the instruction int3; IDT limit is 0, so the fault could not be delivered\n");
}

static void lost_registers_are_not_shown(void **state)
{
	struct fixture *f = *state;
	char *text;

	f->pm.stopped_by = "triple fault";
	f->pm.triple_fault = f->pm.lost = true;
	text = print(f);
	assert_has(text, "vCPU 0: triple fault\n  KVM on this CPU resets");
	assert_has(
		text,
		"=> triple fault; its RIP is not known: it came before the first exit, or KVM has lost the registers\n");
	assert_null(strstr(text, "RIP="));
	assert_null(strstr(text, "#BP"));
}

static void registers_of_a_second_run_are_said_to_be(void **state)
{
	struct fixture *f = *state;
	char *text;

	f->pm.stopped_by = "triple fault";
	f->pm.triple_fault = f->pm.retraced = true;
	text = print(f);
	assert_has(text, "The guest was run again, its end step by step:\n");
	assert_has(text,
		   "=> triple fault at RIP 0x10000: #BP by the instruction int3; IDT limit is 0");
}

static void sampled_registers_are_said_to_be(void **state)
{
	struct fixture *f = *state;
	char *text;

	f->pm.stopped_by = "triple fault";
	f->pm.triple_fault = f->pm.sampled = true;
	f->pm.sample_age_us = 42;
	text = print(f);
	assert_has(text, "These are from an exit 42 us before it.\n  RIP=");
	assert_has(text, "=> triple fault; 42 us before it, vCPU 0 was at RIP 0x10000\n");
	assert_null(strstr(text, "#BP")); /* nothing is guessed from it */
}

static void brief_is_one_line(void **state)
{
	struct fixture *f = *state;

	f->pm.brief = true;
	f->cpu.mp_state = KVM_MP_STATE_HALTED;
	assert_string_equal(
		print(f),
		"vCPU 0: halted with interrupts off: nothing wakes it; 64-bit mode, ring 0, interrupts off, 4-level paging; at RIP 0x10000\n");
}

static void what_a_machine_waits_for(void **state)
{
	struct fixture *f = *state;

	f->cpu.mp_state = KVM_MP_STATE_HALTED;
	assert_has(print(f), "=> vCPU 0 is halted with interrupts off, at RIP 0x10000\n");
	f->cpu.regs.rflags = 0x202;
	assert_has(print(f), "=> vCPU 0 is halted and waits for an interrupt, at RIP 0x10000\n");
	f->cpu.mp_state = KVM_MP_STATE_RUNNABLE;
	put64(CODE, 0xfeeb);
	assert_has(print(f), "=> vCPU 0 jumps to itself for ever, at RIP 0x10000\n");
	f->cpu.regs.rflags = 2;
	put64(CODE, 0x90f3);
	assert_has(print(f),
		   "=> vCPU 0 waits in a pause loop, with interrupts off, at RIP 0x10000\n");
	f->cpu.sregs.ss.dpl = 3;
	assert_has(
		print(f),
		"=> vCPU 0 waits in a pause loop, with interrupts off, in user space, at RIP 0x10000\n");
}

static void a_panic_is_the_last_word(void **state)
{
	struct fixture *f = *state;

	f->pm.panic = "Attempted to kill init!";
	f->pm.bug = "";
	assert_has(print(f),
		   ", at RIP 0x10000\n=> the kernel has panicked: Attempted to kill init!\n");
	f->pm.bug = "unable to handle";
	assert_has(print(f),
		   "panicked: Attempted to kill init!; before that, BUG: unable to handle\n");
	f->pm.panic = "";
	assert_null(strstr(print(f), "panicked"));
}

static void a_panic_is_told_of_a_triple_fault_too(void **state)
{
	struct fixture *f = *state;

	f->pm.stopped_by = "triple fault";
	f->pm.triple_fault = f->pm.lost = true;
	f->pm.panic = "no root";
	assert_has(print(f), "KVM has lost the registers\n=> the kernel has panicked: no root\n");
}

static void a_decompressor_is_told_by_where_it_is(void **state)
{
	struct fixture *f = *state;
	const char *line =
		"=> no unpacked kernel is in memory: this is the bzImage's own code, most likely its decompressor; --early makes it print what is wrong\n";

	assert_null(strstr(print(f), "unpacked"));
	f->pm.packed = true;
	assert_has(print(f), line);
	f->pm.early = true;
	assert_has(print(f), "most likely its decompressor\n");
	f->pm.at_image = true; /* unpacked, and not moved far */
	assert_null(strstr(print(f), "unpacked"));
	assert_has(print(f), "(at physical addresses, before the kernel's own page tables are on");
	f->pm.at_image = false;
	f->cpu.regs.rip = 0xffffffff81000000; /* without kallsyms, but above low memory */
	assert_null(strstr(print(f), "unpacked"));
}

static void events_merge_and_repeat(void **state)
{
	struct fixture *f = *state;
	const struct event_view irq[] = {
		{ .ticks = 0x2800, .kind = EVENT_IRQ, .addr = 4, .value = 1 }
	};
	char *text;

	for (unsigned int i = 0; i < 5; i++)
		record_port(&f->events, 0x1000 + i * 0x100, EVENT_PORT_READ, 1, 0x61, 0x20);
	record_wide(&f->events, 0x3000, EVENT_MMIO_READ, 4, 0xd0000000, 0x74726976);
	f->pm.irqs = irq;
	f->pm.nr_irqs = 1;
	f->pm.now_ticks = 0x4000;
	text = print(f);
	assert_has(text, "  last events, of 6 exits to the launcher:\n"
			 "        -0.011264 s  in    port 0x61 = 20  nobody  (5 times)\n"
			 "        -0.006144 s  irq   GSI 4 up\n"
			 "        -0.004096 s  read  MMIO 0xd0000000 = 74726976  nobody\n");
}

static void a_recursion_is_one_line(void **state)
{
	struct fixture *f = *state;

	f->cpu.regs.rbp = STACK + 0x100;
	for (unsigned int i = 0; i < 40; i++) {
		put64(STACK + 0x100 + i * 0x20, STACK + 0x120 + i * 0x20);
		put64(STACK + 0x108 + i * 0x20, 0x11111);
	}
	put64(STACK + 0x600, 0);
	put64(STACK + 0x608, 0x22222);
	assert_has(print(f),
		   "    0000000000011111\n    (the same 39 times more)\n    0000000000022222\n");
}

static void frames_that_loop_end(void **state)
{
	struct fixture *f = *state;
	char *text;

	f->cpu.regs.rbp = STACK + 0x100;
	put64(STACK + 0x100, STACK + 0x200);
	put64(STACK + 0x108, 0x11111);
	put64(STACK + 0x200, STACK + 0x100); /* back down */
	put64(STACK + 0x208, 0x22222);
	text = print(f);
	assert_has(
		text,
		"  called from (by frame pointers):\n    0000000000011111\n    0000000000022222\n");
	assert_null(strstr(strstr(text, "22222"), "11111"));
}

/* Lines that are cut short, the last one at the end of the buffer. */
static void cut_lines_of_objdump_are_left_out(void **state)
{
	static const char out[] = "/proc/self/fd/3:     file format binary\n"
				  "   10000:\t90\tnop\n"
				  "   10001:\t90\n"
				  "   10002:";
	char *exact = strdup(out), *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	assert_true(disasm_print_lines(f, exact, 4));
	fclose(f);
	assert_string_equal(text, "   >           10000  nop\n");
	free(exact);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_triple_fault_has_its_sentence, setup, teardown),
		cmocka_unit_test(cut_lines_of_objdump_are_left_out),
		cmocka_unit_test_setup_teardown(lost_registers_are_not_shown, setup, teardown),
		cmocka_unit_test_setup_teardown(sampled_registers_are_said_to_be, setup, teardown),
		cmocka_unit_test_setup_teardown(registers_of_a_second_run_are_said_to_be, setup,
						teardown),
		cmocka_unit_test_setup_teardown(brief_is_one_line, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_machine_waits_for, setup, teardown),
		cmocka_unit_test_setup_teardown(a_panic_is_the_last_word, setup, teardown),
		cmocka_unit_test_setup_teardown(a_panic_is_told_of_a_triple_fault_too, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_decompressor_is_told_by_where_it_is, setup,
						teardown),
		cmocka_unit_test_setup_teardown(events_merge_and_repeat, setup, teardown),
		cmocka_unit_test_setup_teardown(a_recursion_is_one_line, setup, teardown),
		cmocka_unit_test_setup_teardown(frames_that_loop_end, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
