/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest with which launchers are measured: a bzImage of 8 KiB that each of them can start.
 *
 * They enter it at the 16-bit entry of the boot protocol (as firmware and kvmtool do) or at the
 * 32-bit one. It runs in flat protected mode without paging.
 *
 * It prints "up", runs the loop that the command line's word with an @ names, prints "end", and
 * resets the machine:
 *
 *	@h	nothing
 *	@pN	N reads of a port: COM1's line status, the port that a booting kernel reads most
 *	@sN	N reads of COM1's scratch register, which has no effect on anything else
 *	@mN	N reads of memory without a device, at 0xe0000000
 *	@oN	N bytes of console output, by polling, as Linux's console does
 *
 * Between the marker's words and the loops there is no other code, so two values of N give the cost
 * of one access.
 */
#define COM1 0x3f8
#define LSR 5
#define SCRATCH 7
#define CMD_LINE_PTR 0x228
#define LOAD 0x100000

	.text
	.code16
setup:
	.org 0x1f1
	.byte 1				/* setup_sects */
	.word 0				/* root_flags */
	.long (end_of_image - image + 15) / 16 /* syssize */
	.word 0, 0xffff, 0		/* ram_size, vid_mode, root_dev */
	.word 0xaa55
	.byte 0xeb, real - 1f		/* the 16-bit entry */
1:	.ascii "HdrS"
	.word 0x020f
	.long 0				/* realmode_swtch */
	.word 0, 0			/* start_sys_seg, kernel_version */
	.byte 0, 1			/* type_of_loader, loadflags: LOADED_HIGH */
	.word 0				/* setup_move_size */
	.long LOAD			/* code32_start */
	.long 0, 0			/* the initrd */
	.long 0				/* bootsect_kludge */
	.word 0				/* heap_end_ptr */
	.byte 0, 0			/* ext_loader_ver, ext_loader_type */
	.long 0				/* cmd_line_ptr */
	.long 0x7fffffff		/* initrd_addr_max */
	.long LOAD			/* kernel_alignment */
	.byte 0, 20			/* relocatable_kernel, min_alignment */
	.word 0				/* xloadflags: no 64-bit entry */
	.long 2047			/* cmdline_size */
	.long 0				/* hardware_subarch */
	.quad 0				/* hardware_subarch_data */
	.long 0, 0			/* payload_offset, payload_length */
	.quad 0				/* setup_data */
	.quad LOAD			/* pref_address */
	.long 0x10000			/* init_size */
	.long 0, 0			/* handover_offset, kernel_info_offset */

/* DS is the segment of the setup sectors, which also hold the command line's address. */
real:
	cli
	movw %ds, %ax
	movzwl %ax, %esi
	shll $4, %esi
	lgdtl gdt_pointer - setup
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $0x10, $LOAD

	.balign 8
gdt_pointer:
	.word gdt_end - gdt - 1
	.long LOAD + gdt - image
	.org 0x400

	.code32
image:
	movl $0x18, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $(LOAD + 0x8000), %esp
	movl CMD_LINE_PTR(%esi), %esi
	movl $(LOAD + up - image), %edi
	call print

	/* %bl: the letter after the @; %ecx: the number after that */
1:	lodsb
	cmpb $0, %al
	je finish
	cmpb $'@', %al
	jne 1b
	lodsb
	movb %al, %bl
	xorl %ecx, %ecx
2:	movzbl (%esi), %eax
	incl %esi
	subl $'0', %eax
	cmpl $9, %eax
	ja 3f
	imull $10, %ecx
	addl %eax, %ecx
	jmp 2b

3:	jecxz finish
	movw $(COM1 + LSR), %dx
	cmpb $'p', %bl
	je ports
	movw $(COM1 + SCRATCH), %dx
	cmpb $'s', %bl
	je ports
	cmpb $'m', %bl
	je memory
	cmpb $'o', %bl
	je output
finish:
	movl $(LOAD + bye - image), %edi
	call print
	movb $0xfe, %al			/* the keyboard controller's reset line */
	outb %al, $0x64
	movw $0xcf9, %dx		/* reset control, for those without */
	movb $2, %al
	outb %al, %dx
	movb $6, %al
	outb %al, %dx
	lidt LOAD + no_idt - image	/* and a triple fault where neither works */
	int3

ports:
	inb %dx, %al
	decl %ecx
	jnz ports
	jmp finish

memory:
	movl $0xe0000000, %ebx
1:	movl (%ebx), %eax
	decl %ecx
	jnz 1b
	jmp finish

output:	/* lines of 64 bytes */
	movb $'\n', %bl
	testb $63, %cl
	jz 1f
	movb $'.', %bl
1:	call put
	decl %ecx
	jnz output
	movl $(LOAD + newline - image), %edi
	call print
	jmp finish

/* Sends the string at %edi, then waits until it is sent, as Linux does after each line. */
print:
	movb (%edi), %bl
	incl %edi
	testb %bl, %bl
	jz wait
	call put
	jmp print

/* %bl */
put:
	call wait
	movw $COM1, %dx
	movb %bl, %al
	outb %al, %dx
	ret

wait:
	movw $(COM1 + LSR), %dx
1:	inb %dx, %al
	testb $0x20, %al
	jz 1b
	ret

up:	.asciz "up\n"
bye:	.asciz "end\n"
newline: .asciz "\n"
no_idt:	.word 0
	.long 0
	.balign 8
gdt:	.quad 0, 0
	.quad 0x00cf9b000000ffff	/* 0x10, code */
	.quad 0x00cf93000000ffff	/* 0x18, data */
gdt_end:
	.org 0x2000			/* kvmtool refuses a shorter bzImage: sizeof(boot_params) */
end_of_image:
