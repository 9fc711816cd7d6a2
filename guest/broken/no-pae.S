/* SPDX-License-Identifier: GPL-2.0-only */
/* Breaks by turning paging on for long mode before CR4.PAE is set (32-bit entry). */
#include "broken.inc"
	.code32
broken:
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80000000, %eax
	movl %eax, %cr0
	hlt
