/* SPDX-License-Identifier: MIT */
/*
 * The 32-bit part of kaiser bench: getpid() by SYSENTER, which only the vDSO's __kernel_vsyscall can
 * do, since SYSENTER does not say where to return. Argument: measured runs, one digit. Exit code 0,
 * or 1 where the kernel offers no such way.
 */
#define AT_SYSINFO 32
#define WARM       200

	.text
	.globl _start
_start:
	movl	%esp, %ebp
	movl	8(%ebp), %esi		/* argv[1] */
	leal	4(%ebp), %edi
1:	addl	$4, %edi		/* to the end of the environment */
	cmpl	$0, (%edi)
	jne	1b
2:	addl	$4, %edi
	cmpl	$0, (%edi)
	jne	2b
	addl	$4, %edi		/* the auxiliary vector */
3:	movl	(%edi), %eax
	testl	%eax, %eax
	jz	absent
	cmpl	$AT_SYSINFO, %eax
	je	4f
	addl	$8, %edi
	jmp	3b
4:	movl	4(%edi), %edi		/* __kernel_vsyscall */
	movl	$WARM, %ebx
5:	movl	$20, %eax		/* getpid */
	call	*%edi
	decl	%ebx
	jnz	5b
	movzbl	(%esi), %ebx
	subl	$'0', %ebx
6:	testl	%ebx, %ebx
	jz	done
	.byte	0x0f, 0x1f, 0x80
	.long	0x4b410001
	movl	$20, %eax
	call	*%edi
	.byte	0x0f, 0x1f, 0x80
	.long	0x4b410002
	decl	%ebx
	jmp	6b
done:
	xorl	%ebx, %ebx
	jmp	7f
absent:
	movl	$1, %ebx
7:	movl	$1, %eax
	int	$0x80
	ud2
	.section .note.GNU-stack, "", @progbits
