/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests flat binaries: a guest in real mode that prints its address, its stack and the BIOS's
 * memory sizes, waits for timer ticks, and powers off.
 *
 * It prints on COM1 and through the BIOS's services.
 */
	.code16
	.text
start:
	movw %ss, %bp
	movw %sp, %di
	call 1f
1:	popw %si
	subw $(1b - start), %si		/* the entry's offset in its segment */
	movw %cs, %ax
	movw $(cs_text - start), %bx
	call field
	movw %si, %ax
	movw $(ip_text - start), %bx
	call field
	movw %bp, %ax
	movw $(ss_text - start), %bx
	call field
	movw %di, %ax
	movw $(sp_text - start), %bx
	call field
	movw $(end_text - start), %bx
	call text
	call bios
	movb $0x34, %al			/* sleep type 5, now */
	movw $0x600, %dx
	outb %al, %dx
1:	hlt
	jmp 1b

/* Keeps SI. Its data is at DS:0x600, which is always free. */
bios:	movw $(bios_text - start), %bx	/* teletype */
1:	movb %cs:(%bx,%si), %al
	testb %al, %al
	jz 2f
	movb $0x0e, %ah
	int $0x10
	incw %bx
	jmp 1b
2:	int $0x12
	movw $(kib_text - start), %bx
	call field
	int $0x11
	movw $(equipment_text - start), %bx
	call field
	pushw %si
	xorw %ax, %ax
	movw %ax, %es
	xorl %ebx, %ebx
	xorw %si, %si			/* entries of the memory map */
3:	movl $0xe820, %eax
	movl $0x534d4150, %edx
	movl $20, %ecx
	movw $0x600, %di
	int $0x15
	jc 4f
	incw %si
	testl %ebx, %ebx
	jnz 3b
4:	movw %si, %ax
	popw %si
	movw $(e820_text - start), %bx
	call field
	movw $0xe801, %ax
	int $0x15
	movw %dx, %ax
	movw $(e801_text - start), %bx
	call field
	movb $0x08, %ah			/* no disk: carry */
	movb $0x80, %dl
	int $0x13
	sbbw %ax, %ax
	movw $(disk_text - start), %bx
	call field
	movb $0x01, %ah			/* no key: ZF */
	int $0x16
	movw $0, %ax
	jnz 5f
	incw %ax
5:	movw $(key_text - start), %bx
	call field
	sti				/* until two ticks have passed */
6:	movb $0, %ah
	int $0x1a
	cmpw $2, %dx
	jae 7f
	hlt
	jmp 6b
7:	cli
	movw $(tick_text - start), %bx
	call text
	ret

/* Prints the text at BX, then AX in four hexadecimal digits. */
field:	pushw %ax
	call text
	popw %ax
	movw $4, %cx
1:	rolw $4, %ax
	pushw %ax
	andb $15, %al
	addb $'0', %al
	cmpb $'9', %al
	jbe 2f
	addb $('a' - '9' - 1), %al
2:	call put
	popw %ax
	loop 1b
	ret

text:	movb %cs:(%bx,%si), %al
	incw %bx
	testb %al, %al
	jz 1f
	call put
	jmp text
1:	ret

put:	movw $0x3f8, %dx
	outb %al, %dx
	ret

cs_text:	.asciz "flat cs "
ip_text:	.asciz " ip "
ss_text:	.asciz " ss "
sp_text:	.asciz " sp "
end_text:	.asciz "\n"
bios_text:	.asciz "bios"
kib_text:	.asciz " kib "
equipment_text:	.asciz " equipment "
e820_text:	.asciz " e820 "
e801_text:	.asciz " e801 "
disk_text:	.asciz " disk "
key_text:	.asciz " key "
tick_text:	.asciz " ticks\n"
