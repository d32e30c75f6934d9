/* SPDX-License-Identifier: MIT */
/* Proof of every offset that assembly uses. No code. */
#include "internal.h"

#define AT(type, field, offset) \
	_Static_assert(offsetof(type, field) == (offset), #offset " is not where " #field " is")

AT(struct kaiser_cpu, kstack_top, KAISER_PRIV_KSTACK);
AT(struct kaiser_cpu, exit_cr3, KAISER_PRIV_EXIT_CR3);
AT(struct kaiser_cpu, wipe, KAISER_PRIV_WIPE);
AT(struct kaiser_cpu, nmi_state, KAISER_PRIV_NMI_STATE);
AT(struct kaiser_cpu, host_word, KAISER_PRIV_HOST);
AT(struct kaiser_cpu, exit_va, KAISER_PRIV_EXIT_VA);
AT(struct kaiser_cpu, self, KAISER_PRIV_SELF);
AT(struct kaiser_cpu, number, KAISER_PRIV_NUMBER);
AT(struct kaiser_cpu, trace_pos, KAISER_PRIV_TRACE_POS);
AT(struct kaiser_cpu, user_end, KAISER_PRIV_USER_END);
AT(struct kaiser_cpu, entry_top, KAISER_PRIV_ENTRY_TOP);
AT(struct kaiser_cpu, iret_top, KAISER_PRIV_IRET_TOP);
_Static_assert(sizeof(struct kaiser_cpu) <= KAISER_PAGE_SIZE, "the private page is too small");

AT(struct pt_regs, r15, KAISER_R15);
AT(struct pt_regs, r14, KAISER_R14);
AT(struct pt_regs, r13, KAISER_R13);
AT(struct pt_regs, r12, KAISER_R12);
AT(struct pt_regs, bp, KAISER_BP);
AT(struct pt_regs, bx, KAISER_BX);
AT(struct pt_regs, r11, KAISER_R11);
AT(struct pt_regs, r10, KAISER_R10);
AT(struct pt_regs, r9, KAISER_R9);
AT(struct pt_regs, r8, KAISER_R8);
AT(struct pt_regs, ax, KAISER_AX);
AT(struct pt_regs, cx, KAISER_CX);
AT(struct pt_regs, dx, KAISER_DX);
AT(struct pt_regs, si, KAISER_SI);
AT(struct pt_regs, di, KAISER_DI);
AT(struct pt_regs, orig_ax, KAISER_ORIG_AX);
AT(struct pt_regs, ip, KAISER_IP);
AT(struct pt_regs, cs, KAISER_CS);
AT(struct pt_regs, flags, KAISER_FLAGS);
AT(struct pt_regs, sp, KAISER_SP);
AT(struct pt_regs, ss, KAISER_SS);
_Static_assert(sizeof(struct pt_regs) == KAISER_PT_REGS_BYTES, "pt_regs has 21 words");

_Static_assert(1 << KAISER_CPU_SHIFT == KAISER_CPU_STRIDE, "the stride is a power of two");
_Static_assert(KAISER_CPU_HOST + KAISER_HOST_MAX_PAGES * KAISER_PAGE_SIZE == KAISER_CPU_STRIDE,
	       "the host's data ends with the stride");
_Static_assert(KAISER_WIN_KTEXT + KAISER_KTEXT_PAGES * KAISER_PAGE_SIZE <= KAISER_CPU_STRIDE,
	       "kernel text runs into CPU 0");
_Static_assert(KAISER_GDT_TLS + KAISER_TLS_ENTRIES < KAISER_GDT_ENTRIES,
	       "the TLS entries do not fit the GDT");
_Static_assert(KAISER_KERNEL_DS == KAISER_KERNEL_CS + 8, "SYSENTER's SS follows its CS");
/* entry/nmi.inc finds an IST stack by its place in the entry page. */
_Static_assert(KAISER_IST_MC_TOP == KAISER_IST_NMI_TOP + KAISER_IST_BYTES &&
		       KAISER_IST_DB_TOP == KAISER_IST_MC_TOP + KAISER_IST_BYTES,
	       "the IST stacks of NMI, #MC and #DB follow each other");
_Static_assert(KAISER_IST_RESUME + 8 <= KAISER_IST_BYTES &&
		       KAISER_IST_RESUME - 40 > KAISER_IST_USED,
	       "the resume frame must survive a new event on the same stack");
