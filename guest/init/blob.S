/* SPDX-License-Identifier: GPL-2.0-only */
/* Embeds the init's program in the launcher as constant bytes. */
	.section .rodata
	.globl	guest_init, guest_init_bytes
	.balign	16
guest_init:
	.incbin	GUEST_INIT
end:
	.balign	4
guest_init_bytes:
	.long	end - guest_init
	.section .note.GNU-stack, "", @progbits
