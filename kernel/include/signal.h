/* SPDX-License-Identifier: MIT */
/* Signals as Linux delivers them. proc/signal.c. */
#ifndef KERNEL_SIGNAL_H
#define KERNEL_SIGNAL_H

#include "base.h"
#include "spinlock.h"

enum {
	SIGHUP = 1,
	SIGINT,
	SIGQUIT,
	SIGILL,
	SIGTRAP,
	SIGABRT,
	SIGBUS,
	SIGFPE,
	SIGKILL,
	SIGUSR1,
	SIGSEGV,
	SIGUSR2,
	SIGPIPE,
	SIGALRM,
	SIGTERM,
	SIGSTKFLT,
	SIGCHLD,
	SIGCONT,
	SIGSTOP,
	SIGTSTP,
	SIGTTIN,
	SIGTTOU,
	SIGURG,
	SIGXCPU,
	SIGXFSZ,
	SIGVTALRM,
	SIGPROF,
	SIGWINCH,
	SIGIO,
	SIGPWR,
	SIGSYS,
	SIGRTMIN = 32,
	NSIG = 64,
};

enum { /* si_code */
       SI_USER = 0,
       SI_KERNEL = 0x80,
       SI_TKILL = -6,
       SI_TIMER = -2,
       ILL_ILLOPN = 2,
       FPE_INTDIV = 1,
       FPE_FLTINV = 7,
       SEGV_MAPERR = 1,
       SEGV_ACCERR = 2,
       BUS_ADRALN = 1,
       BUS_ADRERR = 2,
       BUS_MCEERR_AR = 4,
       TRAP_BRKPT = 1,
       TRAP_TRACE = 2,
       TRAP_HWBKPT = 4,
       CLD_EXITED = 1,
       CLD_KILLED = 2,
       CLD_DUMPED = 3,
       CLD_TRAPPED = 4,
       CLD_STOPPED = 5,
       CLD_CONTINUED = 6,
};

#define SIG_DFL      0
#define SIG_IGN      1
#define SA_NOCLDSTOP UINT64_C(0x00000001)
#define SA_NOCLDWAIT UINT64_C(0x00000002)
#define SA_SIGINFO   UINT64_C(0x00000004)
#define SA_RESTORER  UINT64_C(0x04000000)
#define SA_ONSTACK   UINT64_C(0x08000000)
#define SA_RESTART   UINT64_C(0x10000000)
#define SA_NODEFER   UINT64_C(0x40000000)
#define SA_RESETHAND UINT64_C(0x80000000)
/* The kernel's own: installed by a 32-bit call, so the frame is i386's. */
#define SA_IA32 (UINT64_C(1) << 32)

typedef uint64_t sigset_t; /* bit n-1 is signal n */
#define SIGMASK(n) (UINT64_C(1) << ((n)-1))

struct siginfo { /* the kernel's own form; signal_frame.c writes Linux's 128 bytes */
	int signo, code, err;
	int pid; /* SI_USER, CLD_* */
	unsigned uid;
	int status;    /* CLD_* */
	uint64_t addr; /* faults */
	int trapno;    /* faults: vector, and the error code for the frame */
	uint64_t error;
	uint64_t value; /* sigqueue() */
};

struct task;
struct pt_regs;

/* To one thread, or to a whole process (any thread of it that does not block it). Any context but
 * NMI. Default-ignored and ignored signals vanish. info NULL: SI_KERNEL. 0 or -ESRCH/-EAGAIN. */
int signal_send_thread(struct task *t, int sig, const struct siginfo *info);
int signal_send_process(struct task *t, int sig, const struct siginfo *info);
/* To every process of a process group: 0, or -ESRCH if there is none. Takes task_lock. */
int signal_send_group(int pgid, int sig, const struct siginfo *info);
/* A fault of the current task: delivered even if blocked or ignored (then it kills). */
void signal_fault(int sig, int code, uint64_t addr, struct pt_regs *regs);

/* True if the current task has something to deliver (or must die). */
bool signal_pending(void);
/* On the way to user mode, interrupts on: delivers one signal, restarts, stops, or does not return;
 * the caller looks again whether there is more. `in_syscall`: regs->ax holds a system call's
 * result, regs->orig_ax its number. */
void signal_deliver(struct pt_regs *regs, bool in_syscall);

#endif
