/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The entry code of vectors 0..63, and the way to CPL 3 and back.
 *
 * Each stub pushes its number (and a zero where the processor pushes no error code), saves the
 * registers that C may change, and calls on_vector(frame).
 *
 * run_at_cpl3() saves the kernel's stack pointer. An undefined instruction at CPL 3 drops the frame
 * and returns from run_at_cpl3(); not every KVM's emulator can do int n.
 */
#include "payload.h"

	.text
	.code64
	.globl vector_stubs
	.balign 16
vector_stubs:
	.set n, 0
	.rept 64
	.balign 16
	.if !(n == 8 || (n >= 10 && n <= 14) || n == 17)
	pushq $0
	.endif
	pushq $n
	jmp vector_common
	.set n, n + 1
	.endr

vector_common:
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	movq %rsp, %rdi
	cld
	call on_vector
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rax
	addq $16, %rsp
	iretq

	/* void run_at_cpl3(void (*fn)(uint64_t), uint64_t arg) */
	.globl run_at_cpl3
run_at_cpl3:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, kernel_rsp
	movq %rdi, %rax
	movq %rsi, %rdi
	pushq $SEL_USER_DATA | 3
	pushq $user_stack_top
	pushq $0x3002			/* IOPL 3, interrupts off */
	pushq $SEL_USER_CODE | 3
	pushq $1f
	iretq
1:	call *%rax
	ud2

	.globl user_return
user_return:
	movq kernel_rsp, %rsp
	movl $SEL_DATA, %eax
	movl %eax, %ss
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret

	.bss
	.balign 8
kernel_rsp:
	.skip 8

	.section .noinit, "aw", @nobits
	.balign 4096
	.skip 8192
user_stack_top:
