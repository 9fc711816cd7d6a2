/* SPDX-License-Identifier: GPL-2.0-only */
/* Breaks because the code and the data segment are swapped in the GDT. */
#include "broken.inc"
broken:
	lgdt gdt_pointer
	pushq $0x10
	pushq $after
	lretq
after:
	hlt
	.data
gdt:	.quad 0, 0, 0x00cf93000000ffff, 0x00af9b000000ffff
gdt_pointer:
	.word . - gdt - 1
	.quad gdt
