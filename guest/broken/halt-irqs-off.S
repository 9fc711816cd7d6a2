/* SPDX-License-Identifier: GPL-2.0-only */
/* The processor is halted with interrupts off. */
#include "broken.inc"
broken:
	cli
	hlt
	jmp broken
