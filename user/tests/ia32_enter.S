/* SPDX-License-Identifier: MIT */
/*
 * The 32-bit ways into the kernel, with every register before and after. Same harness as regs.S:
 * what is to be loaded is in regs_in, what is found goes to regs_out; flags last before, first after.
 * The program is linked below 4 GiB, so 32-bit code reaches all of it; ESP is a stack in .bss.
 */
#include "regs.h"

	.bss
	.balign 64
	.globl regs_in, regs_out, ia32_stack
regs_in:	.skip REGS_VEC + 512
	.balign 64
regs_out:	.skip REGS_VEC + 512
	.balign 4096
	.skip 32768
ia32_stack:	.skip 64
kept_sp:	.skip 8

	.data
/* Far pointers: into 32-bit code, and out of it. There DS is null, as in any 64-bit program, so what
 * is read is read through CS. */
to_int80:	.long ia32_at_int80, 0x23
to_syscall:	.long ia32_at_syscall, 0x23
to_sysenter:	.long ia32_at_sysenter, 0x23
to_none:	.long none_32, 0x23
out:	.long ia32_back, 0x33

	.text
.macro each_gpr op
	\op	rax, 0
	\op	rbx, 1
	\op	rcx, 2
	\op	rdx, 3
	\op	rsi, 4
	\op	rdi, 5
	\op	rbp, 6
	\op	rsp, 7
	\op	r8, 8
	\op	r9, 9
	\op	r10, 10
	\op	r11, 11
	\op	r12, 12
	\op	r13, 13
	\op	r14, 14
	\op	r15, 15
.endm
.macro load_one reg, i
	mov	regs_in+REGS_GPR(\i)(%rip), %\reg
.endm
.macro store_one reg, i
	mov	%\reg, regs_out+REGS_GPR(\i)(%rip)
.endm

.macro begin name
	.globl	\name
	.type	\name, @function
\name:
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%ds, regs_in+REGS_SEGS+4(%rip)
	mov	%es, regs_in+REGS_SEGS+6(%rip)
	mov	%fs, regs_in+REGS_SEGS+8(%rip)
	mov	%gs, regs_in+REGS_SEGS+10(%rip)
	mov	%rsp, kept_sp(%rip)
	pushq	regs_in+REGS_FLAGS(%rip)
	popfq
	each_gpr load_one
.endm

/* All ways end here, in 64-bit code, with nothing known but CS. MOV and far JMP leave the flags. */
	.globl	ia32_back
ia32_back:
	each_gpr store_one
	mov	kept_sp(%rip), %rsp
	pushfq
	popq	regs_out+REGS_FLAGS(%rip)
	pushq	$0x202
	popfq
	mov	%ds, regs_out+REGS_SEGS+4(%rip)
	mov	%es, regs_out+REGS_SEGS+6(%rip)
	mov	%fs, regs_out+REGS_SEGS+8(%rip)
	mov	%gs, regs_out+REGS_SEGS+10(%rip)
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret

	begin	ia32_int80_from64
	.globl	ia32_at_int80_from64
ia32_at_int80_from64:
	int	$0x80
	jmp	ia32_back

	begin	ia32_none
	ljmp	*to_none(%rip)
	begin	ia32_int80
	ljmp	*to_int80(%rip)
	begin	ia32_syscall
	ljmp	*to_syscall(%rip)
	begin	ia32_sysenter
	ljmp	*to_sysenter(%rip)

	.code32
	.globl	ia32_at_int80, ia32_at_syscall, ia32_at_sysenter, ia32_after_sysenter
none_32:
	ljmp	*%cs:out
ia32_at_int80:
	int	$0x80
	ljmp	*%cs:out
ia32_at_syscall:
	syscall
	ljmp	*%cs:out
ia32_at_sysenter:
	sysenter
	ud2
	.balign	8
ia32_after_sysenter:
	nop				/* a call may need EDX odd */
	ljmp	*%cs:out
	.code64
	.section .note.GNU-stack, "", @progbits
