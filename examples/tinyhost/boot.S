/* SPDX-License-Identifier: MIT */
/* From the loader (PVH: 32-bit, paging off, EBX = start info) or from real mode (other CPUs) to C. */
#define PHYS(sym) ((sym) - 0xffffffff80000000)
#define AP_PAGE 0x8000

	.section .note.pvh, "a", @note
	.long	4, 8, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.quad	pvh_entry

	.section .boot, "ax", @progbits
	.code32
	.globl	pvh_entry
pvh_entry:
	cli
	lgdtl	gdt_pointer
	ljmpl	$8, $protected
protected:
	movl	$0x20, %eax		/* PAE */
	movl	%eax, %cr4
	movl	$PHYS(boot_root), %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx	/* EFER: long mode, NX */
	rdmsr
	orl	$0x900, %eax
	wrmsr
	movl	$0x80010033, %eax	/* PG WP NE ET MP PE */
	movl	%eax, %cr0
	ljmpl	$16, $long_mode
	.code64
long_mode:
	movq	$high, %rax
	jmp	*%rax
gdt:	.quad	0, 0x00cf9b000000ffff, 0x00af9b000000ffff

	/* Copied to AP_PAGE: another CPU begins here, in real mode. */
	.code16
	.globl	ap_begin, ap_end
ap_begin:
	cli				/* DS is 0, after INIT */
	lgdtl	AP_PAGE + gdt_pointer - ap_begin
	movl	$0x33, %eax
	movl	%eax, %cr0
	ljmpl	$8, $protected
gdt_pointer:
	.word	23
	.long	gdt
ap_end:

	.text
	.code64
high:	movl	$1, %edi		/* this CPU's number: the next free one */
	lock xaddl %edi, cpus_arrived(%rip)
	cmpl	$8, %edi
	jae	1f			/* one more than there are stacks */
	leal	1(%rdi), %eax
	shll	$14, %eax
	leaq	cpu_stacks(%rip), %rsp
	addq	%rax, %rsp
	movl	%ebx, %esi
	call	tiny_main
1:	hlt
	jmp	1b

	/* Tables to start on, of 1 GiB pages: 4 GiB at 0 and at DIRECT_MAP, the first of them at KERNEL_BASE. */
	.data
	.globl	boot_root, cpu_stacks
	.balign	4096
boot_root:
	.quad	PHYS(boot_low) + 3
	.fill	255, 8, 0
	.quad	PHYS(boot_low) + 3
	.fill	254, 8, 0
	.quad	PHYS(boot_high) + 3
boot_low:
	.quad	0x83, 0x40000083, 0x80000083, 0xc0000083
	.fill	508, 8, 0
boot_high:
	.fill	510, 8, 0
	.quad	0x83, 0
cpus_arrived:
	.long	0
	.bss
	.balign	16
cpu_stacks:
	.skip	8 * 16384
