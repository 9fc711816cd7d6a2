/* SPDX-License-Identifier: GPL-2.0-only */
/* Breaks by loading a GDT whose limit cuts off the code segment. */
#include "broken.inc"
broken:
	lgdt gdt_pointer
	pushq $0x10
	pushq $after
	lretq
after:
	hlt
	.data
gdt:	.quad 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
	.word 15
	.quad gdt
