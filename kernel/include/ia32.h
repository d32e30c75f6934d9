/* SPDX-License-Identifier: MIT */
/* 32-bit programs: what the rest of the kernel must know of compat/. */
#ifndef KERNEL_IA32_H
#define KERNEL_IA32_H

#include "task.h"

/* task.ia32, while the task is in a system call that came by a 32-bit gate; else 0. */
enum {
	IA32_CALL = 1,   /* structures are i386's, pointers and longs have 4 bytes */
	IA32_OLD = 4,    /* the older of two structures: stat for stat64, and so on */
	IA32_TIME32 = 2, /* seconds have 4 bytes: not in calls with "time64" in their name */
};

static inline bool in_ia32_call(void)
{
	return current->ia32 != 0;
}

static inline bool ia32_time32(void)
{
	return current->ia32 & IA32_TIME32;
}

/* Of two structures, the one with 32-bit sizes. */
static inline bool ia32_old(void)
{
	return current->ia32 & IA32_OLD;
}

/* Whether a program that this space runs is a 32-bit one. */
static inline bool mm_is_ia32(const struct mm *mm)
{
	return mm->vdso32 != 0;
}

/* Arrays of longs, which have 4 bytes each if `narrow`. Read signed; written, at most 32, cut to
 * what fits. 0 or -EFAULT. */
int longs_from_user(int64_t *dst, uint64_t va, size_t n, bool narrow);
int longs_to_user(uint64_t va, const int64_t *src, size_t n, bool narrow);

/* A 32-bit system call from the gates, interrupts off before and after. */
void ia32_syscall(struct pt_regs *regs, unsigned how);

/* ---- tls32.c ---- */
/* At a switch of threads or spaces, interrupts off: t's TLS entries into this CPU's GDT. */
static inline void ia32_tls_load(const struct task *t)
{
	struct cpu *c = this_cpu();
	bool any = t->tls[0] | t->tls[1] | t->tls[2];

	if (any || c->tls_loaded) {
		c->tls_loaded = any;
		(void)kaiser_set_tls(t->tls); /* checked when they were set */
	}
}
/* CLONE_SETTLS of a 32-bit call: `va` describes a segment for the new thread t, not run yet. */
int ia32_clone_tls(struct task *t, uint64_t va);
/* Linux's struct user_desc. */
struct ia32_desc {
	uint32_t entry, base, limit, flags;
};
/* An entry of t, which is the current task or does not run. 0 or -EINVAL. */
int ia32_tls_get(const struct task *t, uint32_t entry, struct ia32_desc *d);
int ia32_tls_set(struct task *t, uint32_t entry, const struct ia32_desc *d);
bool ia32_desc_ok(const struct ia32_desc *d);
/* What a segment register of t has as its base if that selector is loaded. */
uint32_t ia32_segment_base(const struct task *t, uint16_t selector);

/* ---- ptrace32.c; t is frozen ---- */
/* A request that a 32-bit tracer makes otherwise than a 64-bit one: true, and *result. */
bool ia32_ptrace(struct task *t, long request, uint64_t addr, uint64_t data, long *result);
/* A register set of a task in 32-bit code, up to *len bytes, which become those copied. *result is
 * 0 or -errno. False: a set that is the same in both views. */
bool ia32_regset(struct task *t, uint64_t type, uint64_t base, uint64_t *len, bool to_task,
		 int *result);

/* ---- structures: 0 or -EFAULT ---- */
struct k_stat;
int ia32_stat_to_user(uint64_t va, const struct k_stat *st);
struct k_statfs;
int ia32_statfs_to_user(uint64_t va, const struct k_statfs *st);
struct k_flock;
int ia32_flock_from_user(struct k_flock *l, uint64_t va);
int ia32_flock_to_user(uint64_t va, const struct k_flock *l);
struct user_stack;
int ia32_stack_from_user(struct user_stack *st, uint64_t va);
int ia32_stack_to_user(uint64_t va, const struct user_stack *st);
struct siginfo;
int ia32_siginfo_to_user(uint64_t va, const struct siginfo *info);
int ia32_siginfo_from_user(uint64_t va, struct siginfo *info);

/* ---- signal32.c: as signal_frame.c's ---- */
int ia32_frame_push(struct pt_regs *regs, int sig, const struct siginfo *info,
		    const struct sigaction_k *act, sigset_t saved_mask);

/* ---- exec32.c ---- */
struct exec_image;
/* A space that nothing but the program's segments is in gets its vDSO and its bounds. */
int ia32_layout(struct mm *mm);
/* As exec_stack_fill(), and the vDSO. mm is loaded. */
int ia32_stack_fill(struct mm *mm, const struct exec_image *image, const char *execfn,
		    char *const argv[], char *const envp[], uint64_t *sp);

#endif
