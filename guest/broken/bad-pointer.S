/* SPDX-License-Identifier: GPL-2.0-only */
/* A call through a list's poison, which is no canonical address. */
#include "broken.inc"
broken:
	movq $0xdead000000000122, %rax
	jmp *%rax
