/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Implements the smallest BIOS that a kernel's setup code needs in real mode on its way to
 * protected mode.
 *
 * x86/boot/bios_area.c places it at BIOS_GPA, fills in the table at its head, and starts the
 * processor at post.
 * - INT 10h: teletype goes to COM1; a text mode of 80 by 25, and no better adapter.
 * - INT 11h, 12h, 1Ah: from the BIOS's data.
 * - INT 13h: there is no disk.
 * - INT 15h: memory (E820, E801, 88), A20 (2400 to 2403), wait (86), EC00.
 * - INT 16h: COM1's input replaces the keyboard.
 *
 * All other functions return with carry set and AH = 86h, "no such function".
 *
 * See Ralf Brown's interrupt list; for E820 ACPI 6.5, 15.1. The code is assembled into the launcher
 * as data: it refers to nothing outside itself, and every address is an offset from bios_start, to
 * which CS points. DS, ES and SS:SP are the caller's.
 */
#include "guest/bioshead.h"

#define COM1 0x3f8
#define LSR 5
#define LSR_DR 0x01
#define LSR_THRE 0x20
#define PIC1 0x20
#define PIC2 0xa0
#define EOI 0x20

/* In the BIOS's data area, from segment 0. */
#define TICKS 0x46c
#define EQUIPMENT 0x410
#define BASE_KIB 0x413

/* The caller's flags, above what an INT and `pushw %bp; movw %sp, %bp` push. */
#define CALLER_FLAGS 6(%bp)
#define CARRY 0x01
#define ZERO 0x40
#define INTERRUPTS 0x200

#define AT(label) ((label) - bios_start)

	.section .rodata.bios, "a"
	.balign 16
	.globl bios_start, bios_bytes
	.code16
bios_start:
/* struct bios_head, see guest/bioshead.h */
head:	.word AT(post), AT(ignore), AT(tick), AT(irq), AT(irq_slave)
	.word AT(int10), AT(int11), AT(int12), AT(int13), AT(int15), AT(int16), AT(int1a)
go_ip:	.word 0
go_cs:	.word 0
go_ds:	.word 0
go_sp:	.word 0
low_kib: .long 0			/* of RAM from 1 MiB to the hole */
nr_e820: .word 0
	.word 0
e820:	.skip BIOS_E820_ENTRIES * BIOS_E820_BYTES

/*
 * Sets the 8259s and the timer as a PC's BIOS does, then jumps to where the boot protocol begins.
 * Interrupts stay off.
 */
post:	movb $0x11, %al
	outb %al, $PIC1
	outb %al, $PIC2
	movb $0x08, %al			/* vectors */
	outb %al, $PIC1 + 1
	movb $0x70, %al
	outb %al, $PIC2 + 1
	movb $0x04, %al			/* the second 8259 is on line 2 */
	outb %al, $PIC1 + 1
	movb $0x02, %al
	outb %al, $PIC2 + 1
	movb $0x01, %al
	outb %al, $PIC1 + 1
	outb %al, $PIC2 + 1
	movb $0xfa, %al			/* masks all except the timer and the second 8259 */
	outb %al, $PIC1 + 1
	movb $0xff, %al
	outb %al, $PIC2 + 1
	movb $0x36, %al			/* channel 0: square wave, 65536: 18.2 Hz */
	outb %al, $0x43
	xorw %ax, %ax
	outb %al, $0x40
	outb %al, $0x40
	movw %cs:AT(go_ds), %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %fs
	movw %ax, %gs
	movw %ax, %ss
	movzwl %cs:AT(go_sp), %esp
	xorl %eax, %eax
	movl %eax, %ebx
	movl %eax, %ecx
	movl $0x80, %edx		/* the disk that a boot sector would have come from */
	movl %eax, %esi
	movl %eax, %edi
	movl %eax, %ebp
	ljmp *%cs:AT(go_ip)

/* ---- interrupts of the hardware ---- */

tick:	pushw %ax
	pushw %ds
	xorw %ax, %ax
	movw %ax, %ds
	incl TICKS
	popw %ds
	int $0x1c
	jmp 1f
irq_slave:
	pushw %ax
	movb $EOI, %al
	outb %al, $PIC2
	jmp 1f
irq:	pushw %ax
1:	movb $EOI, %al
	outb %al, $PIC1
	popw %ax
ignore:	iret

/* ---- how a service ends ---- */

/* Each service begins with `pushw %bp; movw %sp, %bp`, and ends with a jump to one of these. */
good:	andw $~CARRY, CALLER_FLAGS
	popw %bp
	iret
no_function:
	movb $0x86, %ah
bad:	orw $CARRY, CALLER_FLAGS
	popw %bp
	iret

/* ---- INT 10h: video ---- */

int10:	pushw %bp
	movw %sp, %bp
	cmpb $0x0e, %ah
	je teletype
	cmpb $0x13, %ah
	je write_string
	cmpb $0x0f, %ah
	je get_mode
	cmpb $0x03, %ah
	je get_cursor
	cmpb $0x08, %ah
	jne good			/* AH = 12h, 1Ah, 4Fh: unchanged means no EGA, VGA, VESA */
	movw $0x0720, %ax		/* a blank at the cursor */
	jmp good
teletype:
	call put
	jmp good
get_mode:
	movw $0x5003, %ax		/* 80 columns, mode 3 */
	movb $0, %bh
	jmp good
get_cursor:
	movw $0x0607, %cx
	xorw %dx, %dx
	jmp good
/* Writes CX characters at ES:BP, with attributes between them if AL has bit 1. */
write_string:
	pushw %ax
	pushw %cx
	pushw %si
	movw (%bp), %si			/* the caller's BP */
	movb %al, %ah
	jcxz 2f
1:	movb %es:(%si), %al
	call put
	incw %si
	testb $2, %ah
	jz 3f
	incw %si
3:	loop 1b
2:	popw %si
	popw %cx
	popw %ax
	jmp good

/* Writes AL to COM1, as soon as it has room. */
put:	pushw %dx
	pushw %ax
	movw $COM1 + LSR, %dx
1:	inb %dx, %al
	testb $LSR_THRE, %al
	jz 1b
	popw %ax
	movw $COM1, %dx
	outb %al, %dx
	popw %dx
	ret

/* ---- INT 11h, 12h: equipment, memory below 640 KiB ---- */

int11:	pushw %ds
	xorw %ax, %ax
	movw %ax, %ds
	movw EQUIPMENT, %ax
	popw %ds
	iret
int12:	pushw %ds
	xorw %ax, %ax
	movw %ax, %ds
	movw BASE_KIB, %ax
	popw %ds
	iret

/* ---- INT 13h: disks ---- */

int13:	pushw %bp
	movw %sp, %bp
	cmpb $0x08, %ah
	jne 1f
	xorw %dx, %dx			/* the number of drives */
1:	movb $0x01, %ah
	jmp bad

/* ---- INT 15h: the system ---- */

int15:	pushw %bp
	movw %sp, %bp
	cmpw $0xe820, %ax
	je e820_entry
	cmpw $0xe801, %ax
	je e801
	cmpb $0x88, %ah
	je extended
	cmpb $0x24, %ah
	je a20
	cmpw $0xec00, %ax		/* the kernel's intended mode: accepted and ignored */
	je ok_ah0
	cmpb $0x86, %ah
	je wait
	jmp no_function
ok_ah0:	movb $0, %ah
	jmp good

/* EBX: the number of the entry, from 0; the entry's bytes go to ES:DI. */
e820_entry:
	cmpl $0x534d4150, %edx		/* "SMAP" */
	jne no_function
	cmpl $BIOS_E820_BYTES, %ecx
	jb no_function
	cmpw %cs:AT(nr_e820), %bx
	jae no_function
	pushw %si
	pushw %di
	pushw %ds
	pushw %cs
	popw %ds
	imulw $BIOS_E820_BYTES, %bx, %si
	addw $AT(e820), %si
	movw $BIOS_E820_BYTES / 2, %cx
	cld
	rep movsw
	popw %ds
	popw %di
	popw %si
	movl $BIOS_E820_BYTES, %ecx
	movl %edx, %eax
	incw %bx
	cmpw %cs:AT(nr_e820), %bx
	jb good
	xorl %ebx, %ebx
	jmp good

/* AX, CX: KiB from 1 to 16 MiB; BX, DX: 64 KiB above. */
e801:	movl %cs:AT(low_kib), %eax
	xorl %ebx, %ebx
	cmpl $0x3c00, %eax
	jbe 1f
	movl %eax, %ebx
	subl $0x3c00, %ebx
	shrl $6, %ebx
	movl $0x3c00, %eax
1:	movl %eax, %ecx
	movl %ebx, %edx
	jmp good
extended:
	movl %cs:AT(low_kib), %eax
	cmpl $0xfc00, %eax
	jbe good
	movw $0xfc00, %ax
	jmp good

/* A20 is always on, and the guest cannot turn it off. */
a20:	cmpb $0x02, %al
	je a20_state
	cmpb $0x03, %al
	je a20_how
	cmpb $0x01, %al
	je ok_ah0
	jmp no_function
a20_state:
	movw $1, %ax
	jmp good
a20_how:
	movw $2, %bx			/* by port 92h */
	jmp ok_ah0

/* CX:DX microseconds, by the timer's ticks: 55 ms each, rounded up. */
wait:	sti
	pushl %eax
	pushl %edx
	pushw %ds
	movzwl %dx, %edx
	movzwl %cx, %eax
	shll $16, %eax
	orl %edx, %eax
	shrl $15, %eax			/* 33 ms: never too few */
	incl %eax
	xorw %dx, %dx
	movw %dx, %ds
	addl TICKS, %eax
1:	hlt
	cmpl %eax, TICKS
	js 1b
	popw %ds
	popl %edx
	popl %eax
	jmp good

/* ---- INT 16h: the keyboard, which is COM1 ---- */

int16:	pushw %bp
	movw %sp, %bp
	andb $0xef, %ah			/* the enhanced functions 10h to 12h are 0 to 2 here */
	jz get_key
	cmpb $0x01, %ah
	je peek_key
	cmpb $0x02, %ah
	jne good
	movb $0, %al			/* no shift key is down */
	jmp good
/* Waits for the next tick if the caller takes interrupts; otherwise there may be none. */
1:	testw $INTERRUPTS, CALLER_FLAGS
	jz get_key
	sti
	hlt
	cli
get_key:
	call have_key
	jz 1b
	pushw %dx
	movw $COM1, %dx
	inb %dx, %al
	popw %dx
	movb $0x1c, %ah			/* some scan code: that of Enter */
	jmp good
/*
 * The byte stays in the 8250 until get_key reads it, so peek_key cannot know it and returns a
 * blank.
 */
peek_key:
	call have_key
	movw $0x3920, %ax
	jnz 1f
	orw $ZERO, CALLER_FLAGS
	jmp good
1:	andw $~ZERO, CALLER_FLAGS
	jmp good
have_key:
	pushw %dx
	pushw %ax
	movw $COM1 + LSR, %dx
	inb %dx, %al
	testb $LSR_DR, %al
	popw %ax
	popw %dx
	ret

/* ---- INT 1Ah: time ---- */

int1a:	pushw %bp
	movw %sp, %bp
	cmpb $0x00, %ah
	jne no_function
	pushw %ds
	pushw $0
	popw %ds
1:	movw TICKS + 2, %cx		/* again if a tick has come between */
	movw TICKS, %dx
	cmpw TICKS + 2, %cx
	jne 1b
	popw %ds
	movb $0, %al			/* midnight has not passed */
	jmp good
	.balign 4
bios_bytes:
	.long . - bios_start
	.section .note.GNU-stack, "", @progbits
