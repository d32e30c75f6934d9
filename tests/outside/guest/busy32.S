/* SPDX-License-Identifier: MIT */
/* /init of 32 bits: counts a while, calls the kernel, again. */
	.text
	.code32
	.globl	_start
_start:
	movl	$3000000, %ecx
1:	decl	%ecx
	jnz	1b
	movl	$64, %eax		/* getppid */
	int	$0x80
	jmp	_start
	.section .note.GNU-stack, "", @progbits
