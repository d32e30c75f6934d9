/* SPDX-License-Identifier: MIT */
/*
 * Exceptions before libkaiser's IDT is loaded: every one is fatal. A stub pushes the error code
 * where the CPU does not, and its vector; boot_exception() prints struct boot_frame.
 */
#include "asm.h"

/* Vectors with an error code: #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX. */
#define ERROR_CODE_VECTORS 0x60227d00

	.text
	.balign BOOT_STUB_BYTES
	.globl boot_trap_stubs
boot_trap_stubs:
	.set vector, 0
	.rept BOOT_VECTORS
	.balign BOOT_STUB_BYTES, 0xcc
	.if !((ERROR_CODE_VECTORS >> vector) & 1)
	pushq $0
	.endif
	pushq $vector
	jmp boot_trap_common
	.set vector, vector + 1
	.endr
	.balign BOOT_STUB_BYTES, 0xcc

boot_trap_common:
	cld
	movq %rsp, %rdi
	movq %rbp, %rsi
	movq %cr2, %rdx
	andq $-16, %rsp
	call boot_exception
	ud2

	.section .note.GNU-stack, "", @progbits
