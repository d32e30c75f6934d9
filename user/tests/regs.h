/* SPDX-License-Identifier: MIT */
/*
 * Every register, before and after one event in user mode. The routines of regs.S load `regs_in`,
 * cause the event, and store what they find to `regs_out`: no register is free for a base, so both
 * are static and the program has one thread.
 */
#ifndef USER_TESTS_REGS_H
#define USER_TESTS_REGS_H

#define REGS_GPR(i) ((i)*8) /* rax rbx rcx rdx rsi rdi rbp rsp r8..r15 */
#define REGS_FLAGS  128
#define REGS_SEGS   136 /* cs ss ds es fs gs, two bytes each */
#define REGS_MXCSR  148
#define REGS_FCW    152
#define REGS_VEC    160 /* 16 x 32 bytes */

#ifndef __ASSEMBLER__
#include <stdint.h>

enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP, R8, R9, R10, R11, R12, R13, R14, R15, GPRS };

struct regs {
	uint64_t gpr[GPRS];
	uint64_t flags;
	uint16_t seg[6];
	uint32_t mxcsr;
	uint16_t fcw, pad[3];
	uint8_t vec[16][32];
};
_Static_assert(sizeof(struct regs) == REGS_VEC + 512, "regs.S depends on it");

extern struct regs regs_in, regs_out;
extern uint64_t regs_avx;   /* 1: use YMM */
extern uint64_t regs_count; /* rounds of regs_spin */
extern uint64_t regs_bad;   /* regs_spin saw a change */

void regs_none(void);    /* nothing happens: does the harness itself keep them? */
void regs_syscall(void); /* SYSCALL */
void regs_touch(void);   /* incb (%rdi) */
void regs_int3(void);
void regs_ud2(void);
void regs_div(void);  /* divl %ebx, which is to be 0 */
void regs_spin(void); /* compares all general registers regs_count times */
extern char regs_after_syscall[], regs_after_div[];
#endif
#endif
