/* SPDX-License-Identifier: MIT */
/*
 * /init for `kaiser storm`: goes for ever round one way into the kernel and back, the one that the
 * word `selected` names. Each path lies between two labels, path_X and path_X_end, with every
 * general register holding a pattern of its own before. Nothing is checked here: storm compares.
 * Between two rounds there is a system call more, after which the kernel must have wiped all.
 *
 *	again		the head of the loop, where storm waits
 *	selected	the address of a do_X
 *	breakpoint	an address for the kernel to break at (debug_breakpoints), or 0
 *
 * For Bochs: SELECTED is the one path's do_X, BREAKS a file of addresses, one for each round; MOVSS: the
 * path of paths_movss.inc is there.
 */
#include "numbers.h"

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

	/* A path: its name begins it, END its end. */
	.macro START name:req
	.globl path_\name
path_\name:
	.endm
	.macro END name:req
	.globl path_\name\()_end
path_\name\()_end:
	jmp	settle
	.endm
	.macro DO name:req
	.globl do_\name
do_\name:
	.endm

	/* The signal handler leads to this label. */
	.macro RESUME label:req
	leaq	\label(%rip), %rax
	movq	%rax, resume(%rip)
	.endm

	.globl _start
_start:
	leaq	stack_top(%rip), %rsp
	leaq	handled(%rip), %rbx
.Lnext_signal:
	movzbl	(%rbx), %edi
	testl	%edi, %edi
	jz	again
	movl	$NR_rt_sigaction, %eax
	leaq	action(%rip), %rsi
	xorl	%edx, %edx
	movl	$8, %r10d
	syscall
	incq	%rbx
	jmp	.Lnext_signal

settle:
	leaq	stack_top(%rip), %rsp
	pushq	$2
	popfq
	xorl	%eax, %eax
	movq	%rax, spoil(%rip)
	movl	$NR_getpid, %eax
	syscall
	.globl again
again:
#ifdef BREAKS				/* the next address of a list, which ends with 0 */
	movq	next_break(%rip), %rax
	movq	(%rax), %rcx
	movq	%rcx, breakpoint(%rip)
	leaq	8(%rax), %rdx
	testq	%rcx, %rcx
	cmovnzq	%rdx, %rax
	movq	%rax, next_break(%rip)
#endif
	movl	$NR_prctl, %eax
	movl	$PR_SWEEP, %edi
	movq	breakpoint(%rip), %rsi
	syscall
	movq	selected(%rip), %rax
	testq	%rax, %rax
	jz	do_syscall
	jmp	*%rax

/* ---- system calls ---- */

DO syscall
	FILL
	movl	$NR_getpid, %eax
	stc
START syscall
	syscall
END syscall

DO nostack
	FILL
	xorl	%esp, %esp
	movl	$NR_getpid, %eax
START nostack
	syscall
END nostack

DO badstack
	FILL
	movabsq	$0x8000000000000000, %rsp
	movl	$NR_getpid, %eax
START badstack
	syscall
END badstack

/* The stack pointer in the window's entry page, where an NMI's frame comes to lie. */
DO winstack
	FILL
	movq	$WINDOW_IST_NMI, %rsp
	movl	$NR_getpid, %eax
START winstack
	syscall
END winstack

DO sysflags
	FILL
	movl	$NR_getpid, %eax
	pushq	$HOSTILE_FLAGS
	popfq
START sysflags
	syscall
END sysflags

/* Single-stepped: the system call first, then #DB until the handler clears TF. */
DO systf
	RESUME	path_systf_end
	FILL
	movl	$NR_getpid, %eax
	pushq	$TF_FLAGS
START systf
	popfq
	syscall
	nop
1:	jmp	1b			/* unless the step was told */
END systf

/* A page fault in the kernel, on the user's memory. */
DO uaccess
	call	drop_page
	FILL
	movl	$NR_getcwd, %eax
	leaq	page(%rip), %rdi
	movl	$4096, %esi
START uaccess
	syscall
END uaccess

/* The first return of a process that shares this memory; the parent waits until it is gone. */
DO thread
	FILL
	movl	$NR_clone, %eax
	movl	$CLONE_VM_VFORK_SIGCHLD, %edi
	xorl	%esi, %esi
	xorl	%edx, %edx
	xorl	%r10d, %r10d
	xorl	%r8d, %r8d
START thread
	syscall
	testl	%eax, %eax
	jz	.Lchild
	.globl path_thread_end
path_thread_end:
	movl	$-1, %edi
	xorl	%esi, %esi
	xorl	%edx, %edx
	xorl	%r10d, %r10d
	movl	$NR_wait4, %eax
	syscall
	jmp	settle
.Lchild:
	xorl	%edi, %edi
	movl	$NR_exit, %eax
	syscall

/* Ends at _start of the new image. */
DO exec
	FILL
	movl	$NR_execve, %eax
	leaq	own_name(%rip), %rdi
	leaq	no_strings(%rip), %rsi
	leaq	no_strings(%rip), %rdx
START exec
	syscall
	ud2

/* ---- system calls of 32-bit programs, with Linux's i386 numbers ---- */

DO int80
	FILL
	movl	$NR32_getpid, %eax
START int80
	int	$0x80
END int80

DO int80flags
	FILL
	movl	$NR32_getpid, %eax
	pushq	$HOSTILE_FLAGS
	popfq
	xorl	%esp, %esp
START int80flags
	int	$0x80
END int80flags

/* From 32-bit code, which has EBP at its stack pointer. */
DO syscall32
	FILL
	movq	$stack32, %rsp
	movl	$NR32_getpid, %eax
	movl	$PATTERN32(0x22), %ebp
	ljmp	*to_syscall32(%rip)

DO sysenter
	FILL
	movl	$path_sysenter_end, %edx	/* where a program without the vDSO goes on */
	movl	$NR32_getpid, %eax
	movq	$stack32, %rsp
	movl	%esp, %ebp
	ljmp	*to_sysenter(%rip)

/* Single-stepped: #DB at CPL 0, on the user's GS and CR3. */
DO sysentertf
	RESUME	path_sysentertf_end
	FILL
	movl	$after_sysentertf, %edx
	movl	$NR32_getpid, %eax
	movq	$stack32, %rsp
	movl	%esp, %ebp
	ljmp	*to_sysentertf(%rip)

	.code32
at_syscall32:
START syscall32
	syscall
	.globl path_syscall32_end
path_syscall32_end:
	ljmp	*%cs:from_32		/* DS is null, as in any 64-bit program */
at_sysenter:
START sysenter
	sysenter
	.globl path_sysenter_end
path_sysenter_end:
	ljmp	*%cs:from_32		/* DS is null, as in any 64-bit program */
at_sysentertf:
	pushl	$TF_FLAGS
START sysentertf
	popfl
	sysenter
after_sysentertf:
	nop
1:	jmp	1b
	.code64
END sysentertf

#include "paths_ldt.inc"
#include "paths_ptrace.inc"
#ifdef MOVSS
#include "paths_movss.inc"
#endif

/* ---- interrupts: storm gives one at the start ---- */

DO user
	FILL
	movabsq	$PATTERN(0xff), %rax
START user
	nop
END user

DO userflags
	FILL
	xorl	%eax, %eax
	pushq	$HOSTILE_FLAGS
	popfq
	xorl	%esp, %esp
START userflags
	nop
END userflags

DO userwin
	FILL
	movq	$WINDOW_IST_NMI, %rsp
START userwin
	nop
END userwin

/* ---- exceptions ---- */

DO fault
	call	drop_page
	FILL
START fault		/* not at the access, which is met twice */
	leaq	page(%rip), %rax
	movb	$1, (%rax)
END fault

DO faultflags
	call	drop_page
	FILL
	leaq	page(%rip), %rax
	pushq	$HOSTILE_FLAGS & ~AC_FLAG
	popfq
	xorl	%esp, %esp
START faultflags
	nop
	movb	$1, (%rax)
END faultflags

DO breakpoint
	RESUME	path_breakpoint_end
	FILL
START breakpoint
	int3
END breakpoint

DO opcode
	RESUME	path_opcode_end
	FILL
START opcode
	ud2
END opcode

DO protection
	RESUME	path_protection_end
	FILL
START protection
	hlt
END protection

/* Only the way back from a signal. */
DO sigreturn
	RESUME	path_sigreturn_end
	movq	$1, spoil(%rip)
	FILL
	int3
END sigreturn

/* ---- returns that fault: sigreturn with what IRET refuses (debug_frames) ---- */

	.macro BAD name:req cs=USER_CS ss=USER_DS ip=0
DO \name
	RESUME	path_bad_end
	movabsq	$\ip, %rax
	movq	%rax, bad_ip(%rip)
	movl	$\cs, bad_cs(%rip)
	movl	$\ss, bad_ss(%rip)
	movq	$2, spoil(%rip)
	FILL
	int3
	ud2
	.endm
	BAD badcs_null cs=3
	BAD badcs_kernel cs=0x13
	BAD badcs_data cs=USER_DS
	BAD badcs_limit cs=0xfff3
	BAD badcs_tss cs=0x43
	BAD badcs_ldt cs=0x37
	BAD badss_null ss=3
	BAD badss_rpl ss=0x28
	BAD badss_kernel ss=0x1b
	BAD badss_code ss=USER_CS
	BAD badss_limit ss=0xfff3
	BAD badss_ldt ss=0x2f
	BAD badrip_noncanonical ip=0x8000000000000000
	BAD badrip_kernel ip=WINDOW_TEXT
END bad

/* ---- what the paths share ---- */

drop_page:
	movl	$NR_madvise, %eax
	leaq	page(%rip), %rdi
	movl	$4096, %esi
	movl	$MADV_DONTNEED, %edx
	syscall
	ret

/* (%edi signal, %rsi siginfo, %rdx ucontext): on at `resume`, selectors and TF mended. The first time
 * after `spoil` was set it does something else: 1: nothing special, but by a path of its own;
 * 2: what IRET refuses. */
handler:
	movq	resume(%rip), %rax
	movq	%rax, UC_RIP(%rdx)
	andl	$~TF_FLAG, UC_FLAGS(%rdx)
	movw	$USER_CS, UC_CS(%rdx)
	movw	$USER_DS, UC_SS(%rdx)
	movq	spoil(%rip), %rcx
	movq	$0, spoil(%rip)
	cmpl	$1, %ecx
	je	.Lplain_return
	cmpl	$2, %ecx
	jne	.Lreturn
	movl	bad_cs(%rip), %eax
	movw	%ax, UC_CS(%rdx)
	movl	bad_ss(%rip), %eax
	movw	%ax, UC_SS(%rdx)
	movq	bad_ip(%rip), %rax
	testq	%rax, %rax
	jz	.Lgood_ip
	movq	%rax, UC_RIP(%rdx)
.Lgood_ip:
	addq	$8, %rsp
	movl	$NR_rt_sigreturn, %eax
START bad
	syscall
.Lplain_return:
	addq	$8, %rsp
	movl	$NR_rt_sigreturn, %eax
START sigreturn
	syscall
.Lreturn:
	ret
restorer:
	movl	$NR_rt_sigreturn, %eax
	syscall

	.section .rodata
handled:
	.byte	4, 5, 7, 11, 0		/* SIGILL SIGTRAP SIGBUS SIGSEGV */
own_name:
	.asciz	"/init"

	.data
	.balign	8
action:
	.quad	handler, SA_SIGINFO_RESTORER, restorer, 0
no_strings:
	.quad	0
to_syscall32:
	.long	at_syscall32, USER32_CS
to_sysenter:
	.long	at_sysenter, USER32_CS
to_sysentertf:
	.long	at_sysentertf, USER32_CS
from_32:
	.long	settle, USER_CS
to_ldtint:
	.long	at_ldtint, LDT_CS32
to_ldtss16:
	.long	at_ldtss16, LDT_CS32
to_ldtfault:
	.long	at_ldtfault, LDT_CS32
to_leave:
	.long	leave, USER_CS
desc_ss32:
	.long	LDT_SS32 >> 3, 0, 0xfffff, DESC_SS32
desc_ss16:
	.long	LDT_SS16 >> 3, 0, 0xfffff, DESC_SS16
desc_cs32:
	.long	LDT_CS32 >> 3, 0, 0xfffff, DESC_CS32
	.globl selected, breakpoint, child
child:
	.quad	0
selected:
#ifdef SELECTED
	.quad	SELECTED
#else
	.quad	0
#endif
breakpoint:
	.quad	0
#ifdef BREAKS
next_break:
	.quad	breaks
breaks:
	.include BREAKS
	.quad	0
#endif
resume:
	.quad	0
spoil:
	.quad	0
bad_ip:
	.quad	0
bad_cs:
	.long	0
bad_ss:
	.long	0
	/* A signal's frame goes below: XSAVE's area with AVX-512 is 2.7 KB. */
	.skip	7000
	.balign	16
stack32:				/* where the kernel finds a 32-bit program's EBP */
	.long	PATTERN32(0x66), 0, 0, 0
stack_top:

	.bss
	.balign	4096
page:
	.skip	4096
	.section .note.GNU-stack, "", @progbits
