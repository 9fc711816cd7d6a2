/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests the printed state of a vCPU, and the one line that says why KVM_RUN failed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "x86/cpu/cpu.h"

#include <stdlib.h>
#include <string.h>

static char *print(const struct cpu_state *s)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	cpu_print(f, s);
	fclose(f);
	return text;
}

static void assert_has(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("\"%s\" is not in:\n%s", what, text);
}

static struct cpu_state linux_like(void)
{
	struct cpu_state s = {
		.index = 3,
		.regs = { .rip = 0xffffffff81000123,
			  .rax = 0x1122334455667788,
			  .r15 = 0xf,
			  .rflags = 0x10246 },
		.sregs = { .cr0 = 0x80050033,
			   .cr2 = 0xdeadb000,
			   .cr3 = 0x2e10000,
			   .cr4 = 0x3506b0,
			   .efer = 0xd01 },
	};

	s.sregs.cs = (struct kvm_segment){
		.selector = 0x10, .limit = ~0U, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1
	};
	s.sregs.tr = (struct kvm_segment){ .selector = 0x40,
					   .base = 0xfffffe0000003000,
					   .limit = 0x4087,
					   .type = 11,
					   .present = 1 };
	s.sregs.gdt = (struct kvm_dtable){ .base = 0xfffffe0000001000, .limit = 0x7f };
	return s;
}

/* Bits of newer processors, which Linux sets. */
static void test_newer_bits(void **state)
{
	struct cpu_state s = linux_like();
	char *text;

	(void)state;
	s.sregs.cr4 = 0x11b880020;
	s.sregs.efer = 0x208d01;
	text = print(&s);
	assert_has(text, "CR4=11b880020 [PAE KL CET PKS UINTR LASS LAM_SUP FRED]");
	assert_has(text, "EFER=00208d01 [SCE LME LMA NX TCE AIBRSE]");
	free(text);
}

static void test_long_mode(void **state)
{
	struct cpu_state s = linux_like();
	char *text = print(&s);

	(void)state;
	assert_string_equal(cpu_mode_name(&s), "64-bit mode");
	assert_has(text, "RIP=0010:ffffffff81000123 RFLAGS=00010246 [PF ZF IF RF]\n");
	assert_has(text, "RAX=1122334455667788");
	assert_has(text, "R15=000000000000000f\n");
	assert_has(text, "CR0=80050033 [PE MP ET NE WP AM PG]");
	assert_has(text, "EFER=00000d01 [SCE LME LMA NX]");
	assert_has(text, "CR2=00000000deadb000 CR3=0000000002e10000 CR8=0\n");
	assert_has(text, "CR4=003506b0 [PSE PAE PGE OSFXSR OSXMMEXC FSGSBASE OSXSAVE SMEP SMAP]");
	assert_has(text, "CS=0010 base=0 limit=ffffffff type=b dpl=0 L G\n");
	assert_has(text, "SS DS ES FS GS LDT=0000 base=0 limit=0 unusable\n");
	assert_has(text, "TR=0040 base=fffffe0000003000 limit=4087 type=b dpl=0 system\n");
	assert_has(text, "GDT=fffffe0000001000 limit=007f  IDT=0000000000000000 limit=0000\n");
	assert_null(strstr(text, "pending"));
	free(text);
}

static void test_modes(void **state)
{
	struct cpu_state s = { .regs = { .rip = 0x123456789 },
			       .sregs = { .cs = { .base = 0x10 } } };

	(void)state;
	assert_string_equal(cpu_mode_name(&s), "real mode");
	assert_true(cpu_linear_rip(&s) == 0x23456799); /* 32 bits */
	s.sregs.cr0 = 1;
	assert_string_equal(cpu_mode_name(&s), "16-bit protected mode");
	s.sregs.cs.db = 1;
	assert_string_equal(cpu_mode_name(&s), "32-bit mode");
	s.regs.rflags = 1 << 17;
	assert_string_equal(cpu_mode_name(&s), "virtual-8086 mode");
	s.regs.rflags = 0;
	s.sregs.efer = 0x500;
	assert_string_equal(cpu_mode_name(&s), "32-bit compatibility mode");
	s.sregs.cs.l = 1;
	assert_string_equal(cpu_mode_name(&s), "64-bit mode");
	assert_true(cpu_linear_rip(&s) == 0x123456789);
}

static void test_lapic(void **state)
{
	struct cpu_state s = linux_like();
	char *text;

	(void)state;
	s.has_lapic = true;
	s.lapic.regs[0xf1] = 1;
	s.lapic.regs[0x80] = 0x10;
	memcpy(s.lapic.regs + 0x320, "\xec\0\x04", 3); /* TSC-deadline */
	s.lapic.regs[0x270 + 1] = 0x10;
	text = print(&s);
	assert_has(
		text,
		"LAPIC: on, TPR 10, timer TSC-deadline vector ec; in service: none; requested: ec\n");
	free(text);
}

static void test_events(void **state)
{
	struct cpu_state s = linux_like();
	char *text;

	(void)state;
	s.events.exception.injected = 1;
	s.events.exception.nr = 14;
	s.events.exception.has_error_code = 1;
	s.events.exception.error_code = 0x11;
	s.events.interrupt.injected = 1;
	s.events.interrupt.nr = 0xec;
	s.events.nmi.pending = 1;
	text = print(&s);
	assert_has(text, "pending: exception #PF error code 0x11\n");
	assert_has(text, "pending: interrupt, vector 0xec\n");
	assert_has(text, "pending: NMI\n");
	free(text);
	s.events.exception.nr = 255;
	s.events.exception.has_error_code = 0;
	text = print(&s);
	assert_has(text, "pending: exception vector 0xff\n");
	free(text);
}

static const char *why(const struct kvm_run *run)
{
	static char buf[160];

	cpu_exit_text(run, buf, sizeof(buf));
	return buf;
}

static void test_failed_entry(void **state)
{
	struct kvm_run run = { .exit_reason = KVM_EXIT_FAIL_ENTRY };

	(void)state;
	run.fail_entry.hardware_entry_failure_reason = 0x80000021;
	assert_string_equal(
		why(&run),
		"the processor refuses to enter the guest: invalid guest state (reason 0x80000021)");
	run.fail_entry.hardware_entry_failure_reason = 7;
	assert_has(why(&run), "invalid control fields in the VMCS (reason 0x7)");
	run.fail_entry.hardware_entry_failure_reason = 0xffffffffffffffff;
	assert_has(why(&run), "invalid guest state in the VMCB");
	run.fail_entry.hardware_entry_failure_reason = 0xffffffff;
	assert_has(why(&run), "invalid guest state in the VMCB");
	run.fail_entry.hardware_entry_failure_reason = 99;
	assert_has(why(&run), "see the processor's manual (reason 0x63)");
}

static void test_internal_error(void **state)
{
	struct kvm_run run = { .exit_reason = KVM_EXIT_INTERNAL_ERROR };

	(void)state;
	run.internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
	assert_string_equal(why(&run), "KVM cannot emulate an instruction (suberror 1)");
	run.emulation_failure.ndata = 3;
	run.emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run.emulation_failure.insn_size = 3;
	memcpy(run.emulation_failure.insn_bytes, "\x0f\xae\xf0", 3);
	assert_string_equal(why(&run),
			    "KVM cannot emulate an instruction (suberror 1, bytes 0f ae f0)");
	/* A size out of range is not trusted. */
	run.emulation_failure.insn_size = 200;
	assert_int_equal(strlen(why(&run)),
			 strlen("KVM cannot emulate an instruction (suberror 1, bytes)") + 3 * 15);
	run.internal.suberror = 77;
	assert_string_equal(why(&run), "KVM internal error (suberror 77)");
}

static void test_other_exits_and_short_buffer(void **state)
{
	struct kvm_run run = { .exit_reason = KVM_EXIT_SHUTDOWN };
	char small[8] = "xxxxxxx";

	(void)state;
	assert_string_equal(why(&run), "triple fault");
	run.exit_reason = 4711;
	assert_string_equal(why(&run), "unexpected KVM exit 4711");
	run.exit_reason = KVM_EXIT_UNKNOWN;
	run.hw.hardware_exit_reason = 0x42;
	assert_has(why(&run), "hardware reason 0x42");
	run.exit_reason = KVM_EXIT_INTERNAL_ERROR;
	cpu_exit_text(&run, small, sizeof(small));
	assert_int_equal(strlen(small), 7);
	cpu_exit_text(&run, small, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_mode),
		cmocka_unit_test(test_newer_bits),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_lapic),
		cmocka_unit_test(test_failed_entry),
		cmocka_unit_test(test_internal_error),
		cmocka_unit_test(test_other_exits_and_short_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
