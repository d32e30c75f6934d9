/* SPDX-License-Identifier: MIT */
/* 32-bit programs: what the rest of the kernel must know of compat/. */
#ifndef KERNEL_IA32_H
#define KERNEL_IA32_H

#include "task.h"

/* task.ia32, while the task is in a system call that came by a 32-bit gate; else 0. */
enum {
	IA32_CALL = 1, /* structures are i386's, pointers and longs have 4 bytes */
	IA32_TIME32 =
		2, /* seconds have 4 bytes, too: not in the calls with "time64" in their name */
};

static inline bool in_ia32_call(void)
{
	return current->ia32 != 0;
}

static inline bool ia32_time32(void)
{
	return current->ia32 & IA32_TIME32;
}

/* Arrays of longs, which have 4 bytes each if `narrow`. Read signed; written, at most 32, cut to
 * what fits. 0 or -EFAULT. */
int longs_from_user(int64_t *dst, uint64_t va, size_t n, bool narrow);
int longs_to_user(uint64_t va, const int64_t *src, size_t n, bool narrow);

/* A 32-bit system call from the gates, interrupts off before and after. */
void ia32_syscall(struct pt_regs *regs, unsigned how);

#endif
