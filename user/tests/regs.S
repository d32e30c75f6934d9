/* SPDX-License-Identifier: MIT */
#include "regs.h"

	.bss
	.balign 64
	.globl regs_in, regs_out, regs_avx, regs_count, regs_bad
regs_in:	.skip REGS_VEC + 512
	.balign 64
regs_out:	.skip REGS_VEC + 512
	.balign 8
regs_avx:	.skip 8
regs_count:	.skip 8
regs_bad:	.skip 8

	.text
.macro each_gpr op
	\op	rax, 0
	\op	rbx, 1
	\op	rcx, 2
	\op	rdx, 3
	\op	rsi, 4
	\op	rdi, 5
	\op	rbp, 6
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
.macro same_one reg, i
	cmp	%\reg, regs_in+REGS_GPR(\i)(%rip)
	jne	regs_spin_bad
.endm

/* Req: nothing. Clob: nothing but the vector registers, MXCSR and the x87 control word. */
	.type	vec_load, @function
vec_load:
	ldmxcsr	regs_in+REGS_MXCSR(%rip)
	fldcw	regs_in+REGS_FCW(%rip)
	cmpq	$0, regs_avx(%rip)
	jne	1f
	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	movups	regs_in+REGS_VEC+32*\n(%rip), %xmm\n
	.endr
	ret
1:	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	vmovups	regs_in+REGS_VEC+32*\n(%rip), %ymm\n
	.endr
	ret

	.type	vec_store, @function
vec_store:
	stmxcsr	regs_out+REGS_MXCSR(%rip)
	fnstcw	regs_out+REGS_FCW(%rip)
	cmpq	$0, regs_avx(%rip)
	jne	1f
	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	movups	%xmm\n, regs_out+REGS_VEC+32*\n(%rip)
	.endr
	jmp	2f
1:	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	vmovups	%ymm\n, regs_out+REGS_VEC+32*\n(%rip)
	.endr
	vzeroupper
2:	ldmxcsr	default_mxcsr(%rip)
	fldcw	default_fcw(%rip)
	ret

	.section .rodata
	.balign	4
default_mxcsr:	.long 0x1f80
default_fcw:	.word 0x37f, 0
	.text

.macro regs_begin name
	.globl	\name
	.type	\name, @function
\name:
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	call	vec_load
	mov	%cs, regs_in+REGS_SEGS(%rip)
	mov	%ss, regs_in+REGS_SEGS+2(%rip)
	mov	%ds, regs_in+REGS_SEGS+4(%rip)
	mov	%es, regs_in+REGS_SEGS+6(%rip)
	mov	%fs, regs_in+REGS_SEGS+8(%rip)
	mov	%gs, regs_in+REGS_SEGS+10(%rip)
	mov	%rsp, regs_in+REGS_GPR(7)(%rip)
	pushq	regs_in+REGS_FLAGS(%rip)
	popfq
	each_gpr load_one
.endm

.macro regs_end
	each_gpr store_one
	mov	%rsp, regs_out+REGS_GPR(7)(%rip)
	mov	regs_in+REGS_GPR(7)(%rip), %rsp
	pushfq
	popq	regs_out+REGS_FLAGS(%rip)
	pushq	$0x202
	popfq
	mov	%cs, regs_out+REGS_SEGS(%rip)
	mov	%ss, regs_out+REGS_SEGS+2(%rip)
	mov	%ds, regs_out+REGS_SEGS+4(%rip)
	mov	%es, regs_out+REGS_SEGS+6(%rip)
	mov	%fs, regs_out+REGS_SEGS+8(%rip)
	mov	%gs, regs_out+REGS_SEGS+10(%rip)
	call	vec_store
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret
.endm

	regs_begin regs_none
	regs_end

	regs_begin regs_syscall
	syscall
	.globl	regs_after_syscall
regs_after_syscall:
	regs_end

	regs_begin regs_touch
	incb	(%rdi)
	regs_end

	regs_begin regs_int3
	int3
	regs_end

	regs_begin regs_ud2
	ud2
	regs_end

	regs_begin regs_div
	divl	%ebx
	.globl	regs_after_div
regs_after_div:
	regs_end

	regs_begin regs_spin
1:	each_gpr same_one
	cmp	%rsp, regs_in+REGS_GPR(7)(%rip)
	jne	regs_spin_bad
	decq	regs_count(%rip)
	jnz	1b
	jmp	2f
regs_spin_bad:
	movq	$1, regs_bad(%rip)
2:	regs_end

	.section .note.GNU-stack, "", @progbits
