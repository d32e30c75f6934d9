/* SPDX-License-Identifier: MIT */
/*
 * Two hostile programs, copied to USER_CODE. In: r13 = a number of its own, also in its memory; r14 =
 * the window. A fault goes on at r12 with the vector in rax and RSP at the end of the data page.
 */
	.section .rodata
	.globl	user_reader, user_breaker, user_end

/* Does something that must raise `vector`. */
.macro MUST_FAULT vector:req insn:vararg
	leaq	1f(%rip), %r12
	\insn
	jmp	wrong
1:	cmpq	$\vector, %rax
	jne	wrong
.endm

/* A system call with that RSP; what the ABI keeps must be kept. */
.macro CALL_WITH rsp:req
	movq	\rsp, %rsp
	movl	$1, %eax
	syscall
	cmpq	\rsp, %rsp
	jne	wrong
	testq	%rax, %rax
	jne	wrong
.endm

user_reader:				/* wants to see what it must not */
	movq	%r14, %rcx		/* IDT, gate text, kernel text; then each CPU's pages */
	movl	$0x120, %ebx
2:	MUST_FAULT 14, movq (%rcx), %rax
	addq	$0x1000, %rcx
	decl	%ebx
	jnz	2b
	movq	$0xffffffff80100000, %rcx	/* the image */
	MUST_FAULT 14, movq (%rcx), %rax
	MUST_FAULT 14, jmp *%rcx
	movq	$0xffff800000000000, %rcx	/* physical memory */
	MUST_FAULT 14, movq %rax, (%rcx)
	leaq	0x1000(%r14), %rcx		/* the gates */
	MUST_FAULT 14, jmp *%rcx
	call	check
	jmp	user_reader

user_breaker:				/* wants to stop the machine */
	MUST_FAULT 13, cli
	MUST_FAULT 13, movq %rax, %cr3
	MUST_FAULT 13, rdmsr
	MUST_FAULT 13, outb %al, $0xf4
	MUST_FAULT 13, int $0x20
	MUST_FAULT 6, ud2
	MUST_FAULT 3, int3
	xorl	%ebp, %ebp		/* system calls without a stack, and on the gates */
	CALL_WITH %rbp
	leaq	0x1100(%r14), %rbp
	CALL_WITH %rbp
	movl	$0x801000, %esp
	leaq	2f(%rip), %r12
	pushq	$0x244fd7		/* AC, ID, NT, DF, TF: steps into the call */
	movl	$2, %eax
	popfq
	syscall
	jmp	wrong
2:	cmpq	$1, %rax
	jne	wrong
	call	check
	jmp	user_breaker

check:	movl	$1000000, %ecx		/* some time in user mode, for those who look from outside */
	loop	.
	cmpq	%r13, 0x800000		/* its own memory holds its own number */
	jne	wrong
	incq	%r15
	cmpq	$20, %r15
	jne	1f
	movl	$1, %edi
	xorl	%eax, %eax
	syscall				/* all right so far */
1:	ret
wrong:	xorl	%edi, %edi
	xorl	%eax, %eax
	syscall
	jmp	wrong
user_end:
