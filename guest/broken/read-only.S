/* SPDX-License-Identifier: GPL-2.0-only */
/* Breaks by writing to the kernel's own text, which is mapped read-only. */
#include "broken.inc"
broken:
	movq %cr3, %rax
	movq (%rax), %rax
	andq $~0xfff, %rax
	movq (%rax), %rax
	andq $~0xfff, %rax
	andq $~2, 8(%rax)
	movq %cr3, %rax
	movq %rax, %cr3
	movq %cr0, %rax
	orq $0x10000, %rax
	movq %rax, %cr0
	movl $0x200000, %edi
	movb $0x90, 0x40(%rdi)
	hlt
