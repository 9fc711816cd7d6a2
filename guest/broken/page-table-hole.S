/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Breaks because the kernel's own page tables lack one entry: a function reads data that the second
 * level does not map.
 */
#include "broken.inc"
broken:
	/*
	 * 0xffffffff80000000 + 2 MiB * 8: PGD[511] -> PUD[510] -> PMD[8], plus the loader's
	 * identity map
	 */
	movq %cr3, %rsi
	movq $own_tables, %rdi
	movl $512, %ecx
	rep movsq
	movq $own_tables + 0x1003, own_tables + 511 * 8
	movq $own_tables + 0x2003, own_tables + 0x1000 + 510 * 8
	movq $0x83, own_tables + 0x2000 + 8 * 8
	movq $own_tables, %rax
	movq %rax, %cr3
	call start_kernel
start_kernel:
	pushq %rbp
	movq %rsp, %rbp
	call setup_arch
setup_arch:
	pushq %rbp
	movq %rsp, %rbp
	call early_ioremap_init
early_ioremap_init:
	pushq %rbp
	movq %rsp, %rbp
	movq $0xffffffff81000000, %rdi
	movq 0x160a000(%rdi), %rax
	ud2
