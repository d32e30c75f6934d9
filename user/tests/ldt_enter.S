/* SPDX-License-Identifier: MIT */
/*
 * Into segments of the LDT and back, for ldt.c. The program is linked below 4 GiB, so 32-bit code
 * reaches all of this by its address.
 *
 * void ldt_enter(void): as struct ldt_call says (ldt.h), SS and ESP are loaded, then CS and EIP by a
 * far jump. The code there ends with a far jump to ldt_back, which notes ESP and RSP and returns.
 */
	.text
	.globl	ldt_enter
ldt_enter:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, saved_rsp
	movl	$0x2b, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	ldt_call + 12, %edx		/* SS */
	movl	ldt_call + 8, %ecx		/* ESP */
	movl	ldt_call + 16, %ebx		/* rounds */
	movl	$0x11111111, %esi
	movl	$0x22222222, %edi
	movl	$0x33333333, %ebp
	movl	%edx, %ss
	movl	%ecx, %esp
	ljmp	*ldt_call

	.globl	ldt_back
ldt_back:
	movq	%rsp, ldt_call + 24
	movl	$0x2b, %ecx
	movl	%ecx, %ss
	movq	saved_rsp, %rsp
	movl	%eax, ldt_call + 32
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret

	.code32
	.globl	ldt_code_trap, ldt_code_spin, ldt_code_push, ldt_code_es
/* A breakpoint, %ebx times; ESP must be the same after each: EAX counts those that were not. */
ldt_code_trap:
	xorl	%eax, %eax
1:	int3
	cmpl	%ecx, %esp
	je	2f
	incl	%eax
2:	decl	%ebx
	jnz	1b
	ljmp	$0x33, $ldt_back

/* Spins %ebx rounds; EAX counts those in which a register was not what it had been. */
ldt_code_spin:
	xorl	%eax, %eax
1:	cmpl	%ecx, %esp
	jne	3f
	cmpl	$0x11111111, %esi
	jne	3f
	cmpl	$0x22222222, %edi
	jne	3f
	cmpl	$0x33333333, %ebp
	je	2f
3:	incl	%eax
2:	decl	%ebx
	jnz	1b
	ljmp	$0x33, $ldt_back

/* Pushes and pops by the stack segment. */
ldt_code_push:
	pushl	$0x12345678
	popl	%eax
	ljmp	$0x33, $ldt_back

/* The word at ES:0 that ldt_call + 20 selects. */
ldt_code_es:
	movl	ldt_call + 20, %eax
	movl	%eax, %es
	movl	%es:0, %eax
	ljmp	$0x33, $ldt_back

	.code16
	.globl	ldt_code_16
ldt_code_16:
	movl	$0x00abcdef, %eax
	ljmpl	$0x33, $ldt_back

	.bss
	.globl	ldt_call
	.balign	8
ldt_call:
	.skip	40
saved_rsp:
	.skip	8

	.section .note.GNU-stack, "", @progbits
