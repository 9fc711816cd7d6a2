/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes an ELF file a kernel of one kind, which FORM_name chooses: the note with PVH's entry, or a
 * Multiboot header.
 *
 * Both lead to the 32-bit entry. Without any of them the file has only its ELF entry.
 */
#ifdef FORM_pvh
	.section .note.Xen, "a", @note
	.balign 4
	.long 4, 4, 18			/* name and description bytes, XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long startup_32
#endif

	.section .multiboot, "a"
#ifdef FORM_mb1
#define MB1_FLAGS 3			/* modules on pages, memory information */
	.balign 4
	.long 0x1badb002, MB1_FLAGS, -(0x1badb002 + MB1_FLAGS)
#endif
#ifdef FORM_mb2
	.balign 8
mb2:	.long 0xe85250d6, 0, mb2_end - mb2, -(0xe85250d6 + (mb2_end - mb2))
	.short 1, 0			/* information request: command line, modules, map, RSDP */
	.long 24
	.long 1, 3, 6, 15
	.short 3, 0			/* entry address */
	.long 12
	.long startup_32, 0
	.short 5, 1			/* a framebuffer, optional */
	.long 20
	.long 0, 0, 0, 0
	.short 0, 0
	.long 8
mb2_end:
#endif
	.section .note.GNU-stack, "", @progbits
