/* SPDX-License-Identifier: MIT */
/*
 * The window, as C and assembly see it. Every number that the entry code uses is here, each proved
 * by a _Static_assert in kaiser/src/layout_check.c.
 *
 *   window + 0x0000   IDT                        both roots, read-only
 *          + 0x1000   gate text                  user root: user view; kernel root: kernel view
 *          + 0x2000   kernel text, 2 pages       kernel roots only: what follows the heads
 *          + 0x20000  CPU 0, one stride a CPU:
 *              + 0x00000  descriptors: GDT, TSS  both roots, read-only
 *              + 0x01000  I/O bitmap, 3 pages    unmapped unless the process asked
 *              + 0x04000  hole                   the entry stack cannot grow into anything
 *              + 0x05000  entry page             both roots, read-write, NX; kernel GS base
 *              + 0x06000  private page           kernel roots only from here on
 *              + 0x07000  transition trace       debug builds
 *              + 0x08000  hole, #DF stack (2 pages), hole, #MC stack, hole, #DB stack, hole,
 *                         NMI stack: four times 3 pages
 *              + 0x14000  the host's own data, up to 12 pages
 */
#ifndef KAISER_LAYOUT_H
#define KAISER_LAYOUT_H

/* clang-format off */ /* each group has columns of its own */

#define KAISER_PAGE_SHIFT 12
#define KAISER_PAGE_SIZE  4096

/* Window offsets. */
#define KAISER_WIN_IDT    0x0000
#define KAISER_WIN_TEXT   0x1000
#define KAISER_WIN_KTEXT  0x2000
#define KAISER_KTEXT_PAGES 2
#define KAISER_CPU_STRIDE 0x20000
#define KAISER_CPU_SHIFT  17

/* Offsets in a CPU's stride. */
#define KAISER_CPU_DESC     0x00000
#define KAISER_CPU_IOMAP    0x01000
#define KAISER_IOMAP_PAGES  3
#define KAISER_CPU_ENTRY    0x05000
#define KAISER_CPU_PRIVATE  0x06000
#define KAISER_CPU_TRACE    0x07000
#define KAISER_CPU_DF_STACK 0x09000
#define KAISER_CPU_MC_STACK 0x0c000
#define KAISER_CPU_DB_STACK 0x0f000
#define KAISER_CPU_NMI_STACK 0x12000
#define KAISER_IST_STACK_PAGES 2
#define KAISER_CPU_HOST     0x14000
#define KAISER_HOST_MAX_PAGES 12

/* The kernel's GS base is the entry page; these are displacements from it. */
#define KAISER_GS_PRIVATE (KAISER_CPU_PRIVATE - KAISER_CPU_ENTRY)
#define KAISER_GS_TRACE   (KAISER_CPU_TRACE - KAISER_CPU_ENTRY)
#define KAISER_GS_HOST    (KAISER_CPU_HOST - KAISER_CPU_ENTRY)

/* The entry page. Entry stack lowest; then the scratch words; then the hardware's IST stacks, on
 * which nothing but heads and last instructions runs. */
#define KAISER_ENTRY_STACK_TOP 0x1c0
#define KAISER_SCRATCH_SP      0x1c0 /* user RSP, on SYSCALL and SYSRET */
#define KAISER_SCRATCH_DI      0x1c8 /* user RDI, on SYSRET */
#define KAISER_IST_NMI_TOP     0x400
#define KAISER_IST_MC_TOP      0x600
#define KAISER_IST_DB_TOP      0x800
#define KAISER_IST_DF_TOP      0xa00
#define KAISER_IST_BYTES       0x200

/* The private page: struct kaiser_cpu begins with these. */
#define KAISER_PRIV_KSTACK    0x00 /* KAISER_KSTACK_PAD below the running thread's stack top */
#define KAISER_PRIV_EXIT_CR3  0x08 /* what the next exit to user mode loads; bit 63 clear: flush */
#define KAISER_PRIV_WIPE      0x10 /* IST stacks that hold residue: bit = IST index */
#define KAISER_PRIV_NMI_STATE 0x14 /* KAISER_NMI_* */
#define KAISER_PRIV_HOST      0x18 /* 8 bytes for the host, in the line that entry and exit read */
#define KAISER_PRIV_SELF      0x20
#define KAISER_PRIV_TRACE_POS 0x28
#define KAISER_PRIV_USER_END  0x30 /* SYSRET only to RIP below this; 0 while WIPE is not */
#define KAISER_PRIV_ENTRY_TOP 0x38 /* top of this CPU's entry stack */
#define KAISER_PRIV_IRET_TOP  0x40 /* the same, or where ESP's bits 31-16 are the user's: ldt.c */
#define KAISER_PRIV_EXIT_VA   0x48 /* kaiser_exit_user in the window */
#define KAISER_PRIV_NUMBER    0x50

#define KAISER_WIPE_LDT 0x100 /* in KAISER_PRIV_WIPE: the running space has an LDT */

/* A pt_regs is 21 words, so one that ends here leaves RSP as a C call wants it. */
#define KAISER_KSTACK_PAD 8

/* The host's own 8 bytes, from %gs; the library never touches them. */
#define KAISER_GS_HOST_WORD (KAISER_GS_PRIVATE + KAISER_PRIV_HOST)

#define KAISER_NMI_IDLE    0
#define KAISER_NMI_RUNNING 1
#define KAISER_NMI_LATCHED 2 /* or-ed in: run the handler once more */

/* What kaiser_ist_event() tells the exit to do. */
#define KAISER_IST_RETURN      0
#define KAISER_IST_NMI_RESTART 1
#define KAISER_IST_NMI_EXIT    2
#define KAISER_IST_LOST        3
/* What it is told, or-ed into the vector: an NMI has to be given anew. */
#define KAISER_IST_NMI_DROPPED 0x100

/* CR3: SDM volume 3, 4.10.4. Bit 11, set in a user root's PCID, and bit 63, which asks the CPU to
 * keep what it has cached under the PCID, are used only when PCID is. */
#define KAISER_SWITCH_SHIFT    12
#define KAISER_SWITCH_BIT      (1 << KAISER_SWITCH_SHIFT)
#define KAISER_USER_PCID_SHIFT 11
#define KAISER_USER_PCID       (1 << KAISER_USER_PCID_SHIFT)
#define KAISER_NOFLUSH_SHIFT   63
#define KAISER_PCID_MASK       0xfff

/* Selectors: Linux's, since programs see them and SYSRET dictates their order. */
#define KAISER_KERNEL_CS 0x10
#define KAISER_KERNEL_DS 0x18
#define KAISER_USER32_CS 0x23
#define KAISER_USER_DS   0x2b
#define KAISER_USER_CS   0x33
#define KAISER_TSS_SEL   0x40
#define KAISER_LDT_SEL   0x50
#define KAISER_LDT_ENTRIES 8192
#define KAISER_GDT_TLS   12 /* first of three TLS entries */
#define KAISER_GDT_ENTRIES 16

#define KAISER_TLS_ENTRIES 3

/* How a 32-bit system call came. */
#define KAISER_IA32_INT80    0
#define KAISER_IA32_SYSCALL  1
#define KAISER_IA32_SYSENTER 2
#define KAISER_IA32_VECTOR   0x80

/* The descriptors page: GDT, then TSS, so placed that the I/O bitmap begins with the next page. */
#define KAISER_TSS_OFF     0x80
#define KAISER_TSS_IOMAP   (KAISER_PAGE_SIZE - KAISER_TSS_OFF)
#define KAISER_TSS_LIMIT   (KAISER_TSS_IOMAP + 8192) /* inclusive: one 0xff byte behind it */
#define KAISER_TSS_NO_IOMAP 0xffff

/* IST indices. */
#define KAISER_IST_NMI 1
#define KAISER_IST_MC  2
#define KAISER_IST_DB  3
#define KAISER_IST_DF  4

/* Where vector v's stub lies behind kaiser_stubs: entry/stubs.inc. */
#define KAISER_STUB_GROUP       28
#define KAISER_STUB_GROUP_BYTES (KAISER_STUB_GROUP * 8 + 16)
#define KAISER_STUB_OFFSET(v)                                                                      \
	((v) / KAISER_STUB_GROUP * KAISER_STUB_GROUP_BYTES + (v) % KAISER_STUB_GROUP * 8 +         \
	 ((v) % KAISER_STUB_GROUP >= KAISER_STUB_GROUP / 2 ? 16 : 0))

/* What an IST event's kernel-only stack begins with, from the top: 4 words, then the pt_regs. */
#define KAISER_SAVE_BYTES 0x20
#define KAISER_SAVE_CR3   (KAISER_PT_REGS_BYTES + 0x00) /* from the pt_regs */
#define KAISER_SAVE_GS    (KAISER_PT_REGS_BYTES + 0x08)
#define KAISER_SAVE_CR2   (KAISER_PT_REGS_BYTES + 0x10)
/* ... so the pt_regs lie here, from the entry page: */
#define KAISER_IST_REGS(stack)                                                                     \
	((stack) + KAISER_IST_STACK_PAGES * KAISER_PAGE_SIZE - KAISER_SAVE_BYTES -                 \
	 KAISER_PT_REGS_BYTES - KAISER_CPU_ENTRY)

/* In an IST stack, from its top down: the hardware's frame; what a head saves; and, lower, the frame
 * from which the handler's exit returns to the user root, with one register below it. */
#define KAISER_IST_FRAME  40
#define KAISER_IST_USED   0x60 /* frame and head's saves, to be wiped */
#define KAISER_IST_RESUME 0x100
/* Below the NMI's hardware frame, from its RSP. */
#define KAISER_NMI_SLOT_AX (-8)
#define KAISER_NMI_SLOT_CX (-16)
#define KAISER_NMI_SLOT_R14 (-24)

/* struct pt_regs, Linux's order, in bytes. */
#define KAISER_R15     0x00
#define KAISER_R14     0x08
#define KAISER_R13     0x10
#define KAISER_R12     0x18
#define KAISER_BP      0x20
#define KAISER_BX      0x28
#define KAISER_R11     0x30
#define KAISER_R10     0x38
#define KAISER_R9      0x40
#define KAISER_R8      0x48
#define KAISER_AX      0x50
#define KAISER_CX      0x58
#define KAISER_DX      0x60
#define KAISER_SI      0x68
#define KAISER_DI      0x70
#define KAISER_ORIG_AX 0x78
#define KAISER_IP      0x80
#define KAISER_CS      0x88
#define KAISER_FLAGS   0x90
#define KAISER_SP      0x98
#define KAISER_SS      0xa0
#define KAISER_PT_REGS_BYTES 0xa8

#endif
