/* SPDX-License-Identifier: GPL-2.0-only */
/* A flat binary in real mode: says by COM1 where it runs and on which stack, and powers off. */
	.code16
	.text
start:
	movw %ss, %bp
	movw %sp, %di
	call 1f
1:	popw %si
	subw $(1b - start), %si		/* where we begin in our segment */
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
	movb $0x34, %al			/* sleep type 5, now */
	movw $0x600, %dx
	outb %al, %dx
1:	hlt
	jmp 1b

/* The text at BX, then AX in four hexadecimal digits. */
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
