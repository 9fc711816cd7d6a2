/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The code that another processor runs from its start-up IPI to ap_main().
 *
 * It is copied to TRAMPOLINE_GPA: everything before the far jump is addressed relative to that.
 */
#include "payload.h"

	.text
	.balign 16
	.code16
	.globl trampoline, trampoline_end
trampoline:
	cli
	movw %cs, %ax
	movw %ax, %ds
	lgdtl tramp_gdt_pointer - trampoline
	movl %cr4, %eax
	orl $0x20, %eax
	movl %eax, %cr4
	movl $page_tables, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	xorl %edx, %edx
	movl $0x100, %eax
	wrmsr
	movl $0x80000011, %eax
	movl %eax, %cr0
	ljmpl $SEL_CODE, $ap_64

	.balign 8
tramp_gdt_pointer:
	.word 6 * 8 - 1
	.long gdt
trampoline_end:

	.code64
ap_64:
	movl $SEL_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $1, %eax
	lock xaddl %eax, ap_next
	movl %eax, %edi
	incl %eax
	imulq $AP_STACK_BYTES, %rax, %rax
	leaq ap_stacks(%rax), %rsp
	xorl %ebp, %ebp
	call ap_main
1:	cli
	hlt
	jmp 1b

	.bss
	.balign 4
	.globl ap_next
ap_next:
	.skip 4

	.section .noinit, "aw", @nobits
	.balign 4096
ap_stacks:
	.skip AP_STACK_BYTES * MAX_APS
