/* SPDX-License-Identifier: GPL-2.0-only */
/* CR4 is written with a bit that no processor has. */
#include "broken.inc"
broken:
	movq %cr4, %rax
	orq $0x8000, %rax
	movq %rax, %cr4
	hlt
