/* SPDX-License-Identifier: MIT */
/* clang-format off */
/*
 * The four macros that switch CR3, for the entry and exit code of any host (assembly only).
 *
 * A root pair is 8 KiB, aligned: the kernel root in the even page, the user root in the odd one. So
 * CR3 bit 12, the switch bit, tells which is loaded, and flipping it needs no memory: neither the
 * stack nor GS has to be usable, only one register has to be free.
 *
 * With PCID, the user root's PCID is the kernel root's with bit 11 set, so both bits flip together,
 * and bit 63 (NOFLUSH) keeps what the CPU has cached under the PCID that is loaded. It must never be
 * set where CR4.PCIDE is clear: #GP, or a guest that hangs (TCG). A host chooses before it includes
 * this file:
 *
 *	nothing				without PCID: each write flushes
 *	#define KAISER_CR3_PCID 1	with PCID, always
 *	#define KAISER_CR3_PCID 2	with PCID or without, decided when the code is patched: the host
 *					defines a macro KAISER_IF_PCID that takes one instruction, which
 *					is to exist only if PCID is used
 *
 * CR3 reads back with bit 63 clear. A user root that an event interrupted is restored with the bit
 * set: nothing that runs on an IST stack changes tables, so there is nothing to flush. What has to
 * be flushed under the user PCID waits for the next exit to user mode: SWITCH_TO_USER_CR3 loads
 * `exit_cr3`, which has bit 63 clear if a flush is wanted, and sets the bit for the exits after it.
 *
 * Rules for callers:
 *  - SWAPGS before the CR3 write on entry, after it on exit.
 *  - CS says nothing about CR3. Where an event can hit CPL 0 (NMI, #MC, #DB, #DF) use SAVE_AND_... and
 *    RESTORE_CR3, and restore CR3 whether or not GS had to be swapped: the two are independent.
 *  - A write that may be skipped is no fence: keep an LFENCE on both sides of a conditional SWAPGS.
 *  - Keep the saved CR3 in a callee-saved register (%r14), not on a stack that may be overwritten.
 *
 * Arguments are named and full: SWITCH_TO_KERNEL_CR3 scratch_reg=%rax.
 */
#ifndef KAISER_CR3_H
#define KAISER_CR3_H

#ifdef __ASSEMBLER__

#include <kaiser/layout.h>

#ifndef KAISER_CR3_PCID
#define KAISER_CR3_PCID 0
#endif

#if KAISER_CR3_PCID == 0
.macro KAISER_IF_PCID insn:vararg
.endm
#elif KAISER_CR3_PCID == 1
.macro KAISER_IF_PCID insn:vararg
	\insn
.endm
#endif

/*
 * User root -> kernel root, from whichever is loaded. Falls out at the end in both cases; or, if
 * `unswitched` is given, jumps there when a kernel root was loaded already.
 * Req:  CPL 0; the code after it mapped in the kernel root at the same address.
 * Clob: scratch_reg (then: the kernel CR3), flags.
 */
.macro SWITCH_TO_KERNEL_CR3 scratch_reg:req unswitched
	movq	%cr3, \scratch_reg
	btrq	$KAISER_SWITCH_SHIFT, \scratch_reg
	.ifnb \unswitched
	jnc	\unswitched
	.else
	jnc	.Lkaiser_is_kernel_\@
	.endif
	KAISER_IF_PCID btrq $KAISER_USER_PCID_SHIFT, \scratch_reg
	KAISER_IF_PCID btsq $KAISER_NOFLUSH_SHIFT, \scratch_reg
	movq	\scratch_reg, %cr3
.Lkaiser_is_kernel_\@:
.endm

/*
 * Kernel root -> user root of the same pair. exit_cr3, a memory operand: loaded as it is, and then
 * its bit 63 is set; needed if flushes are deferred to the exit. Without it the user PCID is kept,
 * and flushing it is the host's own affair (INVPCID).
 * Req:  CPL 0, interrupts off; nothing after it may touch what the user root does not map.
 * Clob: scratch_reg (then: the user CR3), flags.
 */
.macro SWITCH_TO_USER_CR3 scratch_reg:req exit_cr3
	.ifnb \exit_cr3
	movq	\exit_cr3, \scratch_reg
	KAISER_IF_PCID btsq $KAISER_NOFLUSH_SHIFT, \exit_cr3
	.else
	movq	%cr3, \scratch_reg
	btsq	$KAISER_SWITCH_SHIFT, \scratch_reg
	KAISER_IF_PCID btsq $KAISER_USER_PCID_SHIFT, \scratch_reg
	KAISER_IF_PCID btsq $KAISER_NOFLUSH_SHIFT, \scratch_reg
	.endif
	movq	\scratch_reg, %cr3
.endm

/*
 * Keeps the interrupted CR3 in save_reg and makes sure that the kernel root is loaded. If the switch
 * bit is zero, CR3 points at the kernel page tables already. `label` (optional) is defined right
 * after the instruction that fills save_reg.
 * Req:  CPL 0; no stack, no GS.
 * Clob: scratch_reg, save_reg (then: the interrupted CR3, verbatim), flags.
 */
.macro SAVE_AND_SWITCH_TO_KERNEL_CR3 scratch_reg:req save_reg:req label
	movq	%cr3, \save_reg
	.ifnb \label
\label:
	.endif
	movq	\save_reg, \scratch_reg
	btrq	$KAISER_SWITCH_SHIFT, \scratch_reg
	jnc	.Lkaiser_was_kernel_\@
	KAISER_IF_PCID btrq $KAISER_USER_PCID_SHIFT, \scratch_reg
	KAISER_IF_PCID btsq $KAISER_NOFLUSH_SHIFT, \scratch_reg
	movq	\scratch_reg, %cr3
.Lkaiser_was_kernel_\@:
.endm

/*
 * Puts back what SAVE_AND_SWITCH_TO_KERNEL_CR3 kept. If a kernel root was interrupted then one is
 * still loaded, and nothing is written.
 * Req:  save_reg from SAVE_AND_SWITCH_TO_KERNEL_CR3; afterwards as SWITCH_TO_USER_CR3.
 * Clob: scratch_reg, flags. save_reg is kept.
 */
.macro RESTORE_CR3 scratch_reg:req save_reg:req
	movq	\save_reg, \scratch_reg
	btq	$KAISER_SWITCH_SHIFT, \scratch_reg
	jnc	.Lkaiser_stays_\@
	KAISER_IF_PCID btsq $KAISER_NOFLUSH_SHIFT, \scratch_reg
	movq	\scratch_reg, %cr3
.Lkaiser_stays_\@:
.endm

#endif
#endif
