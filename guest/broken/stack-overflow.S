/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Breaks by a function that calls itself until it reaches the unmapped page below its stack. The
 * IDT is valid.
 */
#include "broken.inc"
broken:
	/*
	 * Map the first 2 MiB with one more level, so that the page below the stack can be left
	 * out.
	 */
	movq %cr3, %rax
	movq (%rax), %rax
	andq $~0xfff, %rax
	movq (%rax), %rax
	andq $~0xfff, %rax
	movq $own_tables, %rdi
	movl $3, %edx
1:	movq %rdx, (%rdi)
	addq $8, %rdi
	addq $0x1000, %rdx
	cmpq $0x200003, %rdx
	jb 1b
	movq $stack_bottom - 4096, %rdx
	shrq $9, %rdx
	movq $0, own_tables(%rdx)
	movq $own_tables + 3, (%rax)
	movq %cr3, %rax
	movq %rax, %cr3
	/* Gates for #DF, #PF. */
	movq $handler, %rax
	movw %ax, idt + 14 * 16
	movw %ax, idt + 8 * 16
	shrq $16, %rax
	movw %ax, idt + 14 * 16 + 6
	movw %ax, idt + 8 * 16 + 6
	lidt idt_pointer
	call recurse
recurse:
	pushq %rbp
	movq %rsp, %rbp
	subq $0x60, %rsp
	call recurse
handler:
	hlt
	.data
	.balign 16
idt:	.skip 128
	.word 0, 0x10, 0x8e00, 0, 0, 0, 0, 0
	.skip 80
	.word 0, 0x10, 0x8e00, 0, 0, 0, 0, 0
idt_pointer:
	.word . - idt - 1
	.quad idt
