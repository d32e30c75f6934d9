/* SPDX-License-Identifier: MIT */
/*
 * /init for sweeps: goes round the ways into the kernel for ever, each between two labels, with every
 * general register holding a pattern of its own, and looks at all of them afterwards. A register
 * that changed is a ud2 with no handler: init dies, and the kernel says so.
 */
#define PATTERN(n) (0x0101010101010101 * (n))

	.macro FILL
	movabsq	$PATTERN(0x11), %rbx
	movabsq	$PATTERN(0x22), %rcx
	movabsq	$PATTERN(0x33), %rdx
	movabsq	$PATTERN(0x44), %rsi
	movabsq	$PATTERN(0x55), %rdi
	movabsq	$PATTERN(0x66), %rbp
	movabsq	$PATTERN(0x77), %r8
	movabsq	$PATTERN(0x88), %r9
	movabsq	$PATTERN(0x99), %r10
	movabsq	$PATTERN(0xaa), %r11
	movabsq	$PATTERN(0xbb), %r12
	movabsq	$PATTERN(0xcc), %r13
	movabsq	$PATTERN(0xdd), %r14
	movabsq	$PATTERN(0xee), %r15
	.endm

	.macro SAME reg:req n:req
	pushq	%rax
	movabsq	$PATTERN(\n), %rax
	cmpq	%rax, \reg
	popq	%rax
	je	.Lsame_\@
	ud2
.Lsame_\@:
	.endm

	.macro CHECK_KEPT_BY_SYSCALL
	SAME	%rbx 0x11
	SAME	%rdx 0x33
	SAME	%rsi 0x44
	SAME	%rdi 0x55
	SAME	%rbp 0x66
	SAME	%r8 0x77
	SAME	%r9 0x88
	SAME	%r10 0x99
	SAME	%r12 0xbb
	SAME	%r13 0xcc
	SAME	%r14 0xdd
	SAME	%r15 0xee
	.endm

	.macro CHECK_ALL
	CHECK_KEPT_BY_SYSCALL
	SAME	%rcx 0x22
	SAME	%r11 0xaa
	.endm

	.macro POINT name:req
	.globl \name
\name:
	.endm

	.globl _start
_start:
	movq	%rsp, stack(%rip)
	movl	$13, %eax		/* rt_sigaction(SIGTRAP, &action, NULL, 8) */
	movl	$5, %edi
	leaq	action(%rip), %rsi
	xorl	%edx, %edx
	movl	$8, %r10d
	syscall
	testq	%rax, %rax
	jnz	bad
again:
	/* SYSCALL, back by SYSRET. */
	FILL
	movl	$39, %eax
	stc
	POINT	path_syscall
	syscall
	POINT	path_syscall_end
	cmpq	$1, %rax
	jne	bad
	CHECK_KEPT_BY_SYSCALL
	/* SYSCALL on no stack at all. */
	FILL
	xorl	%esp, %esp
	movl	$39, %eax
	POINT	path_nostack
	syscall
	POINT	path_nostack_end
	testq	%rsp, %rsp
	movq	stack(%rip), %rsp
	jnz	bad
	CHECK_KEPT_BY_SYSCALL
	/* Page fault, back by IRET: the page is given back first. */
	movl	$28, %eax		/* madvise(page, 4096, MADV_DONTNEED) */
	leaq	page(%rip), %rdi
	movl	$4096, %esi
	movl	$4, %edx
	syscall
	FILL
	POINT	path_fault		/* not at the access, which is met twice */
	leaq	page(%rip), %rax
	movb	$1, (%rax)
	POINT	path_fault_end
	CHECK_ALL
	/* Breakpoint: signal handler, rt_sigreturn. */
	FILL
	movabsq	$PATTERN(0x13), %rax
	POINT	path_signal
	int3
	POINT	path_signal_end
	SAME	%rax 0x13
	CHECK_ALL
	cmpq	%rsp, stack(%rip)
	jne	bad
	incq	rounds(%rip)
	jmp	again

bad:
	ud2

handler:
	ret
restorer:
	movl	$15, %eax
	syscall

	.data
action:
	.quad	handler, 0x04000000, restorer, 0	/* SA_RESTORER */
stack:
	.quad	0
	.globl rounds
rounds:
	.quad	0

	.bss
	.balign	4096
page:
	.skip	4096
	.section .note.GNU-stack, "", @progbits
