/* SPDX-License-Identifier: GPL-2.0-only */
/* Breaks by a call through a pointer that was never set. */
#include "broken.inc"
broken:
	movq $0x00007f0000000000, %rax
	call *%rax
	hlt
