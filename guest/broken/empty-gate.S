/* SPDX-License-Identifier: GPL-2.0-only */
/* Breaks by an early BUG() with an IDT whose gates are still empty. */
#include "broken.inc"
broken:
	lidt idt_pointer
	call early_setup
early_setup:
	ud2
	.data
	.balign 16
idt:	.skip 512
idt_pointer:
	.word . - idt - 1
	.quad idt
