/* SPDX-License-Identifier: MIT */
/* Tasks: a thread each; a process is the tasks that share a struct process. proc/. */
#ifndef KERNEL_TASK_H
#define KERNEL_TASK_H

#include <kaiser/kaiser.h>

#include "cpu.h"
#include "list.h"
#include "mm.h"
#include "ptrace.h"
#include "signal.h"
#include "sync.h"

#define KSTACK_PAGES 4

/*
 * The end of a task's kernel stack, above the pt_regs of its entries: what the shortest system
 * calls tell, so that they touch no page but the one the entry has written to. Written by the task
 * itself or under task_lock while it is in its process's list: then it has its stack.
 */
struct task_head {
	int tid, pid, ppid, pad;
	struct files *files; /* as in struct task */
	uint64_t pad2[5];
};
_Static_assert(sizeof(struct task_head) == 64, "a kernel stack's top is 16-byte aligned");
#define NOFILE  256
#define TID_MAX 32768

struct files;   /* fs/fdtable.c */
struct fs_info; /* fs/: cwd, umask */
struct ioports; /* proc/ioports.c */
struct tty;

enum task_state {
	TASK_RUNNABLE,
	TASK_SLEEPING,
	TASK_SLEEPING_INTR,
	TASK_STOPPED,
	TASK_ZOMBIE,
	TASK_DEAD,
	TASK_TRACED, /* in a stop of its tracer's: only that, or death, wakes it */
	TASK_FROZEN, /* the same while the tracer works on it: nothing else wakes it */
};

struct sigaction_k { /* as rt_sigaction passes it */
	uint64_t handler, flags, restorer;
	sigset_t mask;
};

struct rt_signal; /* signal_queue.c */

struct sigqueue {
	sigset_t set;
	struct rt_signal *rt;              /* real-time signals, sorted */
	struct siginfo info[SIGRTMIN - 1]; /* of the others one each */
};

#define NGROUPS 32

/* Who a process is. All zero is root. fork copies it, exec keeps it. */
struct cred {
	uint32_t uid, euid, suid, gid, egid, sgid;
	uint32_t ngroups;
	uint32_t groups[NGROUPS];
	bool no_new_privs;
};

/* What the threads of a process share. Freed with the last task reference. */
struct process {
	int refs;
	int pid, pgid, sid; /* pid is the leader's tid */
	struct task *leader;
	struct process *parent; /* NULL for init only */
	struct list children, sibling;
	struct list threads; /* task.thread_link */
	unsigned nthreads;   /* alive */
	struct list all;     /* in process_list */
	spinlock_t siglock;  /* irqsave; actions, pending, and the tasks' pending */
	struct sigaction_k actions[NSIG];
	struct sigqueue *pending; /* for any thread */
	bool exiting;             /* exit_group or a fatal signal: every thread leaves */
	int exit_status;          /* as wait4 shows it */
	bool stopped, continued_report, stopped_report;
	struct waitq child_wait; /* wait4 sleeps here */
	struct tty *tty;         /* controlling terminal or NULL */
	uint64_t alarm_ns;       /* ITIMER_REAL: next, 0 off */
	uint64_t alarm_interval_ns;
	uint64_t child_utime_ns, child_stime_ns;
	uint64_t rlim_stack, rlim_nofile;
	char name[16]; /* comm */
	struct cred cred;
	struct list alarm_link;                /* itimer.c's; all zero while never armed */
	uint64_t gone_utime_ns, gone_stime_ns; /* of threads that exited */
	uint64_t hard_stack, hard_nofile;      /* hard limits; 0: the default */
	int nice;
	bool did_exec;            /* setpgid() by the parent is refused from then on */
	bool undumpable;          /* prctl */
	bool membarrier_ready;    /* registered for the private expedited command */
	bool continue_notify;     /* SIGCONT came: the first thread to run tells the parent */
	bool zombie;              /* every thread left; waits for wait4. task_lock */
	int leader_status;        /* of a leader that left before the other threads */
	bool orphan_hup;          /* exit.c: its group is to get SIGHUP and SIGCONT */
	int exit_signal;          /* what the parent gets: SIGCHLD, or as clone() asked */
	int parent_tid;           /* the thread that made it, which PTRACE_TRACEME names */
	struct waitq thread_wait; /* exec waits here for the other threads to leave */
	struct task *exec_thread; /* the thread that exec spares, while it waits */
	uint64_t rlim_sigpending, hard_sigpending;
	uint64_t rlim_nproc, hard_nproc; /* tasks of its user */
	uint32_t persona;                /* personality(2): 0, or PER_LINUX32 */
	uint64_t nqueued; /* real-time signals in its and its threads' queues. siglock */
};

struct task {
	/* ORDER: switch.S uses the first two. */
	uint64_t kernel_sp; /* while not running */
	void *fpu;          /* 64-byte aligned XSAVE/FXSAVE area; NULL for kernel threads */

	int tid;
	int refs; /* the scheduler's, and lookups' */
	enum task_state state;
	volatile bool on_cpu; /* still on some CPU's stack: do not run it elsewhere */
	bool woken;           /* queued ahead: it slept, and has some of its slice left */
	unsigned slice;       /* ticks it may still run before others get their turn */
	unsigned cpu;         /* where it is queued or runs */
	uint64_t affinity;    /* CPUs it may run on */
	struct list run_link;
	void *kstack;         /* lowest byte */
	struct mm *mm;        /* NULL for kernel threads */
	struct process *proc; /* NULL for kernel threads and idle */
	struct list thread_link;
	struct list hash_link;

	struct files *files;
	struct fs_info *fs;
	uint64_t fs_base, gs_base; /* user's; valid while not running */
	sigset_t blocked, saved_blocked;
	sigset_t real_blocked; /* rt_sigtimedwait: blocked but for the wait */
	bool restore_blocked;  /* rt_sigsuspend, ppoll: put saved_blocked back at the exit */
	struct sigqueue *pending;
	uint64_t altstack_sp, altstack_size;
	int altstack_flags;
	uint64_t clear_child_tid, robust_list;
	uint64_t wake_ns; /* sleep deadline, 0 none; sched.c */
	struct list timer_link;
	uint64_t utime_ns, stime_ns, start_ns;
	struct waitq *vfork_done;
	uint64_t restart_until_ns;          /* nanosleep's restart block */
	long (*restart_fn)(struct task *t); /* what restart_syscall() runs; NULL: -EINTR */
	uint64_t restart_arg[4];
	char thread_name[16]; /* of a thread that is not the leader; "": the process's */
	void (*kthread_fn)(void *);
	void *kthread_arg;
	struct pt_regs *user_regs; /* top of the kernel stack */
	unsigned syscall_work;     /* SYSCALL_*: a system call takes the long way. ptrace.h */
	struct ptrace_state ptrace;
	struct debugreg debugreg;
	bool on_rq;         /* running, queued, or between two queues. Its queue's lock */
	bool wait_intr;     /* how wait_sleep() sleeps */
	bool killed;        /* another thread execs: this one leaves. Set with siglock held */
	unsigned timer_cpu; /* whose list timer_link is in */
	uint16_t user_ds, user_es, user_fs, user_gs; /* selectors; valid while not running */
	uint8_t trap_vector;                         /* of the last exception that was a signal */
	uint8_t ia32;                                /* ia32.h; 0 but in a 32-bit system call */
	bool robust_ia32;                            /* robust_list is a 32-bit program's */
	uint64_t tls[KAISER_TLS_ENTRIES];            /* descriptors of set_thread_area() */
	struct ioports *ioports;                     /* that it may use; NULL: none */
	uint8_t iopl;                                /* as iopl() set it */
	uint64_t set_child_tid; /* written by the task itself before it first runs; 0: none */
};

static inline struct task *current_task(void)
{
	return this_cpu()->current;
}
#define current (current_task())

/* What kaiser_set_kernel_stack() is given for a stack whose lowest byte is at `kstack`. */
static inline uint64_t kstack_top(const void *kstack)
{
	return (uint64_t)kstack + KSTACK_PAGES * PAGE_SIZE - sizeof(struct task_head);
}

static inline struct task_head *task_head(const struct task *t)
{
	return (struct task_head *)kstack_top(t->kstack);
}
/* Of the task that is in a system call. */
static inline const struct task_head *current_head(void)
{
	return (const struct task_head *)kaiser_kernel_stack();
}
/* Of the task itself, or of one that does not run yet. */
static inline void task_set_files(struct task *t, struct files *fs)
{
	t->files = fs;
	task_head(t)->files = fs;
}
/* After a change of its tid, or of its process's parent. task_lock held. */
void task_head_update(struct task *t);

extern spinlock_t task_lock; /* irqsave: the process tree, tid hash, process_list */
extern struct list process_list;
/* By id, with a reference to drop by task_put(); NULL if there is none. */
struct task *task_find(int tid);
void task_get(struct task *t);
void task_put(struct task *t);
struct process *process_find_locked(int pid); /* task_lock held */
void process_get(struct process *p);
void process_put(struct process *p);
/* The address space of a task that may be another's, with a reference; NULL if it has none. */
struct mm *task_get_mm(struct task *t);

/* Scheduler (sched.c). */
void sched_init_cpu(struct task *idle); /* on each CPU */
void schedule(void);                    /* task context; current->state says why */
void sched_wake(struct task *t);        /* any context but NMI */
void sched_enqueue_new(struct task *t);
void sched_tick(struct pt_regs *regs); /* from the timer interrupt */
noreturn void cpu_idle(void);
struct task *kthread_create(const char *name, void (*fn)(void *), void *arg);
struct sched_stats {
	uint64_t switches, runnable;
};
extern uint64_t task_forks; /* threads and processes made since boot. Atomic */
void sched_stats(struct sched_stats *st);

/* oom.c: kills whoever has most of the memory, and waits a moment: for a current task that could
 * not get a page, which then tries again, unless it is dying itself. Interrupts on, nothing
 * spinning. */
void oom_relieve(void);
/* exit.c: it leaves at its next way out, whatever happens. */
bool task_dying(const struct task *t);

/* fork.c, exec.c, exit.c */
long task_clone(struct pt_regs *regs, uint64_t flags, uint64_t stack, uint64_t ptid, uint64_t ctid,
		uint64_t tls);
/* Replaces the current process's image. argv/envp: NULL-ended kernel arrays. 0 or -errno. */
int task_exec(const char *path, char *const argv[], char *const envp[]);
noreturn void task_exit_thread(int status);
noreturn void task_exit_group(int status); /* as wait4 shows it: code << 8, or signal */
/* Process 1 from "path": called on a kernel thread by kernel_main. Returns only on failure, with
 * the reason in words in why[n]. */
void task_start_init(const char *path, char *const argv[], char *const envp[], char *why, size_t n);
void task_init(void);

/* The last thing before user mode, interrupts off before and after: reschedules, delivers, if
 * exit_work_set() was called on this CPU since. sys/entry.S does the same. */
void exit_to_user_slow(struct pt_regs *regs, bool in_syscall);
static inline void exit_to_user_work(struct pt_regs *regs, bool in_syscall)
{
	if (exit_work_is_set())
		exit_to_user_slow(regs, in_syscall);
}

/* fpu.c */
enum { FXSAVE_BYTES = 512, FPU_OFF_SW = 464 };
extern struct fpu_format { /* the same on all CPUs; written by the boot CPU alone, before the others
			    */
	unsigned bytes;    /* of an area */
	uint32_t features; /* XCR0 */
	uint32_t mxcsr_mask; /* the bits of MXCSR that the CPU has: any other makes a load fault */
	bool xsave;          /* else FXSAVE, and areas of FXSAVE_BYTES */
} fpu_format;
void fpu_init_cpu(void);
/* The registers are in the CPU while their task runs, and in its area, saved there, while it does
 * not. */
void fpu_save(struct task *t);
void fpu_load(
	const void *area); /* a task's, or an image that has been made sure of; 64-byte aligned */
void fpu_reset(void);      /* the initial state */
void *fpu_alloc(void);     /* a clean area; NULL */
void fpu_free(void *area);
void fpu_copy(void *to, const void *from);
/* signal_fpu.c: the area of t, which is off its CPU, is made what user memory has at va: bytes is
 * FXSAVE_BYTES (x87 and SSE, the rest stays) or fpu_format.bytes. 0, -EFAULT, -ENOMEM; -EINVAL
 * where Linux refuses: bits of MXCSR or state components that this CPU has not, another format. */
int fpu_image_set(struct task *t, uint64_t va, unsigned bytes);

#endif
