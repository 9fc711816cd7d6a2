/* SPDX-License-Identifier: GPL-2.0-only */
/* Breaks by reading an MSR that no processor has, without a fixup. */
#include "broken.inc"
broken:
	movl $0x4b4d4bad, %ecx
	rdmsr
	hlt
