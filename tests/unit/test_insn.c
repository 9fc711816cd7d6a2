/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests which memory an instruction accesses: one addressing form a row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "x86/cpu/insn.h"

#include <string.h>

#define RIP 0x1000
#define RSP 0x8000

struct row {
	const char *what;
	unsigned int bits;
	const char *code;
	size_t len;
	unsigned int nr;
	uint64_t gva;
	bool write;
};

#define ROW(what, bits, code, nr, gva, write)                                                      \
	{                                                                                          \
		what, bits, code, sizeof(code) - 1, nr, gva, write                                 \
	}

/*
 * RAX = 0x10000, RBX = 0x300, RCX = 0x40, RSI = 0x50000, RDI = 0x60000, RBP = 0x7000, R12 = 0xc000,
 * FS at 0x900000
 */
static const struct row rows[] = {
	ROW("mov (%rax),%al", 64, "\x8a\x00", 1, 0x10000, false),
	ROW("mov %al,(%rax)", 64, "\x88\x00", 1, 0x10000, true),
	ROW("mov 0x10(%rax,%rcx,4),%rdx", 64, "\x48\x8b\x54\x88\x10", 1, 0x10110, false),
	ROW("mov -8(%rbp),%rax", 64, "\x48\x8b\x45\xf8", 1, 0x6ff8, false),
	ROW("mov (%r12),%rax", 64, "\x49\x8b\x04\x24", 1, 0xc000, false),
	ROW("movl $1,0x2000(%rip)", 64, "\xc7\x05\x00\x20\x00\x00\x01\x00\x00\x00", 1,
	    RIP + 10 + 0x2000, true),
	ROW("mov 0x1234,%eax absolute", 64, "\x8b\x04\x25\x34\x12\x00\x00", 1, 0x1234, false),
	ROW("mov %fs:0x10(%rax),%eax", 64, "\x64\x8b\x40\x10", 1, 0x910010, false),
	ROW("push %rax", 64, "\x50", 1, RSP - 8, true),
	ROW("pop %rax", 64, "\x58", 1, RSP, false),
	ROW("call", 64, "\xe8\x00\x00\x00\x00", 1, RSP - 8, true),
	ROW("ret", 64, "\xc3", 1, RSP, false),
	ROW("call *(%rbx)", 64, "\xff\x13", 2, 0x300, false),
	ROW("rep stosq", 64, "\xf3\x48\xab", 1, 0x60000, true),
	ROW("rep movsb", 64, "\xf3\xa4", 2, 0x50000, false),
	ROW("lea (%rax),%rbx", 64, "\x48\x8d\x18", 0, 0, false),
	ROW("nopw 0(%rax,%rax)", 64, "\x66\x0f\x1f\x44\x00\x00", 0, 0, false),
	ROW("mov %rax,%rbx", 64, "\x48\x89\xc3", 0, 0, false),
	ROW("mov %rax,%cr4", 64, "\x0f\x22\xe0", 0, 0, false),
	ROW("movzbl (%rax),%eax", 64, "\x0f\xb6\x00", 1, 0x10000, false),
	ROW("cmpxchg %rcx,(%rax)", 64, "\xf0\x48\x0f\xb1\x08", 1, 0x10000, true),
	ROW("lidt (%rax)", 64, "\x0f\x01\x18", 1, 0x10000, false),
	ROW("ud2", 64, "\x0f\x0b", 0, 0, false),
	ROW("mov %ecx,(%eax), 32 bits", 32, "\x89\x08", 1, 0x10000, true),
	ROW("push, 32 bits", 32, "\x50", 1, RSP - 4, true),
	ROW("inc %eax, 32 bits, is no REX", 32, "\x40", 0, 0, false),
};

static const struct kvm_regs regs = { .rax = 0x10000,
				      .rbx = 0x300,
				      .rcx = 0x40,
				      .rsi = 0x50000,
				      .rdi = 0x60000,
				      .rbp = 0x7000,
				      .rsp = RSP,
				      .r12 = 0xc000,
				      .rip = RIP };

static struct kvm_sregs sregs_of(unsigned int bits)
{
	struct kvm_sregs s = { .cr0 = 1, .fs = { .base = 0x900000 } };

	s.efer = bits == 64 ? 0x500 : 0;
	s.cs.l = bits == 64;
	s.cs.db = bits == 32;
	return s;
}

static void memory_touched(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kvm_sregs sregs = sregs_of(rows[i].bits);
		struct insn in;

		if (!insn_decode(&in, (const uint8_t *)rows[i].code, rows[i].len, &regs, &sregs))
			fail_msg("%s: not decoded", rows[i].what);
		if (in.len != rows[i].len || in.nr_touched != rows[i].nr)
			fail_msg("%s: %u bytes, touches %u", rows[i].what, in.len, in.nr_touched);
		if (in.nr_touched &&
		    (in.touched[0].gva != rows[i].gva || in.touched[0].write != rows[i].write))
			fail_msg("%s: 0x%llx", rows[i].what, (unsigned long long)in.touched[0].gva);
	}
}

static void cut_short_is_not_decoded(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kvm_sregs sregs = sregs_of(rows[i].bits);
		struct insn in;

		for (size_t len = 0; len < rows[i].len; len++) {
			if (insn_decode(&in, (const uint8_t *)rows[i].code, len, &regs, &sregs))
				fail_msg("%s: decoded with %zu bytes", rows[i].what, len);
		}
	}
}

static void prefixes_without_end(void **state)
{
	struct kvm_sregs sregs = sregs_of(64);
	uint8_t code[32];
	struct insn in;

	(void)state;
	memset(code, 0x66, sizeof(code));
	assert_false(insn_decode(&in, code, sizeof(code), &regs, &sregs));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_touched),
		cmocka_unit_test(cut_short_is_not_decoded),
		cmocka_unit_test(prefixes_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
