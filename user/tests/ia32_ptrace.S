/* SPDX-License-Identifier: MIT */
/*
 * What tests of a 32-bit tracer trace: a breakpoint with every register known, and what the registers
 * are behind it.
 */
	.macro SEEN reg place
	movl	%\reg, traced_seen + 4 * \place
	.endm

	.text
	.globl traced_body, traced_stop, traced_behind
traced_body:				/* void traced_body(void) */
	pushl	%ebp
	pushl	%ebx
	pushl	%esi
	pushl	%edi
	movl	%esp, saved_sp
	fninit
	fld1
	fldpi
	movl	$0x11111111, %ebx
	movl	$0x22222222, %ecx
	movl	$0x33333333, %edx
	movl	$0x44444444, %esi
	movl	$0x55555555, %edi
	movl	$0x66666666, %ebp
	movl	$0x77777777, %eax
	stc
traced_stop:
	int3
traced_behind:
	SEEN	ebx 0
	SEEN	ecx 1
	SEEN	edx 2
	SEEN	esi 3
	SEEN	edi 4
	SEEN	ebp 5
	SEEN	eax 6
	movl	saved_sp, %esp
	pushfl
	popl	traced_seen + 4 * 7
	fstpl	traced_float
	movups	%xmm3, traced_xmm
	int3
	popl	%edi
	popl	%esi
	popl	%ebx
	popl	%ebp
	ret

	/* In 64-bit code: never comes back. */
	.globl traced_wide, traced_wide_behind
traced_wide:
	movl	$traced_seen, %edi
	ljmp	$0x33, $1f
	.code64
1:	movabsq	$0x1122334455667788, %rbx
	movabsq	$0x99aabbccddeeff00, %r12
	movq	%rsp, %rax
	int3
traced_wide_behind:
	movq	%rbx, (%rdi)
	movq	%r12, 8(%rdi)
	movq	%rsi, 16(%rdi)
	int3
	ud2
	.code32

	.bss
	.globl traced_seen, traced_float, traced_xmm
	.balign	16
traced_xmm:
	.skip	16
traced_seen:
	.skip	32
traced_float:
	.skip	8
saved_sp:
	.skip	4
	.section .note.GNU-stack, "", @progbits
