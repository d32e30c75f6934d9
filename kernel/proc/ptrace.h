/* SPDX-License-Identifier: MIT */
/* Linux's numbers for ptrace(2), and what its files share. */
#ifndef PROC_PTRACE_H
#define PROC_PTRACE_H

#include "proc.h"

enum {
	PTRACE_TRACEME = 0,
	PTRACE_PEEKTEXT = 1,
	PTRACE_PEEKDATA = 2,
	PTRACE_PEEKUSER = 3,
	PTRACE_POKETEXT = 4,
	PTRACE_POKEDATA = 5,
	PTRACE_POKEUSER = 6,
	PTRACE_CONT = 7,
	PTRACE_KILL = 8,
	PTRACE_SINGLESTEP = 9,
	PTRACE_GETREGS = 12,
	PTRACE_SETREGS = 13,
	PTRACE_GETFPREGS = 14,
	PTRACE_SETFPREGS = 15,
	PTRACE_ATTACH = 16,
	PTRACE_DETACH = 17,
	PTRACE_GETFPXREGS = 18, /* of 32-bit tracers */
	PTRACE_SETFPXREGS = 19,
	PTRACE_SYSCALL = 24,
	PTRACE_GET_THREAD_AREA = 25,
	PTRACE_SET_THREAD_AREA = 26,
	PTRACE_SYSEMU = 31,
	PTRACE_SYSEMU_SINGLESTEP = 32,
	PTRACE_SETOPTIONS = 0x4200,
	PTRACE_GETEVENTMSG = 0x4201,
	PTRACE_GETSIGINFO = 0x4202,
	PTRACE_SETSIGINFO = 0x4203,
	PTRACE_GETREGSET = 0x4204,
	PTRACE_SETREGSET = 0x4205,
	PTRACE_SEIZE = 0x4206,
	PTRACE_INTERRUPT = 0x4207,
	PTRACE_LISTEN = 0x4208,
	PTRACE_GETSIGMASK = 0x420a,
	PTRACE_SETSIGMASK = 0x420b,

	PTRACE_EVENT_FORK = 1,
	PTRACE_EVENT_VFORK = 2,
	PTRACE_EVENT_CLONE = 3,
	PTRACE_EVENT_EXEC = 4,
	PTRACE_EVENT_VFORK_DONE = 5,
	PTRACE_EVENT_EXIT = 6,
	PTRACE_EVENT_STOP = 128,

	PTRACE_O_TRACESYSGOOD = 1 << 0,
	PTRACE_O_EXITKILL = 1 << 20,
	/* Of an event: 1 << its number. */
	PTRACE_O_MASK = 0xff | PTRACE_O_EXITKILL,

	SYSCALL_ENTRY_MESSAGE = 1, /* GETEVENTMSG in system-call stops */
	SYSCALL_EXIT_MESSAGE = 2,
};

/* Register sets. */
enum {
	NT_PRSTATUS = 1,
	NT_PRFPREG = 2,
	NT_386_TLS = 0x200,
	NT_X86_XSTATE = 0x202,
	NT_PRXFPREG = 0x46e62b7f,
};

/* In what ptrace_peek_user() and ptrace_poke_user() know: Linux's struct user of 64 bits. */
enum { USER_DEBUGREG = 848 };

/* ptrace_regs.c: the registers of t, which is frozen. 0 or -errno. */
int ptrace_peek_user(struct task *t, uint64_t offset, uint64_t *value);
int ptrace_poke_user(struct task *t, uint64_t offset, uint64_t value);
int ptrace_get_regs(struct task *t, uint64_t to);
int ptrace_set_regs(struct task *t, uint64_t from);
int ptrace_get_fpregs(struct task *t, uint64_t to);
int ptrace_set_fpregs(struct task *t, uint64_t from);
/* iov_va: a struct iovec, whose length is set to what was copied. */
int ptrace_regset(struct task *t, uint64_t type, uint64_t iov_va, bool set);
/* TF for the tracer, or back to what the program has. */
void ptrace_step_on(struct task *t);
void ptrace_step_off(struct task *t);

/* Death ends t's stop. One that is itself part of leaving is ended by a new SIGKILL only. */
bool ptrace_doomed(const struct task *t);
/* Makes t, if it listens, leave its stop for the one that is due. siglock held. */
void ptrace_end_listening_locked(struct task *t);

#endif
