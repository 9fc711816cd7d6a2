/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Breaks late: works for some hundred million ticks of the TSC without an exit, then accesses
 * memory that is not mapped.
 */
#include "broken.inc"
broken:
	rdtsc
	mov %eax, %esi
	add $300000000, %esi
work:
	rdtsc
	mov %eax, %edi
	sub %esi, %edi
	js work
	xor %eax, %eax
	xor %edx, %edx
	xor %esi, %esi
	xor %edi, %edi
	call late_access
late_access:
	movabs $0x123456789000, %rbx
	mov 8(%rbx), %rcx
	hlt
