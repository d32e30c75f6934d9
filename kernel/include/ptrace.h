/* SPDX-License-Identifier: MIT */
/*
 * ptrace(2) and debug registers: what a task carries for them, and the hooks that the rest of the
 * kernel calls. proc/ptrace*.c, cpu/debugreg.c.
 */
#ifndef KERNEL_PTRACE_H
#define KERNEL_PTRACE_H

#include "list.h"
#include "signal.h"

struct task;
struct process;
struct pt_regs;

/* ---- debug registers -------------------------------------------------------------------- */

/* Of a thread, as its tracer sees them. DR7 as written, reserved bits and GD cleared; it is in the
 * CPU exactly while the thread runs, if one of its eight enable bits is set. */
struct debugreg {
	uint64_t addr[4];
	uint64_t dr6; /* causes so far, active high: no reserved bits */
	uint64_t dr7;
};
#define DR7_ENABLE_MASK UINT64_C(0xff)

/* This CPU gets d's registers, or none. Interrupts off. */
void debugreg_load(const struct debugreg *d);
/* A #DB from user mode: notes the causes. Returns the SIGTRAP's si_code; *fault: an instruction
 * breakpoint, so RF must be set or it hits for ever. */
int debugreg_event(struct debugreg *d, uint64_t dr6, bool *fault);
/* PTRACE_PEEKUSER and POKEUSER, n: 0 to 7. Of another task, which does not run. set: 0, -EINVAL
 * (a kernel address, a length or kind that is not offered), -EIO (there is no such register). */
uint64_t debugreg_get(const struct debugreg *d, unsigned n);
int debugreg_set(struct debugreg *d, unsigned n, uint64_t value);

/* ---- the traced task -------------------------------------------------------------------- */

/* task.syscall_work: why a system call takes the long way. */
enum {
	SYSCALL_TRACE = 1 << 0, /* stop at entry and exit */
	SYSCALL_EMU = 1 << 1,   /* stop at entry, do nothing */
	SYSCALL_STEP = 1 << 2,  /* single-stepping: SIGTRAP at the exit */
};

/* ptrace_state.due: stops to be made before user mode. */
enum {
	DUE_TRAP = 1 << 0, /* no signal's: group stop, PTRACE_INTERRUPT, news after PTRACE_LISTEN */
	DUE_EXIT = 1 << 1, /* a system call's exit, asked for in the middle of the call */
};

/* Guarded by task_lock: tracer, the lists, options, seized, dead. By the siglock of the traced
 * process: stopped to info. The registers, step and forced_tf are the task's own while it runs and
 * the tracer's while that has it frozen (ptrace.c). */
struct ptrace_state {
	struct task *tracer; /* who alone may call ptrace() on this task; NULL: nobody */
	struct list link;    /* in tracer's list */
	struct list tracees; /* whom this task traces */
	unsigned options;    /* PTRACE_O_* */
	bool seized;         /* by PTRACE_SEIZE */
	bool dead;           /* a thread that left; its tracer has not waited for it yet */
	int exit_status;     /* then, as wait4 shows it */

	bool stopped;   /* until the tracer, or death, ends it */
	bool listening; /* ... by PTRACE_LISTEN: no request is possible until there is news */
	bool report;    /* wait4() has not told of the stop yet */
	bool leaving;   /* the stop is part of the way out of the process */
	bool have_info;
	unsigned due; /* DUE_* */
	int code;     /* of the stop: what wait4() shows in its upper bytes */
	int signal;   /* what the tracer left to be delivered */
	uint64_t message;
	struct siginfo info;

	bool step;        /* PTRACE_SINGLESTEP is on */
	bool forced_tf;   /* TF in the frame is the tracer's, not the program's */
	bool traced_call; /* in a system call that took the long way */
};

/* ---- the traced task's side: proc/ptrace_stop.c ------------------------------------------ */

/* A signal was taken from the queue: stops. Returns what is left to deliver, 0: nothing, with *info
 * changed to fit. No lock held. */
int ptrace_signal(int sig, struct siginfo *info);
/* Makes the stops that are due. */
void ptrace_traps(void);
/* A system call of a task with syscall_work; call() does what regs->orig_ax names. */
void ptrace_syscall(struct pt_regs *regs, void (*call)(struct pt_regs *regs));
/* Before a handler's frame is written: TF of the tracer is taken out of regs. True if it stepped.
 */
bool ptrace_step_hide(struct pt_regs *regs);
/* After it, if it did: stops at the handler's first instruction. */
void ptrace_step_handler(void);

/* The child inherits the tracer, if that wants it, and is given its first stop. task_lock held; t
 * does not run yet. Returns the event to report, or 0. */
int ptrace_fork_locked(struct task *t, uint64_t clone_flags);
void ptrace_fork_report(int event, int child);
void ptrace_vfork_done(int child);
void ptrace_exec(int old_tid);
void ptrace_exit(int status);

/* siglock held: a group stop begins, or SIGCONT ends it. */
void ptrace_group_stop_locked(struct process *p);
void ptrace_group_cont_locked(struct process *p);
/* siglock held: SIGKILL for a process that is leaving already ends its threads' last stops. */
void ptrace_kill_leaving_locked(struct process *p);

/* ---- who traces whom: proc/ptrace_link.c; task_lock held ---------------------------------- */

/* t, whose siglock is not held, becomes tracer's. */
void ptrace_link_locked(struct task *t, struct task *tracer, unsigned options, bool seized);
/* Nobody traces t any more; a stop ends, with `signal` delivered if that was about to be. */
void ptrace_unlink_locked(struct task *t, int signal);
/* The tracer is to look: SIGCHLD and wait4(). why: CLD_*. */
void ptrace_tell_locked(struct task *t, int why, int status);
/* True if p's parent, since it also traces p, learns of stops by those of the trace. */
bool ptrace_parent_traces_locked(const struct process *p);
/* p became a zombie: true if its tracer, not its parent, is to hear of it first. */
bool ptrace_zombie_locked(struct process *p);
/* Thread t, no leader, leaves its process: true if its number stays until its tracer waited. */
bool ptrace_thread_dead_locked(struct task *t, int status);
/* What wait4() finds of tracees of `self`: 1 with *status and t, 0: there are such, -ECHILD. What
 * is taken (keep: nothing) and gone is left to ptrace_reap(), without task_lock. */
struct ptrace_news {
	struct task *task; /* NULL: no news */
	int status;        /* as wait4 shows it */
	bool exited;       /* else stopped */
	bool reap_task;    /* a thread's last trace */
	struct process *reap_process;
};
bool ptrace_look_locked(struct task *t, bool exits, bool keep, struct ptrace_news *n);
void ptrace_reap(struct ptrace_news *n);
/* The current task leaves, and with it what it traces is let go. No lock held. */
void ptrace_exit_tracer(void);

#endif
