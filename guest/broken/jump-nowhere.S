/* SPDX-License-Identifier: GPL-2.0-only */
/* A call through a pointer that was never set up. */
#include "broken.inc"
broken:
	movq $0x00007f0000000000, %rax
	call *%rax
	hlt
