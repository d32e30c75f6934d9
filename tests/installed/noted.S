/* SPDX-License-Identifier: MIT */
/* Notes each function of the API that the guest's own files call. functions.inc, which installed.t
 * makes, has a line "FUNCTION name" for each. */
.macro FUNCTION name:req
	.globl	noted_\name
noted_\name:
	movb	$1, flag_\name(%rip)
	jmp	\name
	.data
flag_\name: .byte 0
	.section .rodata
name_\name: .asciz "\name"
	.text
.endm
	.text
#include "functions.inc"
.purgem FUNCTION

/* void print_called(void) */
.macro FUNCTION name:req
	cmpb	$0, flag_\name(%rip)
	je	1f
	leaq	name_\name(%rip), %rdi
	call	called
1:
.endm
	.globl	print_called
print_called:
	pushq	%rbx
#include "functions.inc"
	popq	%rbx
	ret
	.section .note.GNU-stack, "", @progbits
