/* SPDX-License-Identifier: MIT */
#ifndef USER_TESTS_IA32_PTRACE_H
#define USER_TESTS_IA32_PTRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "traced.h"

/* Linux's requests: C libraries name them differently, and not all. */
enum {
	P_TRACEME = 0,
	P_PEEKTEXT = 1,
	P_PEEKDATA = 2,
	P_PEEKUSR = 3,
	P_POKETEXT = 4,
	P_POKEDATA = 5,
	P_POKEUSR = 6,
	P_CONT = 7,
	P_SINGLESTEP = 9,
	P_GETREGS = 12,
	P_SETREGS = 13,
	P_GETFPREGS = 14,
	P_SETFPREGS = 15,
	P_GETFPXREGS = 18,
	P_SETFPXREGS = 19,
	P_SYSCALL = 24,
	P_GET_THREAD_AREA = 25,
	P_SET_THREAD_AREA = 26,
	P_SYSEMU = 31,
	P_SETOPTIONS = 0x4200,
	P_GETEVENTMSG = 0x4201,
	P_GETSIGINFO = 0x4202,
	P_SETSIGINFO = 0x4203,
	P_GETREGSET = 0x4204,
	P_SETREGSET = 0x4205,
	O_SYSGOOD = 1,
	O_EXITKILL = 1 << 20,
};

/* i386's user_regs_struct. */
struct regs32 {
	uint32_t bx, cx, dx, si, di, bp, ax, ds, es, fs, gs, orig_ax, ip, cs, flags, sp, ss;
};
#define U32(name)       offsetof(struct regs32, name)
#define U32_DEBUGREG(n) (252 + 4 * (n))

struct fsave {
	uint32_t cw, sw, tags, ip, cs, data, ds;
	uint8_t st[8][10];
	uint32_t beyond;
};
struct desc {
	uint32_t entry, base, limit, flags;
};

/* ptrace(2) with no library between: the result, or -errno. */
int pt(int request, pid_t pid, uint32_t addr, const void *data);
/* A child that is traced, stopped by SIGSTOP before it runs fn() and exits with 0. */
pid_t traced_child(void (*fn)(void));

void test_hostile(void);

#endif
