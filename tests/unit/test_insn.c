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
 * RAX = 0x10000, RBX = 0x300, RCX = 0x40, RSI = 0x50000, RDI = 0x60000, RBP = 0x7000, R9 = -1,
 * R12 = 0xc000, FS at 0x900000
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

#define STORE(what, code) ROW(what, 64, code, 1, 0x10000, true)
#define LOAD(what, code) ROW(what, 64, code, 1, 0x10000, false)

/* What stores to its operand, and what looks like it and does not. */
static const struct row stores[] = {
	STORE("sete", "\x0f\x94\x00"),
	STORE("shld $1", "\x0f\xa4\x10\x01"),
	STORE("shrd %cl", "\x0f\xad\x10"),
	LOAD("bt $1", "\x0f\xba\x20\x01"),
	STORE("bts $1", "\x0f\xba\x28\x01"),
	STORE("lock btr $1", "\xf0\x0f\xba\x30\x01"),
	STORE("btc $1", "\x0f\xba\x38\x01"),
	STORE("movd %mm0", "\x0f\x7e\x00"),
	STORE("movd %xmm0", "\x66\x0f\x7e\x00"),
	LOAD("movq (%rax),%xmm0", "\xf3\x0f\x7e\x00"),
	STORE("movq %xmm0", "\x66\x0f\xd6\x00"),
	STORE("fxsave", "\x0f\xae\x00"),
	LOAD("fxrstor", "\x0f\xae\x08"),
	LOAD("ldmxcsr", "\x0f\xae\x10"),
	STORE("stmxcsr", "\x0f\xae\x18"),
	STORE("xsave", "\x0f\xae\x20"),
	LOAD("ptwrite", "\xf3\x0f\xae\x20"),
	LOAD("xrstor", "\x0f\xae\x28"),
	STORE("xsaveopt", "\x0f\xae\x30"),
	LOAD("clwb", "\x66\x0f\xae\x30"),
	LOAD("clflush", "\x0f\xae\x38"),
	STORE("cmpxchg8b", "\x0f\xc7\x08"),
	LOAD("xrstors", "\x0f\xc7\x18"),
	STORE("xsavec", "\x0f\xc7\x20"),
	STORE("xsaves", "\x0f\xc7\x28"),
	LOAD("vmptrld", "\x0f\xc7\x30"),
	STORE("smsw", "\x0f\x01\x20"),
	LOAD("lmsw", "\x0f\x01\x30"),
	STORE("sldt", "\x0f\x00\x00"),
	LOAD("ltr", "\x0f\x00\x18"),
	STORE("vmread", "\x0f\x78\x00"),
	LOAD("vmwrite", "\x0f\x79\x00"),
	LOAD("fldl", "\xdd\x00"),
	STORE("fstpl", "\xdd\x18"),
	STORE("fnsave", "\xdd\x30"),
	LOAD("frstor", "\xdd\x20"),
	STORE("fnstcw", "\xd9\x38"),
	LOAD("fldcw", "\xd9\x28"),
	STORE("fistps", "\xdf\x18"),
	LOAD("fildq", "\xdf\x28"),
	STORE("fstpt", "\xdb\x38"),
	LOAD("fldt", "\xdb\x28"),
	STORE("movbe %eax", "\x0f\x38\xf1\x00"),
	LOAD("movbe to %eax", "\x0f\x38\xf0\x00"),
	LOAD("crc32l", "\xf2\x0f\x38\xf1\x00"),
	STORE("wrssd", "\x0f\x38\xf6\x00"),
	LOAD("adcx", "\x66\x0f\x38\xf6\x00"),
	STORE("pextrb $0", "\x66\x0f\x3a\x14\x00\x00"),
	LOAD("pinsrb $0", "\x66\x0f\x3a\x20\x00\x00"),
	STORE("vmovdqu %ymm0", "\xc5\xfe\x7f\x00"),
	LOAD("vmovdqu to %ymm8", "\xc5\x7e\x6f\x00"),
	STORE("vmaskmovps", "\xc4\xe2\x79\x2e\x00"),
	STORE("vextractf128 $1", "\xc4\xe3\x7d\x19\x00\x01"),
	LOAD("kmovw (%rax),%k1", "\xc5\xf8\x90\x08"),
	STORE("kmovw %k1,(%rax)", "\xc5\xf8\x91\x08"),
	LOAD("pdep (%rax),%eax,%eax", "\xc4\xe2\x7b\xf5\x00"),
};

/* Forms with an address or an immediate of their own, and those that access nothing. */
static const struct row forms[] = {
	ROW("mov %al,moffs", 64, "\xa2\x88\x77\x66\x55\x44\x33\x22\x11", 1, 0x1122334455667788,
	    true),
	ROW("mov %fs:moffs,%rax", 64, "\x64\x48\xa1\x10\0\0\0\0\0\0\0", 1, 0x900010, false),
	ROW("mov moffs32,%eax", 64, "\x67\xa1\x88\x77\x66\x95", 1, 0x95667788, false),
	ROW("mov %eax,moffs, 32 bits", 32, "\xa3\x88\x77\x66\xc5", 1, 0xc5667788, true),
	ROW("mov moffs,%al, 16 bits", 16, "\xa0\x6c\x84", 1, 0x846c, false),
	ROW("mov moffs16,%al, 32 bits", 32, "\x67\xa0\x6c\x04", 1, 0x46c, false),
	ROW("enter", 64, "\xc8\x10\x00\x00", 1, RSP - 8, true),
	ROW("lock bts %rcx,(%rax)", 64, "\xf0\x48\x0f\xab\x08", 1, 0x10008, true),
	ROW("bts %ecx,(%rax)", 64, "\x0f\xab\x08", 1, 0x10008, true),
	ROW("bt %r9,(%rax)", 64, "\x4c\x0f\xa3\x08", 1, 0x10000 - 8, false),
	ROW("bt %r9w,(%rax)", 64, "\x66\x44\x0f\xa3\x08", 1, 0x10000 - 2, false),
	ROW("add $imm32,%rax, with a stray 0x66", 64, "\x66\x48\x05\0\0\0\0", 0, 0, false),
	ROW("pop %fs", 64, "\x0f\xa1", 1, RSP, false),
	ROW("push %ds, 32 bits", 32, "\x1e", 1, RSP - 4, true),
	ROW("pusha, 32 bits", 32, "\x60", 1, RSP - 4, true),
	ROW("xlat", 64, "\xd7", 1, 0x300, false),
	ROW("invlpg", 64, "\x0f\x01\x38", 0, 0, false),
	ROW("vzeroupper", 64, "\xc5\xf8\x77", 0, 0, false),
	ROW("vgatherdps", 64, "\xc4\xe2\x69\x92\x04\x08", 0, 0, false),
	ROW("vmovdqu 0x10(%rip),%ymm0", 64, "\xc5\xfe\x6f\x05\x10\0\0\0", 1, RIP + 8 + 0x10, false),
	ROW("vpextrb $3,%xmm0,(%r12)", 64, "\xc4\xc3\x79\x14\x04\x24\x03", 1, 0xc000, true),
	ROW("vmovdqu64 %zmm0,0x40(%rax)", 64, "\x62\xf1\xfe\x48\x7f\x40\x01", 0, 0, false),
	ROW("lds (%eax),%eax, 32 bits", 32, "\xc5\x00", 1, 0x10000, false),
	ROW("bound %eax,(%eax), 32 bits", 32, "\x62\x00", 1, 0x10000, false),
	ROW("vzeroupper, 32 bits", 32, "\xc5\xf8\x77", 0, 0, false),
};

static const struct kvm_regs regs = { .rax = 0x10000,
				      .rbx = 0x300,
				      .rcx = 0x40,
				      .rsi = 0x50000,
				      .rdi = 0x60000,
				      .rbp = 0x7000,
				      .rsp = RSP,
				      .r9 = UINT64_MAX,
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

static bool decode(struct insn *in, const struct row *r, size_t len)
{
	struct kvm_sregs sregs = sregs_of(r->bits);

	return insn_decode(in, (const uint8_t *)r->code, len, &regs, &sregs);
}

static void assert_rows(const struct row *first, size_t nr)
{
	for (const struct row *r = first; r < first + nr; r++) {
		struct insn in;

		if (!decode(&in, r, r->len))
			fail_msg("%s: not decoded", r->what);
		if (in.len != r->len || in.nr_touched != r->nr)
			fail_msg("%s: %u bytes, touches %u", r->what, in.len, in.nr_touched);
		if (in.nr_touched &&
		    (in.touched[0].gva != r->gva || in.touched[0].write != r->write))
			fail_msg("%s: %s 0x%llx", r->what, in.touched[0].write ? "writes" : "reads",
				 (unsigned long long)in.touched[0].gva);
		for (size_t len = 0; len < r->len; len++) {
			if (decode(&in, r, len))
				fail_msg("%s: decoded with %zu bytes", r->what, len);
		}
	}
}

static void memory_touched(void **state)
{
	(void)state;
	assert_rows(rows, ARRAY_SIZE(rows));
}

static void stores_are_no_reads(void **state)
{
	(void)state;
	assert_rows(stores, ARRAY_SIZE(stores));
}

static void forms_are_whole(void **state)
{
	(void)state;
	assert_rows(forms, ARRAY_SIZE(forms));
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
		cmocka_unit_test(stores_are_no_reads),
		cmocka_unit_test(forms_are_whole),
		cmocka_unit_test(prefixes_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
