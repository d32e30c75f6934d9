/* SPDX-License-Identifier: MIT */
/*
 * Where another CPU begins: in real mode, at the start of page AP_PAGE, to which smp.c has copied
 * everything between ap_start and ap_end. It goes to protected mode, then straight to long mode on
 * tables that map this page at its physical address beside the kernel half; then to C on the stack
 * that ap_params names. Addresses are computed from AP_PAGE: nothing here is relocated.
 */
#include "ap_start.h"

#define AT(label) (AP_PAGE + (label) - ap_start)

#define CR0_PE (1 << 0)
#define CR0_MP (1 << 1)
#define CR0_NE (1 << 5)
#define CR0_WP (1 << 16)
#define CR0_PG (1 << 31)
#define MSR_EFER 0xc0000080

	.section .rodata.ap, "a"
	.balign 16
	.globl ap_start, ap_end, ap_params
	.hidden ap_start, ap_end, ap_params

	.code16
ap_start:
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	lgdtl	AT(gdt_pointer)
	movl	$(CR0_PE | CR0_MP | CR0_NE), %eax /* caches on: CD and NW are clear */
	movl	%eax, %cr0
	ljmpl	$(gdt_code32 - gdt), $AT(protected)

	.code32
protected:
	movw	$(gdt_data - gdt), %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	AT(ap_params) + AP_CR4, %eax
	movl	%eax, %cr4
	movl	AT(ap_params) + AP_CR3, %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	movl	AT(ap_params) + AP_EFER, %eax
	movl	AT(ap_params) + AP_EFER + 4, %edx
	wrmsr
	movl	$(CR0_PG | CR0_WP | CR0_NE | CR0_MP | CR0_PE), %eax
	movl	%eax, %cr0
	ljmp	$(gdt_code64 - gdt), $AT(long)

	.code64
long:
	xorl	%eax, %eax		/* SS keeps the data selector */
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %fs
	movw	%ax, %gs
	movq	ap_params + AP_STACK(%rip), %rsp
	movq	ap_params + AP_ARG(%rip), %rdi
	movq	ap_params + AP_ENTRY(%rip), %rax
	xorl	%ebp, %ebp
	pushq	$0		/* no return address: backtraces end here */
	jmp	*%rax

	/* The 64-bit selectors are those of the boot CPU, 0x10 and 0x18. */
	.balign 16
gdt:
	.quad	0
gdt_code32:
	.quad	0x00cf9b000000ffff
gdt_code64:
	.quad	0x00af9b000000ffff
gdt_data:
	.quad	0x00cf93000000ffff
gdt_pointer:
	.word	gdt_pointer - gdt - 1
	.long	AT(gdt)

	.balign 8
ap_params:
	.fill	40, 1, 0
ap_end:

	.section .note.GNU-stack, "", @progbits
