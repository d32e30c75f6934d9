/* SPDX-License-Identifier: MIT */
/*
 * The only kernel code that touches user addresses. A fault between uaccess_begin and uaccess_fault
 * that cannot be resolved goes on at uaccess_fault, so no routine here uses the stack or a
 * callee-saved register: all of them can be left from anywhere by the same three instructions.
 * The callers have checked the range: without SMAP only that keeps kernel addresses out.
 */
#include <kaiser/layout.h>

#include "host_word.h"

	.text

	/* With SMAP, EFLAGS.AC allows user accesses. Clobbers flags. */
	.macro USER_OPEN
	cmpb	$0, %gs:HOST_WORD_SMAP
	je	.Lopen\@
	stac
.Lopen\@:
	.endm

	.macro USER_CLOSE
	cmpb	$0, %gs:HOST_WORD_SMAP
	je	.Lclose\@
	clac
.Lclose\@:
	.endm

	.macro FUNCTION name
	.p2align 4
	.globl	\name
	.hidden	\name
	.type	\name, @function
\name:
	.endm

	.globl	uaccess_begin, uaccess_fault
	.hidden	uaccess_begin, uaccess_fault
uaccess_begin:

/* long uaccess_copy(void *dst %rdi, const void *src %rsi, size_t n %rdx): 0 or -EFAULT. */
FUNCTION uaccess_copy
	USER_OPEN
	cmpq	$8, %rdx
	jb	1f
	movq	%rdx, %rcx
	shrq	$3, %rcx
	rep movsq
	andl	$7, %edx
1:	movl	%edx, %ecx
	rep movsb
	xorl	%eax, %eax
	USER_CLOSE
	ret
	.size	uaccess_copy, . - uaccess_copy

/* long uaccess_clear(void *dst %rdi, size_t n %rsi): 0 or -EFAULT. */
FUNCTION uaccess_clear
	USER_OPEN
	xorl	%eax, %eax
	movq	%rsi, %rcx
	shrq	$3, %rcx
	rep stosq
	movl	%esi, %ecx
	andl	$7, %ecx
	rep stosb
	USER_CLOSE
	ret
	.size	uaccess_clear, . - uaccess_clear

/* long uaccess_string(char *dst %rdi, const char *src %rsi, size_t n %rdx): copies up to and with
 * the first zero byte: its offset; n if there is none in n bytes; -EFAULT. */
FUNCTION uaccess_string
	USER_OPEN
	xorl	%eax, %eax
1:	cmpq	%rdx, %rax
	jae	2f
	movb	(%rsi,%rax), %cl
	movb	%cl, (%rdi,%rax)
	testb	%cl, %cl
	jz	2f
	incq	%rax
	jmp	1b
2:	USER_CLOSE
	ret
	.size	uaccess_string, . - uaccess_string

/* long uaccess_cmpxchg32(uint32_t *va %rdi, uint32_t expected %esi, uint32_t desired %edx):
 * 0; 1 if it held another value; -EFAULT. */
FUNCTION uaccess_cmpxchg32
	USER_OPEN
	movl	%esi, %eax
	lock cmpxchgl %edx, (%rdi)
	setne	%al
	movzbl	%al, %eax
	USER_CLOSE
	ret
	.size	uaccess_cmpxchg32, . - uaccess_cmpxchg32

	.p2align 4
uaccess_fault:
	movq	$-14, %rax /* -EFAULT */
	USER_CLOSE
	ret

	.section .note.GNU-stack, "", @progbits
