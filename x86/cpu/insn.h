/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decodes just enough of an x86 instruction (Intel SDM vol. 2A, chapter 2) to find out which memory
 * it touches and why it may have failed.
 *
 * This is not a disassembler. Pure.
 */
#ifndef X86_CPU_INSN_H
#define X86_CPU_INSN_H

#include "kvm/types.h"

#include <linux/kvm.h>

#define INSN_MAX_BYTES 15
#define INSN_MAX_TOUCHED 2
#define INSN_VEX 0x10000

struct insn {
	/* 0: one-byte opcodes; 0x0f, 0x0f38, 0x0f3a; with INSN_VEX: after a VEX or EVEX prefix */
	unsigned int map;
	uint8_t opcode;
	bool has_modrm;
	uint8_t modrm;	  /* has_modrm */
	uint8_t rex;	  /* for VEX and EVEX: the REX prefix that means the same */
	bool opsize;	  /* prefix 0x66 */
	uint8_t rep;	  /* prefix 0xf2 or 0xf3; 0: none */
	unsigned int imm; /* bytes of immediate operand */
	uint64_t imm_value;
	unsigned int len;
	unsigned int bits; /* 16, 32, 64: the mode's */
	/*
	 * The memory that it touches, as far as that is known; not of EVEX, whose displacements are
	 * scaled and whose masks suppress faults.
	 */
	unsigned int nr_touched;
	struct {
		uint64_t gva;
		bool write;
		bool stack; /* through SS: an address that is not canonical is #SS */
	} touched[INSN_MAX_TOUCHED];
};

/*
 * Decodes @len bytes at @regs->rip. Returns whether they hold a whole instruction of a known form;
 * whether it is a valid one is not checked.
 */
bool insn_decode(struct insn *in, const uint8_t *code, size_t len, const struct kvm_regs *regs,
		 const struct kvm_sregs *sregs);

/* The register numbered @nr (0: RAX .. 15: R15). */
uint64_t insn_reg(const struct kvm_regs *regs, unsigned int nr);

static inline unsigned int insn_modrm_reg(const struct insn *in)
{
	return in->modrm >> 3 & 7;
}

#endif
