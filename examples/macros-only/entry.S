/* SPDX-License-Identifier: MIT */
/*
 * A host with entry code of its own. What both roots map is the trampoline: a page of text and the pages of
 * .tramp.data (IDT, GDT, TSS, entry stacks, the scratch word). From a gate to its CR3 write, and
 * from an exit's CR3 write to IRET, nothing else is touched. One CPU, so that %gs has one value and the
 * scratch word a name; user GS is swapped all the same.
 *
 * This host does by hand what the library's gates do: it makes one view serve both roots, so the text
 * page tells user mode where the kernel lies, and NMIs do not nest. See docs/security.md.
 */
#include <kaiser/cr3.h>
#include <kaiser/layout.h>

	.section .tramp.text, "ax", @progbits
	.globl	entry_syscall, entry_syscall32, entry_paranoid, entry_double_fault, entry_stubs, exit_user

/* No stack, no free register but RSP itself. */
entry_syscall:
/* window opens: user GS, user CR3, user RSP */
	swapgs
	movq	%rsp, scratch_rsp(%rip)
	SWITCH_TO_KERNEL_CR3 scratch_reg=%rsp
/* window closes */
	leaq	kernel_stack_top(%rip), %rsp
	pushq	$KAISER_USER_DS
	pushq	scratch_rsp(%rip)
	pushq	%r11
	pushq	$KAISER_USER_CS
	pushq	%rcx
	pushq	%rax
	pushq	$256			/* "vector" of a system call */
	jmp	kernel_entry

/* Vectors 0 to 31, 16 bytes each: an error code, or 0, then the vector. */
	.balign	16
entry_stubs:
	.set	vector, 0
	.rept	32
	.balign	16, 0xcc
	.if !((0x60227d00 >> vector) & 1)
	pushq	$0
	.endif
	pushq	$vector
	jmp	entry_common
	.set	vector, vector + 1
	.endr

/* On the entry stack: vector, error code, then the CPU's frame. */
entry_common:
	cld
	testb	$3, 24(%rsp)
	jz	entry_from_kernel
/* window opens: user GS, user CR3, entry stack */
	swapgs
	lfence				/* the SWAPGS depended on a branch */
	pushq	%rax
	SWITCH_TO_KERNEL_CR3 scratch_reg=%rax
/* window closes */
	movq	%rsp, %rax		/* vector 8, error 16, frame 24 and up */
	leaq	kernel_stack_top(%rip), %rsp
	pushq	56(%rax)
	pushq	48(%rax)
	pushq	40(%rax)
	pushq	32(%rax)
	pushq	24(%rax)
	pushq	16(%rax)
	pushq	8(%rax)
	movq	(%rax), %rax
	jmp	kernel_entry
entry_from_kernel:			/* this kernel has no exceptions of its own */
	lfence
	jmp	kernel_bug

/* 0(%rsp) vector, 8 error code or number, 16 the frame: on the kernel stack, kernel root. The vector's place
 * becomes RDI's, so a struct pt_regs stands there in the end. */
kernel_entry:
	xchgq	(%rsp), %rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	%rax
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movl	%edi, %esi
	movq	%rsp, %rdi
	call	kernel_event
exit_user:				/* also a program's first return */
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rax
	popq	%rcx
	popq	%rdx
	popq	%rsi
	movq	%rsp, %rdi		/* user RDI 0, number 8, frame 16 and up */
	leaq	entry_stack_top(%rip), %rsp
	pushq	48(%rdi)
	pushq	40(%rdi)
	pushq	32(%rdi)
	pushq	24(%rdi)
	pushq	16(%rdi)
	pushq	(%rdi)
/* window opens: kernel GS, user CR3, entry stack */
	SWITCH_TO_USER_CR3 scratch_reg=%rdi
	popq	%rdi
	swapgs
	iretq
/* window closes */

/* SYSCALL from compatibility mode is closed: ENOSYS, on the user's GS, CR3 and stack pointer. */
entry_syscall32:
	movl	$-38, %eax
	sysretl

/* NMI, #DB and #MC, each on an IST stack, from anywhere: CS says nothing about GS or CR3. The old CR3 stays in
 * %r14, which C would keep; GS is told by its value, since this kernel's is in the upper half and a
 * user's is not (it has no WRFSBASE and no call that sets one). They are counted and go back. */
	.balign	16
entry_paranoid:
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rbx
	pushq	%r14
	SAVE_AND_SWITCH_TO_KERNEL_CR3 scratch_reg=%rax save_reg=%r14
	movl	$0xc0000101, %ecx
	rdmsr
	xorl	%ebx, %ebx
	testl	%edx, %edx
	js	1f
	swapgs
	movl	$1, %ebx
1:	lfence
	movq	%r14, %rax
	shrq	$KAISER_SWITCH_SHIFT, %rax
	andl	$1, %eax
	leaq	events(%rip), %rdx
	incq	(%rdx,%rax,8)		/* under a kernel root, under a user root */
	testl	%ebx, %ebx
	jz	2f
	swapgs
2:	lfence
	RESTORE_CR3 scratch_reg=%rax save_reg=%r14 /* whether or not GS was swapped */
	popq	%r14
	popq	%rbx
	popq	%rdx
	popq	%rcx
	popq	%rax
	iretq

entry_double_fault:
	SWITCH_TO_KERNEL_CR3 scratch_reg=%rax
	jmp	kernel_bug

	.section .tramp.data, "aw", @progbits
	.globl	idt, gdt, tss, entry_stack_top, ist_stacks
	.balign	4096
idt:	.skip	4096
gdt:	.quad	0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff
	.quad	0x00cffb000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff, 0
	.quad	0, 0			/* the TSS, 0x40 */
	.balign	128
tss:	.skip	104
	.balign	16
	.skip	512
entry_stack_top:
ist_stacks:
	.skip	4 * 512			/* NMI, #DB, #MC, #DF */
scratch_rsp:
	.quad	0
	.balign	4096

	.bss
	.balign	16
	.globl	kernel_stack, kernel_stack_top, events
kernel_stack:
	.skip	16384
kernel_stack_top:
events:	.skip	16
	.section .note.GNU-stack, "", @progbits
