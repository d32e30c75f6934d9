/* SPDX-License-Identifier: MIT */
/*
 * /init for sweeps: goes round the ways into the kernel for ever, each between two labels, with every
 * general register holding a pattern of its own, and looks at all of them afterwards. A register
 * that changed is a ud2 with no handler: init dies, and the kernel says so.
 */
#define PATTERN(n)   (0x0101010101010101 * (n))
#define PATTERN32(n) (0x01010101 * (n))

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
	/* Intel's CPUs have no SYSCALL in 32-bit code; TCG has, whatever it calls itself. */
	xorl	%eax, %eax
	cpuid
	cmpl	$0x756e6547, %ebx	/* "Genu" */
	jne	again
	movl	$0x40000000, %eax
	cpuid
	cmpl	$0x54474354, %ebx	/* "TCGT" */
	setne	no_syscall32(%rip)
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
	/* INT 0x80, getpid. */
	FILL
	movl	$20, %eax
	POINT	path_int80
	int	$0x80
	POINT	path_int80_end
	cmpq	$1, %rax
	jne	bad
	CHECK_ALL
	/* SYSCALL and SYSENTER from 32-bit code, with a stack there. A program without the vDSO goes on
	 * behind the one, and after the other where EDX says. */
	cmpb	$0, no_syscall32(%rip)
	jne	1f
	FILL
	movq	$stack32, %rsp
	movl	$20, %eax
	movl	$PATTERN32(0x22), %ebp
	ljmp	*to_syscall32(%rip)
after_syscall32:
	movq	stack(%rip), %rsp
	cmpq	$1, %rax
	jne	bad
	movl	$PATTERN32(0x66), %eax
	cmpq	%rax, %rbp
	jne	bad
	movl	$PATTERN32(0x22), %eax
	cmpq	%rax, %rcx
	jne	bad
	movabsq	$PATTERN(0x66), %rbp
	CHECK_KEPT_BY_SYSCALL
1:	FILL
	movq	$stack32, %rsp
	movl	%esp, %ebp
	movl	$path_sysenter_end, %edx
	movl	$20, %eax
	ljmp	*to_sysenter(%rip)
after_sysenter:
	movq	stack(%rip), %rsp
	cmpq	$1, %rax
	jne	bad
	movl	$PATTERN32(0x66), %eax
	cmpq	%rax, %rbp
	jne	bad
	movabsq	$PATTERN(0x66), %rbp
	movabsq	$PATTERN(0x33), %rdx
	CHECK_ALL
	incq	rounds(%rip)
	jmp	again

bad:
	ud2

	.code32
at_syscall32:
	POINT	path_syscall32
	syscall
	POINT	path_syscall32_end
	ljmp	*from_syscall32
at_sysenter:
	POINT	path_sysenter
	sysenter
	POINT	path_sysenter_end
	ljmp	*from_sysenter
	.code64

handler:
	ret
restorer:
	movl	$15, %eax
	syscall

	.data
action:
	.quad	handler, 0x04000000, restorer, 0	/* SA_RESTORER */
to_syscall32:
	.long	at_syscall32, 0x23
from_syscall32:
	.long	after_syscall32, 0x33
to_sysenter:
	.long	at_sysenter, 0x23
from_sysenter:
	.long	after_sysenter, 0x33
stack32:				/* where the kernel finds the program's EBP */
	.long	PATTERN32(0x66)
stack:
	.quad	0
	.globl rounds
rounds:
	.quad	0

	.bss
	.balign	4096
page:
	.skip	4096
no_syscall32:
	.skip	1
	.section .note.GNU-stack, "", @progbits
