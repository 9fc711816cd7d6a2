/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Holds what the entries leave for the rest of the payload: the processor's state at entry, the
 * descriptor table, the page tables and the stack.
 */
#include "payload.h"

	.data
	.balign 16
	.globl entry_state
entry_state:
	.fill ES_BYTES, 1, 0

	.balign 16
	.globl gdt, gdt_pointer
gdt:
	.quad 0
	.quad 0
	.quad 0x00af9b000000ffff	/* SEL_CODE */
	.quad 0x00cf93000000ffff	/* SEL_DATA */
	.quad 0x00cff3000000ffff	/* SEL_USER_DATA */
	.quad 0x00affb000000ffff	/* SEL_USER_CODE */
	.quad 0, 0			/* SEL_TSS, filled in at run time */
gdt_pointer:
	.word . - gdt - 1
	.quad gdt

	.section .noinit, "aw", @nobits
	.balign 4096
	.globl page_tables
page_tables:
	.skip 6 * 4096
	.globl stack_top
	.skip 16384
stack_top:
