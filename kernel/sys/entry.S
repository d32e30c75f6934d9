/* SPDX-License-Identifier: MIT */
/*
 * Between libkaiser's gate and a system call's function. In assembly because it is on every call's way, and
 * so that it and the shortest calls lie in one page, in few lines.
 *
 * Which function: the number is cut to the table's end, where sys_unknown stands, by CMOV, which no CPU
 * predicts: no misprediction reads the table out of bounds. The function is reached by RET from a
 * return address just pushed (a retpoline), not by an indirect branch, whose target user mode could
 * have trained; a tree of compares with direct calls would need none either, but takes some
 * fifteen instructions and three more lines.
 */
#include <kaiser/layout.h>

#include "host_word.h"
#include "syscall_limit.h"

	.section .text.entry, "ax", @progbits
	.balign	64
	.globl kaiser_on_syscall
	.hidden kaiser_on_syscall
	.type kaiser_on_syscall, @function
/* %rdi = struct pt_regs, interrupts off; returns with them off and nothing left to do. */
kaiser_on_syscall:
	pushq	%rbx
	movq	%rdi, %rbx
	sti
	testl	$2, %gs:HOST_WORD_EXIT /* CALL_TRACED */
	jnz	4f
	movslq	KAISER_ORIG_AX(%rdi), %rax /* as in Linux only the lower half counts */
	movl	$SYSCALL_LIMIT, %ecx
	leaq	syscall_table(%rip), %rdx
	cmpq	%rcx, %rax
	cmovaeq	%rcx, %rax
	movq	(%rdx,%rax,8), %rax
	call	call_rax
	movq	%rax, KAISER_AX(%rbx)
	cli
	cmpl	$0, %gs:HOST_WORD_EXIT
	jne	1f
	popq	%rbx
	ret
4:	movq	%rbx, %rdi
	call	syscall_traced
	cli
	/* A traced task always has its exit looked at. */
1:	movq	%rbx, %rdi
	popq	%rbx
	movl	$1, %esi
	jmp	exit_to_user_slow

call_rax:
	call	3f
2:	pause
	lfence
	jmp	2b
3:	movq	%rax, (%rsp)
	ret

	.section .note.GNU-stack, "", @progbits
