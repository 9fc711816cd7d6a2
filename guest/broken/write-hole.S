/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Breaks like a driver that writes to a missing device, reads back ones, and gives up with BUG().
 */
#include "broken.inc"
broken:
	movl $0xd8000000, %edi
	movl $1, 0x10(%rdi)
	movl 0x14(%rdi), %eax
	movb $0x55, %al
	outb %al, $0x80
	ud2
