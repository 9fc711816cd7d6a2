/* SPDX-License-Identifier: GPL-2.0-only */
/* Halts the processor with interrupts off. */
#include "broken.inc"
broken:
	cli
	hlt
	jmp broken
