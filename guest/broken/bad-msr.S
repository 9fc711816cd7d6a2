/* SPDX-License-Identifier: GPL-2.0-only */
/* An MSR that no processor has is read, without a fixup. */
#include "broken.inc"
broken:
	movl $0x4b4d4bad, %ecx
	rdmsr
	hlt
