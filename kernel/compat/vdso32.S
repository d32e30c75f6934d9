/* SPDX-License-Identifier: MIT */
/*
 * The page of code in every 32-bit program: how to call the kernel by instructions that lose
 * registers, and what a signal handler returns to.
 *
 * SYSENTER loses EIP and ESP, SYSCALL loses ECX to EIP. So the caller's ECX, EDX and EBP are pushed;
 * EBP then holds what would be lost, ESP or ECX, and the kernel finds the caller's EBP at (%esp)
 * (entry32.c). It goes on after the INT 0x80 in each case, where the three are popped: with INT 0x80
 * itself that is the same sequence. A call that is restarted runs that INT.
 */
	.section .rodata
	.balign	16
	.code32
	.globl	vdso32_start, vdso32_end, vdso32_sysenter, vdso32_syscall, vdso32_int80
	.globl	vdso32_after_int80, vdso32_sigreturn, vdso32_rt_sigreturn
	.hidden	vdso32_start, vdso32_end, vdso32_sysenter, vdso32_syscall, vdso32_int80
	.hidden	vdso32_after_int80, vdso32_sigreturn, vdso32_rt_sigreturn
vdso32_start:
vdso32_sysenter:
	pushl	%ecx
	pushl	%edx
	pushl	%ebp
	movl	%esp, %ebp
	sysenter
	jmp	vdso32_int			/* never here: should SYSENTER do nothing */

	.balign	16, 0xcc
vdso32_syscall:
	pushl	%ecx
	pushl	%edx
	pushl	%ebp
	movl	%ecx, %ebp
	syscall
	jmp	vdso32_int

	.balign	16, 0xcc
vdso32_int80:
	pushl	%ecx
	pushl	%edx
	pushl	%ebp
vdso32_int:
	int	$0x80
vdso32_after_int80:
	popl	%ebp
	popl	%edx
	popl	%ecx
	ret

/* The bytes of these two are known to debuggers and unwinders. Before the first lies what the frame
 * has below its context: the signal's number, which it pops. */
	.balign	16, 0xcc
vdso32_sigreturn:
	popl	%eax
	movl	$119, %eax
	int	$0x80

	.balign	16, 0xcc
vdso32_rt_sigreturn:
	movl	$173, %eax
	int	$0x80
	.balign	16, 0xcc
vdso32_end:
	.section .note.GNU-stack, "", @progbits
