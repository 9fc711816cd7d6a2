/* SPDX-License-Identifier: GPL-2.0-only */
/* The init's program as constant bytes of the launcher's. */
	.section .rodata
	.globl	guest_init_start, guest_init_end
	.balign	16
guest_init_start:
	.incbin	GUEST_INIT
guest_init_end:
	.section .note.GNU-stack, "", @progbits
