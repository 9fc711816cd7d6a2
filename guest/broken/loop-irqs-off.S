/* SPDX-License-Identifier: GPL-2.0-only */
/* An early error path: it has switched interrupts off and goes round for ever. */
#include "broken.inc"
broken:
	call early_error
early_error:
	cli
1:	jmp 1b
