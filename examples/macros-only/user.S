/* SPDX-License-Identifier: MIT */
/* The program, copied to 0x400000: calls and faults, for ever; the kernel decides when it is enough. */
	.section .rodata
	.globl	user_program, user_program_end
.macro MUST_FAULT vector:req insn:vararg
	leaq	1f(%rip), %r12
	\insn
	jmp	wrong
1:	cmpq	$\vector, %rax
	jne	wrong
.endm
user_program:
	movabsq	$0x1234567811223344, %rbx
	movq	%rbx, %r14
	movq	%rbx, %r15
again:	movl	$200, %ebp
calls:	leaq	(%rbx,%rbp), %rdi
	leaq	1(%rdi), %r13
	syscall
	cmpq	%rax, %r13
	jne	wrong
	cmpq	%rbx, %r14
	jne	wrong
	cmpq	%rbx, %r15
	jne	wrong
	decl	%ebp
	jnz	calls
	MUST_FAULT 6, ud2
	MUST_FAULT 3, int3
	MUST_FAULT 13, cli
	movq	$0xffffffff80100000, %rcx
	MUST_FAULT 14, movq (%rcx), %rax
	movq	$0xffff800000100000, %rcx
	MUST_FAULT 14, movq (%rcx), %rax
	xorl	%edi, %edi
	movl	$1, %esi
	syscall
	jmp	again
wrong:	xorl	%edi, %edi
	xorl	%esi, %esi
	syscall
	jmp	wrong
user_program_end:
	.section .note.GNU-stack, "", @progbits
