/* SPDX-License-Identifier: GPL-2.0-only */
/* Breaks by a call through a list's poison value, which is not a canonical address. */
#include "broken.inc"
broken:
	movq $0xdead000000000122, %rax
	jmp *%rax
