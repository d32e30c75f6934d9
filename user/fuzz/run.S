/* SPDX-License-Identifier: MIT */
/*
 * Into a sequence and out of it. All state of the caller that the way back needs is in this file's
 * own words: the sequence may have left nothing else as it was.
 */
	.text
	.globl	fuzz_enter, fuzz_resume
	.type	fuzz_enter, @function
/* void fuzz_enter(const struct start *%rdi) */
fuzz_enter:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, saved_rsp(%rip)
	xorl	%eax, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs
	fninit
	ldmxcsr	mxcsr(%rip)
	movq	136(%rdi), %rax
	movq	%rax, target(%rip)
	movb	$1, fuzz_running(%rip)
	pushq	128(%rdi)
	popfq
	movq	0(%rdi), %rax
	movq	8(%rdi), %rcx
	movq	16(%rdi), %rdx
	movq	24(%rdi), %rbx
	movq	40(%rdi), %rbp
	movq	48(%rdi), %rsi
	movq	64(%rdi), %r8
	movq	72(%rdi), %r9
	movq	80(%rdi), %r10
	movq	88(%rdi), %r11
	movq	96(%rdi), %r12
	movq	104(%rdi), %r13
	movq	112(%rdi), %r14
	movq	120(%rdi), %r15
	movq	32(%rdi), %rsp
	movq	56(%rdi), %rdi
	jmp	*target(%rip)

/* The handler comes here, with whatever registers: CS and SS are ours, flags are clean. */
fuzz_resume:
	movq	saved_rsp(%rip), %rsp
	movb	$0, fuzz_running(%rip)
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret
	.size	fuzz_enter, . - fuzz_enter

	.data
	.balign	8
saved_rsp:
	.quad	0
target:
	.quad	0
mxcsr:
	.long	0x1f80
	.globl	fuzz_running
fuzz_running:
	.byte	0
	.section .note.GNU-stack, "", @progbits
