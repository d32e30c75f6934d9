/* SPDX-License-Identifier: MIT */
/* The frame handed to every handler: Linux's struct pt_regs, 21 words. */
#ifndef KAISER_REGS_H
#define KAISER_REGS_H

#include <stdbool.h>
#include <stdint.h>

struct pt_regs {
	uint64_t r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	uint64_t orig_ax; /* system call number, or the exception's error code */
	uint64_t ip, cs, flags, sp, ss;
};

/* Tells user from kernel by the saved CS alone. The page fault error code cannot be trusted for it:
 * a CPU's implicit supervisor accesses from ring 3 have U clear. */
static inline bool kaiser_user_mode(const struct pt_regs *regs)
{
	return (regs->cs & 3) != 0;
}

#endif
