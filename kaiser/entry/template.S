/* SPDX-License-Identifier: MIT */
/*
 * The gates: every way into the kernel and every way back to user mode.
 *
 * What is mapped. User mode runs on a root that maps, of all supervisor memory, four pages of this
 * CPU's window: IDT, gate text, descriptors (GDT, TSS), entry page. The kernel root maps the same
 * four at the same addresses, but of the gate text another frame: the two views. This file is the
 * template of both; entry/macros.inc says how the marks cut it. Behind the gate text lie two pages
 * of kernel text that only kernel roots map; jumps between the pages are relative and hold no
 * kernel address. The kernel's C functions are reached by direct calls whose distance exists in
 * those two pages alone.
 *
 * Which stack. From user mode the CPU pushes on the entry stack, lowest in the entry page; the frame
 * is copied to the thread's stack as soon as the kernel root is loaded. NMI, #MC, #DB and #DF have
 * an IST stack each, in the entry page too, because they can hit the few instructions at CPL 0 that
 * run on the user root, on a user stack pointer or on none. On an IST stack runs only the head: the
 * handler runs on a kernel-only stack of its own. SYSCALL, SYSENTER and SYSRET need no stack.
 *
 * What must never happen.
 *  - A secret in the entry page while user mode runs. It may hold constants, window addresses and
 *    this thread's own user values. What an event that hit the kernel leaves there is wiped before
 *    its handler is called; what must stay until an IRET under the user root is flagged, and the
 *    next exit wipes it.
 *  - Deciding by CS what only CR3 or GS can tell. An IST event at CPL 0 finds its CPU by the address
 *    of its stack, saves CR3 and GS base as values and puts both back as values. The obvious
 *    way, to infer the CR3 from CS or from whether GS was swapped, is wrong at every instruction
 *    between a SWAPGS and a CR3 write.
 *  - An ordinary exception in a window of danger: between a head's first instruction and its CR3
 *    write, and between an exit's CR3 write and its IRET or SYSRET. Interrupts are off there, all
 *    memory is mapped in both roots, and the only instruction that may fault is the IRET itself.
 *  - A RET or an indirect branch between a gate and its CR3 write: none is in this file at all.
 *
 * CPL 0 states the code below can be interrupted in, by an IST event only:
 *	at				GS	CR3	RSP
 *	head, before SWAPGS		user	user	entry stack; on SYSCALL the user's
 *	head, SWAPGS to CR3 write	kernel	user	the same; on SYSCALL and SYSENTER the CR3 value
 *	kernel				kernel	kernel	kernel
 *	tail, CR3 write to SWAPGS	kernel	user	entry stack; on SYSRET 0 or the user's
 *	tail, SWAPGS to the end		user	user	the same
 *
 * Windows of danger are marked "window opens" and "window closes"; tools read these words.
 */
#define KAISER_CR3_PCID 2
#include <kaiser/cr3.h>
#include <kaiser/layout.h>

#include "macros.inc"

/* Debug builds trace each transition on the way. */
#ifdef KAISER_DEBUG
#define KAISER_SYSCALL_HANDLER kaiser_from_syscall
#else
#define KAISER_SYSCALL_HANDLER kaiser_on_syscall
#endif

#define GS_KSTACK   %gs:(KAISER_GS_PRIVATE + KAISER_PRIV_KSTACK)
#define GS_EXIT_CR3 %gs:(KAISER_GS_PRIVATE + KAISER_PRIV_EXIT_CR3)
#define GS_WIPE     %gs:(KAISER_GS_PRIVATE + KAISER_PRIV_WIPE)
#define GS_USER_END %gs:(KAISER_GS_PRIVATE + KAISER_PRIV_USER_END)
#define GS_ENTRY_TOP %gs:(KAISER_GS_PRIVATE + KAISER_PRIV_ENTRY_TOP)
#define GS_IRET_TOP  %gs:(KAISER_GS_PRIVATE + KAISER_PRIV_IRET_TOP)

/* All records of the marks, patches and alternatives are made in this object, so labels before the
 * first and after the last delimit them, whatever the host's linker script does. */
	.section .kaiser.marks, "a", @progbits
	.globl kaiser_marks_start
	.hidden kaiser_marks_start
	.balign 8
kaiser_marks_start:
	.section .kaiser.patch, "aw", @progbits
	.globl kaiser_patch_start
	.hidden kaiser_patch_start
	.balign 8
kaiser_patch_start:
	.section .kaiser.alt, "a", @progbits
	.globl kaiser_alt_start
	.hidden kaiser_alt_start
	.balign 8
kaiser_alt_start:

	.section .kaiser.text, "ax", @progbits
	.balign KAISER_PAGE_SIZE, 0xcc
	.globl kaiser_template
	.hidden kaiser_template
kaiser_template:

/* ---- page 1: the gate text, two views ---- */
#include "stubs.inc"
#include "heads.inc"
#include "syscall.inc"
#include "nmi_head.inc"
#include "tails.inc"
	VIEW_KERNEL
	.org	kaiser_template + KAISER_PAGE_SIZE, 0xcc /* an error here: the gate text outgrew its page */

/* ---- pages 2 and 3: kernel roots only ---- */
#include "user.inc"
#include "paranoid.inc"
#include "nmi.inc"
	.org	kaiser_template + KAISER_PAGE_SIZE * (1 + KAISER_KTEXT_PAGES), 0xcc

	.globl kaiser_template_end
	.hidden kaiser_template_end
kaiser_template_end:

	.section .kaiser.marks, "a", @progbits
	.globl kaiser_marks_end
	.hidden kaiser_marks_end
kaiser_marks_end:
	.section .kaiser.patch, "aw", @progbits
	.globl kaiser_patch_end
	.hidden kaiser_patch_end
kaiser_patch_end:
	.section .kaiser.alt, "a", @progbits
	.globl kaiser_alt_end
	.hidden kaiser_alt_end
kaiser_alt_end:

	.section .note.GNU-stack, "", @progbits
