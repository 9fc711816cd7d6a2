/* SPDX-License-Identifier: GPL-2.0-only */
/* Breaks by a division by zero before there is an IDT. */
#include "broken.inc"
broken:
	movl $100, %eax
	call calibrate
calibrate:
	xorl %edx, %edx
	divl %ecx
	hlt
