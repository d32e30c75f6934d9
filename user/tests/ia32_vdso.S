/* SPDX-License-Identifier: MIT */
/* Every register of a 32-bit program before and after a call through *vdso_target. */
	.bss
	.balign	4
	.globl	vdso_in, vdso_out, vdso_target, vdso_done
vdso_in:	.skip 32
vdso_out:	.skip 32
vdso_target:	.skip 4

	.text
	.globl	vdso_call, int80_entry
	.type	vdso_call, @function
vdso_call:
	pushl	%ebx
	pushl	%esi
	pushl	%edi
	pushl	%ebp
	movl	vdso_in, %eax
	movl	vdso_in+4, %ebx
	movl	vdso_in+8, %ecx
	movl	vdso_in+12, %edx
	movl	vdso_in+16, %esi
	movl	vdso_in+20, %edi
	movl	vdso_in+24, %ebp
	pushl	vdso_in+28
	popfl
	call	*vdso_target
vdso_done:
	pushfl
	popl	vdso_out+28
	pushl	$0x202
	popfl
	movl	%eax, vdso_out
	movl	%ebx, vdso_out+4
	movl	%ecx, vdso_out+8
	movl	%edx, vdso_out+12
	movl	%esi, vdso_out+16
	movl	%edi, vdso_out+20
	movl	%ebp, vdso_out+24
	popl	%ebp
	popl	%edi
	popl	%esi
	popl	%ebx
	ret

int80_entry:
	int	$0x80
	ret
	.section .note.GNU-stack, "", @progbits
