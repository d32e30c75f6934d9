/* SPDX-License-Identifier: MIT */
#ifndef USER_TESTS_PTRACE_H
#define USER_TESTS_PTRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "traced.h"

/* Linux's struct user_regs_struct: not every C library has the same names. */
struct regs {
	uint64_t r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs,
		flags, sp, ss, fs_base, gs_base, ds, es, fs, gs;
};
#define U_REG(name)   offsetof(struct regs, name)
#define U_DEBUGREG(n) (848 + 8 * (n))

/* ptrace(2) itself, with no library between: the result, or -errno. */
long pt(long request, pid_t pid, uint64_t addr, uint64_t data);
/* A child that is traced, stopped by SIGSTOP before it runs fn(arg); fn's value is its exit code.
 */
pid_t traced_child(int (*fn)(void *), void *arg);
bool get_regs(pid_t pid, struct regs *r);
#define EVENT(e) (STOP(SIGTRAP) | (e) << 16)

void test_stops(void);
void test_jobs(void);
void test_registers(void);
void test_debug(void);

#endif
