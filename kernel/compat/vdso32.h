/* SPDX-License-Identifier: MIT */
/* The page of code that every 32-bit program has. vdso32.S, vdso32.c. */
#ifndef KERNEL_VDSO32_H
#define KERNEL_VDSO32_H

#include "mm.h"

extern const char vdso32_start[], vdso32_end[], vdso32_sysenter[], vdso32_syscall[], vdso32_int80[],
	vdso32_after_int80[], vdso32_sigreturn[], vdso32_rt_sigreturn[];

static inline uint64_t vdso32_address(uint64_t base, const char *label)
{
	return base + (uint64_t)(label - vdso32_start);
}

/* Where a call that came by SYSENTER or SYSCALL goes on. */
static inline uint64_t vdso32_landing(uint64_t base)
{
	return vdso32_address(base, vdso32_after_int80);
}

/* What AT_SYSINFO names: the quickest way that this CPU has. */
uint64_t vdso32_entry(uint64_t base);

/* Maps the page into mm, somewhere: 0 or -errno. vdso32_fill() writes it once mm is loaded. */
int vdso32_map(struct mm *mm);
int vdso32_fill(struct mm *mm);

#endif
