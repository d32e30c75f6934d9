/* SPDX-License-Identifier: MIT */
/* Linux's layouts of what a signal leaves on a 32-bit program's stack. */
#ifndef COMPAT_SIGNAL_FRAME32_H
#define COMPAT_SIGNAL_FRAME32_H

#include "signal.h"

struct stack32 {
	uint32_t sp;
	int32_t flags;
	uint32_t size;
};

struct sigcontext32 {
	uint16_t gs, gsh, fs, fsh, es, esh, ds, dsh;
	uint32_t di, si, bp, sp, bx, dx, cx, ax, trapno, err, ip;
	uint16_t cs, csh;
	uint32_t flags, sp_at_signal;
	uint16_t ss, ssh;
	uint32_t fpstate, oldmask, cr2;
};
_Static_assert(sizeof(struct sigcontext32) == 88, "sigcontext of i386");
_Static_assert(offsetof(struct sigcontext32, ip) == 56, "sigcontext.eip");

struct ucontext32 {
	uint32_t flags, link;
	struct stack32 stack;
	struct sigcontext32 mcontext;
	uint32_t sigmask[2];
};
_Static_assert(sizeof(struct ucontext32) == 116, "ucontext of i386");

struct siginfo32 {
	int32_t signo, err, code;
	union {
		uint32_t addr;
		struct {
			int32_t pid;
			uint32_t uid;
			union {
				int32_t status;
				uint32_t value;
			};
		};
		uint8_t bytes[116];
	};
};
_Static_assert(sizeof(struct siginfo32) == 128, "siginfo of i386");

/* What FSAVE wrote, before there was FXSAVE: it lies before the FXSAVE image. */
struct fsave32 {
	uint32_t cw, sw, tags, ip, cs_opcode, data, ds;
	uint8_t st[8][10];
	uint16_t status, magic; /* 0: an FXSAVE image follows */
};
_Static_assert(sizeof(struct fsave32) == 112, "fpstate of i386");

/* Without SA_SIGINFO. */
struct sigframe32 {
	uint32_t pretcode;
	int32_t sig;
	struct sigcontext32 sc;
	uint8_t room[112 + 512]; /* where the FPU state once was */
	uint32_t extramask;
	uint8_t retcode[8];
};
_Static_assert(offsetof(struct sigframe32, extramask) == 96 + 624, "sigframe of i386");

struct rt_sigframe32 {
	uint32_t pretcode;
	int32_t sig;
	uint32_t pinfo, puc;
	struct siginfo32 info;
	struct ucontext32 uc;
	uint8_t retcode[8];
};
_Static_assert(offsetof(struct rt_sigframe32, uc) == 144, "rt_sigframe of i386");

/* signal_fpu32.c */
uint64_t ia32_fpu_bytes(void);
/* Writes this thread's state; va + sizeof(struct fsave32) is 64-byte aligned. 0 or -EFAULT. */
int ia32_fpu_to_user(uint64_t va);
/* Loads what lies at va (0: the initial state), cleaned. 0, -EFAULT or -ENOMEM. */
int ia32_fpu_from_user(uint64_t va);
/* The x87 part of a saved state, as FSAVE has it; set: in use from now on. */
void ia32_fsave_get(const void *area, struct fsave32 *s);
void ia32_fsave_set(void *area, const struct fsave32 *s);

#endif
