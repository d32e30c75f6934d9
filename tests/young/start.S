/* SPDX-License-Identifier: MIT */
/*
 * A young kernel: multiboot, one CPU, 64 bits at -2 GiB. Its entry code lies in one page, which
 * user mode's root maps; the page after next belongs to the kernel's root alone and holds what the
 * entry code needs there. Both are seen at two places, in the image and in the window, at the same
 * distance, so the code is right at either.
 */
#define KBASE   0xffffffff80000000
#define PHYS(x) ((x) - KBASE)

	.section .multiboot, "ax"
	.code32
	.globl start
header:
	.long	0x1badb002, 0x10000, -(0x1badb002 + 0x10000)
	.long	PHYS(header), PHYS(image), PHYS(image_end), PHYS(bss_end), PHYS(start)
start:
	cli
	movl	$PHYS(boot_stack_end), %esp
	pushl	%ebx			/* multiboot's information */
	movl	$PHYS(boot_pd), %edi
	movl	$0x83, %eax
1:	movl	%eax, (%edi)		/* the first GiB, by 2 MiB */
	addl	$0x200000, %eax
	addl	$8, %edi
	cmpl	$PHYS(boot_pd) + 4096, %edi
	jb	1b
	movl	$PHYS(boot_pd) + 3, PHYS(boot_pdpt)
	movl	$PHYS(boot_pd) + 3, PHYS(boot_pdpt) + 510 * 8
	movl	$PHYS(boot_pdpt) + 3, PHYS(boot_pml4)
	movl	$PHYS(boot_pdpt) + 3, PHYS(boot_pml4) + 511 * 8
	movl	$PHYS(boot_pml4), %eax
	movl	%eax, %cr3
	movl	$0x20, %eax		/* PAE */
	movl	%eax, %cr4
	movl	$0xc0000080, %ecx
	movl	$0x900, %eax		/* LME, NXE; no SYSCALL */
	xorl	%edx, %edx
	wrmsr
	movl	$0x80010011, %eax	/* PG, WP, PE */
	movl	%eax, %cr0
	popl	%ebx
	lgdt	PHYS(boot_gdtr)
	ljmp	$8, $PHYS(1f)
	.code64
1:	movabsq	$2f, %rax
	jmp	*%rax
2:	movq	$boot_stack_end, %rsp
	xorl	%eax, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%ebx, %edi
	call	main
	hlt

	.data
	.balign	8
boot_gdt:
	.quad	0, 0x00209b0000000000
boot_gdtr:
	.word	15
	.long	PHYS(boot_gdt)

	.bss
	.balign	4096
boot_pml4:	.skip 4096
boot_pdpt:	.skip 4096
boot_pd:	.skip 4096
		.skip 8192
boot_stack_end:

/* ---- entry: visible to user mode ---- */

	.section .entry, "awx"
	.balign	4096
	.globl	entry_text, entry_int80, entry_far, entry_other
entry_text:
entry_int80:
	pushq	%rax
	pushq	%r14
	pushq	%r15
	movq	%cr3, %rax
	andq	$~0x1000, %rax
2:	movq	%rax, %cr3
	popq	%r15
	popq	%r14
	popq	%rax
	movq	%rsp, private + 8(%rip)	/* the hardware's frame */
	movq	private + 16(%rip), %rsp
	pushq	%rax
	pushq	%rbx
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%rbp
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, %rdi
	movq	private + 8(%rip), %rsi
	call	*private(%rip)
	.globl	entry_exit
entry_exit:
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rbp
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rbx
	movq	private + 8(%rip), %rsp
	pushq	private + 32(%rip)	/* RAX */
	movq	private + 24(%rip), %rax
	movq	%rax, %cr3
	popq	%rax
	iretq
entry_far:				/* the root from the last words of the stack's page */
	pushq	%rax
	pushq	%r14
	pushq	%r15
	movq	entry_text + 0x2ff0(%rip), %rax
	jmp	2b
entry_other:
	hlt
	jmp	entry_other
	.balign	4096

/* ---- the kernel's alone ---- */

	.skip	8192
	.globl	private
private:
	.skip	4096

/* ---- user mode ---- */

	.section .rodata
	.globl	user_code, user_code_end
user_code:
	cmpl	$2, %edi		/* no system calls */
	je	user_code
	movabsq	$0x1111222233334444, %r14
	movabsq	$0x5555666677778888, %r15
	testl	%edi, %edi
	jz	1f
	movabsq	$0x2123456789abcdef, %r14
	movabsq	$0x6fedcba987654321, %r15
1:	movl	$300000, %ecx
2:	decl	%ecx
	jnz	2b
	int	$0x80
	jmp	1b
user_code_end:
	.section .note.GNU-stack, "", @progbits
