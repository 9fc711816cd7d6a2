/* SPDX-License-Identifier: GPL-2.0-only */
/* Breaks by setting a bit in CR4 that no processor has. */
#include "broken.inc"
broken:
	movq %cr4, %rax
	orq $0x8000, %rax
	movq %rax, %cr4
	hlt
