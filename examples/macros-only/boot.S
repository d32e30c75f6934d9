/* SPDX-License-Identifier: MIT */
/* From a PVH loader (32-bit, paging off) to C in the kernel half. */
#define PHYS(sym) ((sym) - 0xffffffff80000000)

	.section .note.pvh, "a", @note
	.long	4, 8, 18
	.asciz	"Xen"
	.quad	pvh_entry

	.section .boot, "ax", @progbits
	.code32
	.globl	pvh_entry
pvh_entry:
	cli
	cld
	lgdtl	boot_gdt_pointer
	movl	$0x20, %eax
	movl	%eax, %cr4
	movl	$PHYS(boot_root), %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx	/* EFER: SYSCALL, long mode, NX */
	rdmsr
	orl	$0x901, %eax
	wrmsr
	movl	$0x80010033, %eax
	movl	%eax, %cr0
	ljmpl	$16, $long_mode
	.code64
long_mode:
	movq	$high, %rax
	jmp	*%rax
boot_gdt:
	.quad	0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff
boot_gdt_pointer:
	.word	31
	.long	boot_gdt

	.text
high:	xorl	%eax, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs
	movl	$24, %eax
	movl	%eax, %ss
	leaq	kernel_stack_top(%rip), %rsp
	call	macros_main
	ud2

	/* 1 GiB at 0, at the direct map and at the image's place. */
	.data
	.globl	boot_root
	.balign	4096
boot_root:
	.quad	PHYS(boot_low) + 3
	.fill	255, 8, 0
	.quad	PHYS(boot_low) + 3
	.fill	254, 8, 0
	.quad	PHYS(boot_high) + 3
boot_low:
	.quad	PHYS(boot_pages) + 3
	.fill	511, 8, 0
boot_high:
	.fill	510, 8, 0
	.quad	PHYS(boot_pages) + 3, 0
boot_pages:
	.set	page, 0x83
	.rept	512
	.quad	page
	.set	page, page + 0x200000
	.endr
	.section .note.GNU-stack, "", @progbits
