/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The setup sectors of the bzImage, with the setup header (Linux boot protocol 2.15) in the first
 * one.
 *
 * They contain no code: this image has only its 32-bit and its 64-bit entry.
 */
	.section .setup, "a"
	.code16
setup:
	.org 0x1f1
	.byte 1				/* setup_sects */
	.word 0				/* root_flags */
	.long image_paragraphs		/* syssize */
	.word 0				/* ram_size */
	.word 0xffff			/* vid_mode */
	.word 0				/* root_dev */
	.word 0xaa55			/* boot_flag */
	.byte 0xeb, header_end - 1f	/* jump: its distance is the header's length */
1:	.ascii "HdrS"
	.word 0x020f			/* version */
	.long 0				/* realmode_swtch */
	.word 0				/* start_sys_seg */
	.word version - 0x200		/* kernel_version */
	.byte 0				/* type_of_loader */
	.byte 0x01			/* loadflags: LOADED_HIGH */
	.word 0				/* setup_move_size */
	.long 0x100000			/* code32_start */
	.long 0, 0			/* ramdisk_image, ramdisk_size */
	.long 0				/* bootsect_kludge */
	.word 0				/* heap_end_ptr */
	.byte 0, 0			/* ext_loader_ver, ext_loader_type */
	.long 0				/* cmd_line_ptr */
	.long 0x7fffffff		/* initrd_addr_max */
	.long 0x100000			/* kernel_alignment */
	.byte 0				/* relocatable_kernel: linked for 1 MiB */
	.byte 20			/* min_alignment */
#ifdef ENTRY32
	.word 0				/* xloadflags */
#else
	.word 1				/* xloadflags: XLF_KERNEL_64 */
#endif
	.long 2047			/* cmdline_size */
	.long 0				/* hardware_subarch */
	.quad 0				/* hardware_subarch_data */
	.long 0, 0			/* payload_offset, payload_length */
	.quad 0				/* setup_data */
	.quad 0x100000			/* pref_address */
	.long image_init_bytes		/* init_size */
	.long 0				/* handover_offset */
	.long 0				/* kernel_info_offset */
header_end:
	hlt
	jmp header_end
version:
	.asciz "1.0-payload (kvm's own tests) #1"
	.org 1024
