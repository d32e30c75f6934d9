/* SPDX-License-Identifier: MIT */
/* Linux's structures of a signal frame, as programs see them. */
#ifndef PROC_SIGNAL_FRAME_H
#define PROC_SIGNAL_FRAME_H

#include "base.h"

#define SS_ONSTACK    1
#define SS_DISABLE    2
#define SS_AUTODISARM ((int)0x80000000)
#define MINSIGSTKSZ   2048

struct user_siginfo {
	int32_t signo, err, code, pad;
	union {
		uint64_t addr;
		struct {
			int32_t pid;
			uint32_t uid;
			int32_t status;
		} child;
		struct {
			int32_t pid;
			uint32_t uid;
			uint64_t value;
		} queued;
		uint8_t bytes[112];
	};
};
_Static_assert(sizeof(struct user_siginfo) == 128, "siginfo");
_Static_assert(offsetof(struct user_siginfo, addr) == 16, "siginfo.si_addr");
_Static_assert(offsetof(struct user_siginfo, queued.value) == 24, "siginfo.si_value");

struct user_stack {
	uint64_t sp;
	int32_t flags, pad;
	uint64_t size;
};
_Static_assert(sizeof(struct user_stack) == 24, "stack_t");

struct user_sigcontext {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t di, si, bp, bx, dx, ax, cx, sp, ip, flags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2;
	uint64_t fpstate;
	uint64_t reserved[8];
};
_Static_assert(sizeof(struct user_sigcontext) == 256, "sigcontext");
_Static_assert(offsetof(struct user_sigcontext, di) == 64, "sigcontext.rdi");
_Static_assert(offsetof(struct user_sigcontext, ip) == 128, "sigcontext.rip");
_Static_assert(offsetof(struct user_sigcontext, cs) == 144, "sigcontext.cs");
_Static_assert(offsetof(struct user_sigcontext, ss) == 150, "sigcontext.ss");
_Static_assert(offsetof(struct user_sigcontext, cr2) == 176, "sigcontext.cr2");
_Static_assert(offsetof(struct user_sigcontext, fpstate) == 184, "sigcontext.fpstate");

struct user_ucontext {
	uint64_t flags, link;
	struct user_stack stack;
	struct user_sigcontext mcontext;
	uint64_t sigmask;
};
_Static_assert(offsetof(struct user_ucontext, mcontext) == 40, "ucontext.uc_mcontext");
_Static_assert(offsetof(struct user_ucontext, sigmask) == 296, "ucontext.uc_sigmask");
_Static_assert(sizeof(struct user_ucontext) == 304, "ucontext");

#define FLAG_TF 0x100
#define FLAG_IF 0x200
#define FLAG_DF 0x400
#define FLAG_RF 0x10000
#define FLAG_ID 0x200000
/* AC RF OF DF TF SF ZF AF PF CF: what a handler may change in the interrupted context. */
#define FLAGS_FROM_USER 0x50dd5
#define FLAGS_ALWAYS    (FLAG_IF | 0x2)

/* signal_frame.c: the alternate stack. */
/* Where a frame begins: below the stack pointer and `red_zone` bytes, or at the alternate stack's
 * top. *bounded: the frame must lie on the alternate stack, as altstack_holds() tells. */
uint64_t altstack_choose(const struct pt_regs *regs, const struct sigaction_k *act,
			 uint64_t red_zone, bool *bounded);
bool altstack_holds(uint64_t sp);
void altstack_entered(void); /* the frame is written */
int altstack_restore(const struct user_stack *st, uint64_t sp);

/* signal_fpu.c */
/* Bytes of FPU state a frame takes, the ending magic included. */
uint64_t signal_fpu_bytes(void);
/* Writes this thread's state at va, 64-byte aligned. 0 or -EFAULT. */
int signal_fpu_to_user(uint64_t va);
/* Loads what lies at va (0: the initial state), cleaned. 0, -EFAULT or -ENOMEM. */
int signal_fpu_from_user(uint64_t va);

#endif
