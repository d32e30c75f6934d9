/* SPDX-License-Identifier: MIT */
/* What the files of kernel/proc/ share among themselves.
 *
 * Lock order: task_lock, then one process's siglock, then wait queues, then run queues. alarm_lock
 * (itimer.c) comes before siglock, futex buckets before wait queues. process.threads changes with
 * both task_lock and siglock held, so either is enough to walk it. process.pending and
 * task.pending are allocated with their owner and live as long: never NULL where there is a proc.
 */
#ifndef PROC_PROC_H
#define PROC_PROC_H

#include "random.h"
#include "task.h"

/* ---- signal.c ---- */
#define SET_TTY_STOP (SIGMASK(SIGTSTP) | SIGMASK(SIGTTIN) | SIGMASK(SIGTTOU))
#define SET_STOP     (SIGMASK(SIGSTOP) | SET_TTY_STOP)
#define SET_DEFAULT_IGNORED \
	(SIGMASK(SIGCHLD) | SIGMASK(SIGCONT) | SIGMASK(SIGURG) | SIGMASK(SIGWINCH))
/* What an instruction of the thread itself may cause. */
#define SET_FAULT                                                                  \
	(SIGMASK(SIGSEGV) | SIGMASK(SIGBUS) | SIGMASK(SIGILL) | SIGMASK(SIGTRAP) | \
	 SIGMASK(SIGFPE) | SIGMASK(SIGSYS))
struct siginfo;
/* signal_send_group() for a caller that holds task_lock. */
int signal_send_group_locked(int pgid, int sig, const struct siginfo *info);
/* Makes t look at its signals now: wakes an interruptible sleep, a stop as well if `fatal`, and
 * interrupts user mode on another CPU. task_exit_group() calls it with fatal for each thread it
 * wants gone, after process.exiting is set. Any context but NMI. */
void signal_kick(struct task *t, bool fatal);
/* True if no member of the group has a parent in the same session but outside the group.
 * task_lock held. */
bool pgrp_is_orphaned_locked(int pgid);
/* Puts the actions back to the default except ignored ones, forgets the alternate stack: exec. */
void signal_exec(struct task *t);
/* Drops pending `sig` for the process and all of its threads. siglock held. */
void signal_flush_locked(struct process *p, sigset_t set);
/* Which of t's pending signals of `set` is next, and its queue; 0 if there is none. siglock held.
 */
int signal_choose_locked(const struct task *t, sigset_t set, struct sigqueue **q);
/* Takes the next signal of `set` of the current task out of its queues; 0 if there is none.
 * siglock held. */
int signal_dequeue_locked(sigset_t set, struct siginfo *info);
/* Signals of the process in `set` may have been left to t, which takes them no more (it blocks them
 * or has left the process): finds other threads for them. siglock held. */
void signal_retarget_locked(struct task *t, sigset_t set);
void signal_set_blocked(sigset_t set); /* of current; never SIGKILL, SIGSTOP */
/* Parent's SIGCHLD and wait4: one of CLD_STOPPED, CLD_CONTINUED. Takes task_lock. */
void signal_notify_parent(struct process *p, int code, int status);

enum { SIGPENDING_MAX = 1024 }; /* the default limit of real-time signals kept for a process */
/* ---- signal_queue.c. siglock of p held; q is p's or one of its threads'. ---- */
/* replace: of a signal below SIGRTMIN, the new information counts. 0, or -EAGAIN: no room. */
int sigqueue_add_locked(struct process *p, struct sigqueue *q, int sig, const struct siginfo *info,
			bool replace);
/* Takes the oldest `sig`, which is in q->set. */
void sigqueue_take_locked(struct process *p, struct sigqueue *q, int sig, struct siginfo *info);
void sigqueue_drop_locked(struct process *p, struct sigqueue *q, sigset_t set);

/* ---- signal_deliver.c ---- */
/* True if signal_deliver() must be called on this way to user mode: a signal, a stop or an exit is
 * pending, a mask is to be put back, or the call's result asks for a restart (its signal may
 * have gone to another thread meanwhile). What exit_to_user_work() tests. */
bool signal_work(const struct pt_regs *regs, bool in_syscall);
/* A stopped process has stopped = stopped_report = true and exit_status = sig << 8 | 0x7f;
 * wait4(WUNTRACED) reports that and clears stopped_report. continued_report likewise: 0xffff. */

/* ---- signal_calls.c: without user memory ---- */
/* new and old may be NULL. */
long sigaction_change(int sig, const struct sigaction_k *new, struct sigaction_k *old);
long sigsuspend(sigset_t set);
long sigqueue_process(int pid, int sig, const struct siginfo *info);
long sigqueue_thread(int tgid, int tid, int sig, const struct siginfo *info);
#define FLAGS_TF BIT(8)

/* ---- signal_frame.c ---- */
/* Builds the handler's frame on the user stack and points regs at the handler: 0 or -EFAULT. */
int signal_frame_push(struct pt_regs *regs, int sig, const struct siginfo *info,
		      const struct sigaction_k *act, sigset_t saved_mask);
/* Linux's 128 bytes. 0 or -EFAULT. */
int siginfo_to_user(uint64_t va, const struct siginfo *info);
int siginfo_from_user(uint64_t va, struct siginfo *info);
/* sigaltstack's rules; sp is the user stack pointer. old and/or new may be 0. 0 or -errno. */
long altstack_change(uint64_t new_va, uint64_t old_va, uint64_t sp);

/* ---- segments.c. Interrupts off; they are this CPU's. ---- */
void segments_save(struct task *t);
void segments_load(struct task *t);
void segments_load_data(uint16_t ds, uint16_t es);
/* The bases of FS and GS become what their descriptors say. */
void segments_load_fs_gs(uint16_t fs, uint16_t gs);
void segments_reset(void); /* as a program finds them when it starts */

/* ---- ioports.c ---- */
void ioports_init(void);
void ioports_switch(const struct task *t); /* this CPU's ports are t's; interrupts off */
void ioports_fork(struct task *child, const struct task *t);
void ioports_exit(struct task *t);

/* ---- time.c ---- */
uint64_t realtime_ns(void); /* since the epoch, clock_settime() included */
/* User and system time of a process, threads that left included (process.gone_*time_ns, to which
 * the exit of a thread adds its own with siglock held). */
void process_times(struct process *p, uint64_t *utime_ns, uint64_t *stime_ns);

/* ---- itimer.c ---- */
/* Sends SIGALRM to processes whose alarm is due: from CPU 0's tick, no lock held. */
void itimer_check(uint64_t now_ns);
/* Takes the process off the list; when the last thread exits and before the struct is freed. */
void itimer_exit(struct process *p);

/* ---- futex.c ---- */
/* Wakes at most n waiters at addr, as FUTEX_WAKE without the private flag; mm's task context. */
long futex_wake_addr(struct mm *mm, uint64_t addr, int n);
/* The robust list of the current task t, while its mm is still loaded; before clear_child_tid. */
void futex_exit_robust(struct task *t);

/* ---- misc.c ---- */
/* Load averages over 1, 5 and 15 minutes, times 65536 (as sysinfo(2) gives them). */
void load_average(uint64_t loads[3]);
void load_tick(uint64_t now_ns); /* CPU 0's tick, by itimer_check() */

struct user_sysinfo { /* sysinfo(2)'s */
	int64_t uptime;
	uint64_t loads[3];
	uint64_t totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	uint16_t procs, pad;
	uint64_t totalhigh, freehigh;
	uint32_t mem_unit;
};
void sysinfo_fill(struct user_sysinfo *si);

enum { PER_LINUX32 = 8 }; /* process.persona: uname() tells of a 32-bit machine */

/* ---- task.c ---- */
/* A thread with a kernel stack and an empty frame at its top, not in any list; refs 1, the
 * scheduler's. user: with an FPU area and a signal queue. NULL when out of memory. */
struct task *task_alloc(bool user);
/* An empty process without threads; refs 1, the tree's. NULL when out of memory. */
struct process *process_alloc(void);
/* A free number for a task, process group and session; -EAGAIN. task_lock held. */
int tid_alloc_locked(void);
/* The user that `maker` runs for has as many tasks as RLIMIT_NPROC allows. Never true of root.
 * task_lock held. */
bool user_is_full_locked(const struct process *maker);
void tid_hash_locked(struct task *t);
void tid_unhash_locked(struct task *t);
/* Puts t into p, last; takes a reference of p. task_lock and siglock held. */
void process_add_thread_locked(struct process *p, struct task *t);
/* Takes a dead process out of the tree and of process_list; the caller then drops the tree's
 * reference by process_put() and the leader's by task_put(). task_lock held. */
void process_unlink_locked(struct process *p);
/* What a dead task has no use for any more; it is off its stack. Any context. */
void task_release(struct task *t);
extern struct process *init_process;

/* ---- sched.c ---- */
/* Wakes t if its state is in `states` (bit = enum task_state); false if it was not. Any context. */
bool sched_wake_if(struct task *t, unsigned states);
/* From one sleeping state to another; false if it was not in `from`. Any context. */
bool sched_change_state(struct task *t, enum task_state from, enum task_state to);
/* Until t, which sleeps and is not woken meanwhile, has left its stack. Interrupts on. */
void sched_wait_off_cpu(const struct task *t);
/* Changes where t may run and moves it if it must. Some CPU of mask is up. Any context. */
void sched_set_affinity(struct task *t, uint64_t mask);
uint64_t sched_online(void); /* CPUs that run tasks */
/* Sleeps until woken or `deadline`; the state is set already. sched_timer.c. */
void sched_sleep_until(uint64_t deadline_ns);
void sched_timers_init(unsigned cpu);
void sched_timers_run(uint64_t now_ns); /* this CPU's; interrupts off */
/* switch.S: saves prev's callee-saved registers and stack, continues next; returns the task that
 * ran here before. */
struct task *switch_stacks(struct task *prev, struct task *next);
void task_entry(void);                           /* switch.S: where a new task begins */
noreturn void task_first_run(struct task *prev); /* kthread.c, from task_entry */
void sched_first_run(struct task *prev);         /* what it does first */

/* ---- exit.c ---- */
/* A zombie's parent, or whoever it now has, hears of it. True if it is unlinked, since nobody will
 * wait: the caller drops the tree's references. task_lock held. */
bool zombie_tell_parent_locked(struct process *p);
/* Makes every thread of p but `spare` leave: sets ->killed. task_lock and siglock held. */
void process_kill_threads_locked(struct process *p, const struct task *spare);
/* True if t must die before it sees user mode again. */
/* What the current thread leaves in user memory for others that share it: exit and exec. */
void task_leave_memory(struct task *t);
void vfork_release(struct task *t); /* the parent of a vfork may go on */
noreturn void kthread_exit(void);

/* ---- exec_args.c, elf.c, exec_stack.c ---- */
enum { ARG_MAX_STRING = 128 << 10, ARG_MAX_TOTAL = 2 << 20 };
struct exec_args {
	char **v; /* NULL-ended */
	size_t n;
};
/* Copies a NULL-ended array of strings from user memory. *total counts the bytes of all arrays of
 * this exec, pointers included. 0, -E2BIG, -EFAULT, -ENOMEM; free it in every case. */
int exec_args_copy(struct exec_args *a, uint64_t user_array, size_t *total);
void exec_args_free(struct exec_args *a);
struct exec_image {
	uint64_t entry, phdr, end; /* end: of the highest segment */
	unsigned phnum;
	bool exec_stack, ia32;
};
/* Maps the program into mm; bytes that must be cleared at run time are in bss[]. 0 or -errno. */
enum { ELF_MAX_PHDRS = 64 };
struct elf_bss {
	uint64_t start, end;         /* cleared once mm is loaded */
	uint64_t seg_start, seg_end; /* gets its own rights afterwards ... */
	uint32_t prot;               /* ... unless it is writable anyway */
};
struct elf_load {
	struct exec_image image;
	const char *why; /* after -ENOEXEC: what is wrong with the file */
	unsigned nbss;
	struct elf_bss bss[ELF_MAX_PHDRS];
};
/* Why a program cannot be started, for the log. */
struct exec_fault {
	const char *what; /* NULL: the error number tells all */
	char file[128];   /* the program or the script's interpreter, cut to fit */
};
/* task_exec() that says why not, unless why is NULL. */
int task_exec_why(const char *path, char *const argv[], char *const envp[], struct exec_fault *why);
struct file;
int elf_map(struct file *f, struct mm *mm, struct elf_load *load);
/* After mm is loaded. */
int elf_clear_bss(struct mm *mm, const struct elf_load *load);
/* Maps a stack with room for that many bytes of arguments, at a random place. */
int exec_stack_map(struct mm *mm, uint64_t arg_bytes, bool exec);
/* Writes arguments, environment and auxiliary vector; *sp is the stack pointer. mm is loaded. */
int exec_stack_fill(struct mm *mm, const struct exec_image *image, const char *execfn,
		    char *const argv[], char *const envp[], uint64_t *sp);

/* For layouts. */
static inline uint64_t layout_random(void)
{
	uint64_t r;

	random_bytes(&r, sizeof(r));
	return r;
}

#endif
