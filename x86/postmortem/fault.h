/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds the exception that a stopped vCPU most likely met, and why it could not be delivered.
 *
 * A triple fault shows neither, but registers, the instruction and the guest's tables mostly leave
 * one possibility. Pure.
 */
#ifndef X86_POSTMORTEM_FAULT_H
#define X86_POSTMORTEM_FAULT_H

#include "kvm/gmem.h"
#include "x86/cpu/cpu.h"
#include "x86/cpu/insn.h"
#include "x86/cpu/pagewalk.h"

#define FAULT_TEXT_BYTES 200

struct fault {
	int vector; /* -1: not known */
	/* "#PF reading 0x1000: not present at level 4 (PGD)"; "" with vector -1 */
	char what[FAULT_TEXT_BYTES];
	/* Why its handler could not be entered; "" if no reason was found. */
	char delivery[2 * FAULT_TEXT_BYTES + 40];
};

void fault_explain(struct fault *fault, const struct cpu_state *cpu, const struct gmem *mem);

/* Returns the paging that @cpu's accesses go through. */
struct paging fault_paging(const struct cpu_state *cpu);

/* An IDT entry (Intel SDM vol. 3A, 6.11, 6.14.1); in real mode, an entry of the vector table. */
struct idt_gate {
	bool present, valid; /* valid: could be read, and is an interrupt or trap gate */
	uint16_t selector;
	uint64_t offset;
	unsigned int ist; /* 0: none */
};

/*
 * Reads the gate of @vector. Sets @why to "", or if the gate cannot be read, to the reason: "IDT
 * limit is 0"; then @gate is all zeros.
 */
void idt_read_gate(struct idt_gate *gate, const struct cpu_state *cpu, const struct gmem *mem,
		   unsigned int vector, char *why, size_t n);

#endif
