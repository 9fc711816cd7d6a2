/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The image's entries: the 32-bit one at +0, which PVH and Multiboot use too, and the 64-bit one at
 * +0x200.
 *
 * Each saves the processor's state in entry_state. Both call payload_main() in long mode, on the
 * payload's own stack and descriptor table, with interrupts off.
 */
#include "payload.h"

	.section .head, "ax"
	.code32
	.globl startup_32
startup_32:
	movl %esi, entry_state + ES_RSI
	movl %ebx, entry_state + ES_RBX
	movl %eax, entry_state + ES_RAX
	movl %esp, entry_state + ES_RSP
	movw %cs, entry_state + ES_CS
	movw %ds, entry_state + ES_DS
	movw %es, entry_state + ES_ES
	movw %ss, entry_state + ES_SS
	movl %cr0, %eax
	movl %eax, entry_state + ES_CR0
	movl %cr4, %eax
	movl %eax, entry_state + ES_CR4
	sgdt entry_state + ES_GDTR
	movl $stack_top, %esp
	pushfl
	popl entry_state + ES_RFLAGS
	movl $32, entry_state + ES_MODE

	/* PML4 -> PDPT -> four directories of 2 MiB pages: maps the first 4 GiB, also for CPL 3. */
	cld
	movl $page_tables, %edi
	xorl %eax, %eax
	movl $2 * 1024, %ecx
	rep stosl
	movl $page_tables + 4096 + 7, page_tables
	movl $page_tables + 2 * 4096 + 7, %eax
	movl $page_tables + 4096, %edi
1:	movl %eax, (%edi)
	addl $4096, %eax
	addl $8, %edi
	cmpl $page_tables + 6 * 4096 + 7, %eax
	jne 1b
	movl $0x87, %eax
	movl $page_tables + 2 * 4096, %edi
2:	movl %eax, (%edi)
	movl $0, 4(%edi)
	addl $8, %edi
	addl $0x200000, %eax
	jnc 2b

	lgdt gdt_pointer
	movl %cr4, %eax
	orl $0x20, %eax
	movl %eax, %cr4
	movl $page_tables, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	movl %eax, entry_state + ES_EFER
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80000000, %eax
	movl %eax, %cr0
	ljmp $SEL_CODE, $common

	.org 0x200
	.code64
	.globl startup_64
startup_64:
	movq %rsi, entry_state + ES_RSI
	movq %rsp, entry_state + ES_RSP
	movw %cs, entry_state + ES_CS
	movw %ds, entry_state + ES_DS
	movw %es, entry_state + ES_ES
	movw %ss, entry_state + ES_SS
	movq %cr0, %rax
	movq %rax, entry_state + ES_CR0
	movq %cr4, %rax
	movq %rax, entry_state + ES_CR4
	sgdt entry_state + ES_GDTR
	movl $0xc0000080, %ecx
	rdmsr
	movl %eax, entry_state + ES_EFER
	movq $stack_top, %rsp
	pushfq
	popq entry_state + ES_RFLAGS
	movl $64, entry_state + ES_MODE
	lgdt gdt_pointer
	pushq $SEL_CODE
	pushq $common
	lretq

common:
	movl $SEL_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movq $stack_top, %rsp
	cld
	movq $bss_start, %rdi
	movq $bss_end, %rcx
	subq %rdi, %rcx
	shrq $3, %rcx
	xorl %eax, %eax
	rep stosq
	call payload_main
1:	hlt
	jmp 1b
