/* SPDX-License-Identifier: GPL-2.0-only */
/* Loops without end with interrupts off, as an early error path does. */
#include "broken.inc"
broken:
	call early_error
early_error:
	cli
1:	jmp 1b
