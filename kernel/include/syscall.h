/* SPDX-License-Identifier: MIT */
/* System calls. A definition is
 *
 *	SYSCALL3(read, int, fd, uint64_t, buf, uint64_t, n) { ... return bytes or -errno; }
 *
 * and a line SYSCALL(0, read) in sys/table.h. Each becomes long sys_read(struct pt_regs *regs);
 * the body sees `regs` too. Interrupts are on; user pointers are uint64_t (see uaccess.h). */
#ifndef KERNEL_SYSCALL_H
#define KERNEL_SYSCALL_H

#include <kaiser/kaiser.h>

#include "base.h"

typedef long syscall_fn(struct pt_regs *regs);

#define SYSCALL(nr, name) long sys_##name(struct pt_regs *regs);
#include "../sys/table.h"
#undef SYSCALL

#define SYSCALL0(name)                               \
	static long do_##name(struct pt_regs *regs); \
	long sys_##name(struct pt_regs *regs)        \
	{                                            \
		return do_##name(regs);              \
	}                                            \
	static long do_##name(unused struct pt_regs *regs)
#define SYSCALLX(name, params, args)          \
	static long do_##name params;         \
	long sys_##name(struct pt_regs *regs) \
	{                                     \
		return do_##name args;        \
	}                                     \
	static long do_##name params
#define SYSCALL1(name, t1, a1) \
	SYSCALLX(name, (unused struct pt_regs * regs, t1 a1), (regs, (t1)regs->di))
#define SYSCALL2(name, t1, a1, t2, a2)                               \
	SYSCALLX(name, (unused struct pt_regs * regs, t1 a1, t2 a2), \
		 (regs, (t1)regs->di, (t2)regs->si))
#define SYSCALL3(name, t1, a1, t2, a2, t3, a3)                              \
	SYSCALLX(name, (unused struct pt_regs * regs, t1 a1, t2 a2, t3 a3), \
		 (regs, (t1)regs->di, (t2)regs->si, (t3)regs->dx))
#define SYSCALL4(name, t1, a1, t2, a2, t3, a3, t4, a4)                             \
	SYSCALLX(name, (unused struct pt_regs * regs, t1 a1, t2 a2, t3 a3, t4 a4), \
		 (regs, (t1)regs->di, (t2)regs->si, (t3)regs->dx, (t4)regs->r10))
#define SYSCALL5(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5)                            \
	SYSCALLX(name, (unused struct pt_regs * regs, t1 a1, t2 a2, t3 a3, t4 a4, t5 a5), \
		 (regs, (t1)regs->di, (t2)regs->si, (t3)regs->dx, (t4)regs->r10, (t5)regs->r8))
#define SYSCALL6(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6)                           \
	SYSCALLX(name, (unused struct pt_regs * regs, t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6), \
		 (regs, (t1)regs->di, (t2)regs->si, (t3)regs->dx, (t4)regs->r10, (t5)regs->r8,   \
		  (t6)regs->r9))

/* Numbers that are no call's: -ENOSYS. */
syscall_fn sys_unknown;
/* Reads the command line. */
void syscall_init(void);

/* nr if it is below n, else 0, without a branch that a CPU could guess: a mispredicted bounds check
 * must not read a table out of bounds. */
static inline uint64_t syscall_bounded(uint64_t nr, uint64_t n)
{
	uint64_t mask;

	__asm__("cmpq %2, %1\n\tsbbq %0, %0" : "=r"(mask) : "r"(nr), "r"(n) : "cc");
	return nr & mask;
}

/* Each missing call is named once, if the command line asks for it. */
void syscall_log_missing(uint64_t nr, bool ia32);

/* From sys/entry.S: a call of a task that is traced. */
void syscall_traced(struct pt_regs *regs);

/* struct timespec and friends as programs see them. */
struct k_timespec {
	int64_t sec, nsec;
};

struct k_timeval {
	int64_t sec, usec;
};

/* struct stat of x86-64. */
struct k_stat {
	uint64_t dev, ino, nlink;
	uint32_t mode, uid, gid, pad;
	uint64_t rdev;
	int64_t size, blksize, blocks;
	struct k_timespec atime, mtime, ctime;
	int64_t spare[3];
};

struct k_statfs {
	int64_t type, bsize;
	uint64_t blocks, bfree, bavail, files, ffree;
	int32_t fsid[2];
	int64_t namelen, frsize, flags, spare[4];
};

struct k_flock { /* struct flock of x86-64 */
	int16_t type, whence;
	int64_t start, len;
	int32_t pid;
};

/* n of them, not checked. 0 or -EFAULT. */
int timespecs_from_user(struct k_timespec *ts, uint64_t va, size_t n);
/* 0, -EFAULT or -EINVAL (nsec out of range, sec negative). */
int timespec_from_user(uint64_t va, uint64_t *ns);
int timespec_to_user(uint64_t va, uint64_t ns);

#endif
