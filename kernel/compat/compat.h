/* SPDX-License-Identifier: MIT */
/*
 * 32-bit system calls.
 *
 * A handler gets its arguments as every other one does, by the macros of syscall.h: the dispatcher
 * makes a frame that has EBX, ECX, EDX, ESI, EDI and EBP, zero-extended, where a 64-bit program's
 * arguments would be. So most calls are the 64-bit ones as they are. What differs only by the size
 * of time, pointers or longs is told by in_ia32_call() where the structure is read or written; what
 * differs otherwise has a handler in this folder, called ia32_NAME. The program's true registers
 * are current->user_regs.
 */
#ifndef KERNEL_COMPAT_H
#define KERNEL_COMPAT_H

#include "ia32.h"
#include "syscall.h"

#define SYSCALL32(nr, name)        long sys_##name(struct pt_regs *regs);
#define SYSCALL32_TIME64(nr, name) long sys_##name(struct pt_regs *regs);
#define SYSCALL32_OLD(nr, name)    long sys_##name(struct pt_regs *regs);
#include "table32.h"
#undef SYSCALL32
#undef SYSCALL32_TIME64
#undef SYSCALL32_OLD

/* A 64-bit value that a program passes in two arguments. */
static inline int64_t ia32_join(uint32_t low, uint32_t high)
{
	return (int64_t)((uint64_t)high << 32 | low);
}

/* Calls a handler that takes its arguments from a frame. */
static inline long ia32_call(syscall_fn *fn, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
			     uint64_t e, uint64_t f)
{
	struct pt_regs regs = {.di = a, .si = b, .dx = c, .r10 = d, .r8 = e, .r9 = f};

	return fn(&regs);
}

#endif
