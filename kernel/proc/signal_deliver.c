/* SPDX-License-Identifier: MIT */
/*
 * Delivering signals on the way to user mode: default actions, stops, handlers, and what becomes of
 * the system call that a signal interrupted.
 *
 * An interrupted call has one of the -ERESTART* values in ax. If no handler runs, the instruction
 * (two bytes, SYSCALL or INT 0x80) is run again with its number put back. If one runs, that happens
 * only where SA_RESTART or the call asks for it; else the program sees EINTR.
 */
#include "ia32.h"
#include "proc.h"
#include "syscall.h"

#define NR_RESTART_SYSCALL      219
#define NR_RESTART_SYSCALL_IA32 0
#define SYSCALL_INSN_BYTES      2

static sigset_t pending_set(const struct task *t)
{
	return t->pending->set | t->proc->pending->set;
}

/* A traced thread stops once, where its tracer sees it (DUE_TRAP), and then as that decides. */
static bool must_stay_stopped(const struct task *t)
{
	return *(const volatile bool *)&t->proc->stopped && !t->ptrace.tracer;
}

/* SIGKILL, which makes a task die, is never blocked. */
static inline bool pending(const struct task *t, const struct process *p)
{
	return *(const volatile bool *)&t->killed || *(const volatile bool *)&p->exiting ||
	       *(const volatile unsigned *)&t->ptrace.due || must_stay_stopped(t) ||
	       (pending_set(t) & ~t->blocked);
}

bool signal_pending(void)
{
	struct task *t = current;
	struct process *p = t->proc;
	if (!p)
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* after the caller marked itself sleeping */
	if (!pending(t, p))
		return false;
	/* The caller may give up because of it, and the signal may be another thread's in the end:
	 * the exit has to look whether the call is to be restarted. */
	exit_work_set();
	return true;
}

static bool asks_for_restart(const struct pt_regs *regs)
{
	if (regs->orig_ax == UINT64_MAX)
		return false;
	int64_t err = -(int64_t)regs->ax;
	return err == ERESTARTSYS || err == ERESTARTNOINTR || err == ERESTARTNOHAND ||
	       err == ERESTART_RESTARTBLOCK;
}

bool signal_work(const struct pt_regs *regs, bool in_syscall)
{
	const struct task *t = current;
	const struct process *p = t->proc;
	return p && (pending(t, p) || t->restore_blocked || p->continue_notify ||
		     (in_syscall && asks_for_restart(regs)));
}

void signal_notify_parent(struct process *p, int code, int status)
{
	struct siginfo info = {.signo = SIGCHLD,
			       .code = code,
			       .pid = p->pid,
			       .uid = p->cred.uid,
			       .status = status};
	uint64_t flags = spin_lock_irqsave(&task_lock);
	struct process *parent = p->parent;
	if (parent && parent->leader && !(code == CLD_STOPPED && ptrace_parent_traces_locked(p))) {
		const struct sigaction_k *act = &parent->actions[SIGCHLD - 1];
		if (act->handler != SIG_IGN && !(act->flags & SA_NOCLDSTOP))
			signal_send_process(parent->leader, SIGCHLD, &info);
		wake_all(&parent->child_wait);
	}
	spin_unlock_irqrestore(&task_lock, flags);
}

/* The whole process stops. Its parent is told at once, not when the last thread has reached its
 * stop: the others were kicked and run no further than their next entry. siglock held. */
static void begin_stop(struct process *p, int sig)
{
	p->stopped = true;
	p->stopped_report = true;
	p->continue_notify = false;
	p->continued_report = false;
	p->exit_status = sig << 8 | 0x7f;
	ptrace_group_stop_locked(p);
	list_for_each_entry (t, &p->threads, struct task, thread_link)
		if (t != current)
			signal_kick(t, false);
}

/* Sleeps until SIGCONT, SIGKILL or exit_group. */
static void stay_stopped(struct process *p)
{
	struct task *t = current;
	for (;;) {
		uint64_t flags = spin_lock_irqsave(&p->siglock);
		bool stay = must_stay_stopped(t) && !task_dying(t) &&
			    !(pending_set(t) & SIGMASK(SIGKILL));
		if (stay)
			t->state = TASK_STOPPED;
		spin_unlock_irqrestore(&p->siglock, flags);
		if (!stay)
			return;
		schedule();
	}
}

static bool in_orphaned_group(const struct process *p)
{
	uint64_t flags = spin_lock_irqsave(&task_lock);
	bool orphaned = pgrp_is_orphaned_locked(p->pgid);
	spin_unlock_irqrestore(&task_lock, flags);
	return orphaned;
}

enum verdict {
	V_NONE,
	V_AGAIN,
	V_STOPPED,
	V_STAY,
	V_CONTINUED,
	V_CHECK_GROUP,
	V_HANDLE,
	V_DIE,
	V_TRAP,   /* stops are due that the tracer sees */
	V_TRACED, /* *sig was taken: the tracer says what comes of it */
};

/* What comes of *sig, which has left the queue. siglock held. */
static enum verdict dispose(struct process *p, bool orphaned, int sig, const struct siginfo *info,
			    struct sigaction_k *act)
{
	struct sigaction_k *slot = &p->actions[sig - 1];
	sigset_t bit = SIGMASK(sig);
	if (slot->handler == SIG_IGN)
		return V_AGAIN;
	if (slot->handler != SIG_DFL) {
		*act = *slot;
		if (slot->flags & SA_RESETHAND)
			slot->handler = SIG_DFL;
		return V_HANDLE;
	}
	if (bit & SET_DEFAULT_IGNORED)
		return V_AGAIN;
	/* Process 1 dies of its own faults only, or if the kernel wants it dead. */
	if (p->pid == 1 && sig != SIGKILL && !((bit & SET_FAULT) && info->code > 0))
		return V_AGAIN;
	if (bit & SET_STOP) {
		if ((bit & SET_TTY_STOP) && orphaned)
			return V_AGAIN;
		if (!p->stopped)
			begin_stop(p, sig);
		return V_STOPPED;
	}
	return V_DIE;
}

/* Looks at one signal with siglock held and says what to do once it is dropped. */
static enum verdict take_signal(struct process *p, bool group_known, bool orphaned, int *sig,
				struct siginfo *info, struct sigaction_k *act)
{
	struct task *t = current;
	if (p->continue_notify) {
		p->continue_notify = false;
		p->continued_report = true;
		return V_CONTINUED;
	}
	sigset_t wanted = pending_set(t) & ~t->blocked;
	if (t->ptrace.due && !(wanted & SIGMASK(SIGKILL)))
		return V_TRAP;
	if (must_stay_stopped(t) && !(wanted & SIGMASK(SIGKILL)))
		return V_STAY;
	/* Before the signal leaves the queue, so that a SIGCONT meanwhile still finds it there. */
	if ((wanted & SET_TTY_STOP) && !group_known)
		return V_CHECK_GROUP;

	*sig = signal_dequeue_locked(~t->blocked, info);
	if (*sig == 0)
		return V_NONE;
	if (t->ptrace.tracer && *sig != SIGKILL)
		return V_TRACED;
	return dispose(p, orphaned, *sig, info, act);
}

/* Shows a signal to the tracer, and does what that left of it. */
static enum verdict traced_signal(struct process *p, bool orphaned, int *sig, struct siginfo *info,
				  struct sigaction_k *act)
{
	*sig = ptrace_signal(*sig, info);
	if (*sig == 0)
		return V_AGAIN;
	if (SIGMASK(*sig) & SET_TTY_STOP)
		orphaned = in_orphaned_group(p);
	uint64_t flags = spin_lock_irqsave(&p->siglock);
	enum verdict v = V_AGAIN;
	if (!current->killed && !p->exiting)
		v = dispose(p, orphaned, *sig, info, act);
	spin_unlock_irqrestore(&p->siglock, flags);
	return v;
}

/* The usual case: nothing waits but a signal with a handler. 0: it is not the usual case. */
static int take_plain(struct task *t, struct process *p, struct siginfo *info,
		      struct sigaction_k *act)
{
	struct sigqueue *q;
	struct sigaction_k *slot;
	int sig = 0;
	spin_lock_irq(&p->siglock);
	if (!t->killed && !p->exiting && !p->continue_notify && !p->stopped && !t->ptrace.tracer)
		sig = signal_choose_locked(t, ~t->blocked, &q);
	if (sig != 0 && (slot = &p->actions[sig - 1])->handler > SIG_IGN) {
		sigqueue_take_locked(p, q, sig, info);
		*act = *slot;
		if (slot->flags & SA_RESETHAND)
			slot->handler = SIG_DFL;
	} else {
		sig = 0;
	}
	spin_unlock_irq(&p->siglock);
	return sig;
}

/* The next signal that has a handler, 0 if there is none. May stop; may not return. */
static __attribute__((__noinline__)) int next_handled(struct siginfo *info, struct sigaction_k *act)
{
	struct process *p = current->proc;
	bool group_known = false, orphaned = false;
	for (;;) {
		int sig = 0;
		uint64_t flags = spin_lock_irqsave(&p->siglock);
		bool leave = current->killed || p->exiting;
		int status = p->exit_status;
		enum verdict v = V_NONE;
		if (!leave)
			v = take_signal(p, group_known, orphaned, &sig, info, act);
		spin_unlock_irqrestore(&p->siglock, flags);
		if (leave)
			task_exit_thread(status);
		if (v == V_TRACED)
			v = traced_signal(p, orphaned, &sig, info, act);

		switch (v) {
		case V_NONE:
			return 0;
		case V_HANDLE:
			return sig;
		case V_DIE:
			task_exit_group(sig);
		case V_STOPPED:
			signal_notify_parent(p, CLD_STOPPED, sig);
			break;
		case V_STAY:
			stay_stopped(p);
			break;
		case V_CONTINUED:
			signal_notify_parent(p, CLD_CONTINUED, SIGCONT);
			break;
		case V_TRAP:
			ptrace_traps();
			break;
		case V_CHECK_GROUP:
			orphaned = in_orphaned_group(p);
			group_known = true;
			continue;
		case V_TRACED: /* became another */
		case V_AGAIN:
			break;
		}
		group_known = false;
	}
}

/* act: the handler that is about to run, NULL if none. */
static void finish_syscall(struct pt_regs *regs, const struct sigaction_k *act)
{
	if (!asks_for_restart(regs))
		return;
	int64_t err = -(int64_t)regs->ax;
	bool again =
		!act || err == ERESTARTNOINTR || (err == ERESTARTSYS && (act->flags & SA_RESTART));
	if (!again) {
		regs->ax = (uint64_t)-EINTR;
		return;
	}
	regs->ax = regs->orig_ax;
	if (err == ERESTART_RESTARTBLOCK)
		regs->ax = in_ia32_call() ? NR_RESTART_SYSCALL_IA32 : NR_RESTART_SYSCALL;
	regs->ip -= SYSCALL_INSN_BYTES;
}

static void handle(struct pt_regs *regs, int sig, const struct siginfo *info,
		   const struct sigaction_k *act)
{
	struct task *t = current;
	sigset_t saved = t->restore_blocked ? t->saved_blocked : t->blocked;
	bool stepped = t->ptrace.tracer && ptrace_step_hide(regs);
	if (signal_frame_push(regs, sig, info, act, saved) != 0) {
		/* Without a usable stack the program cannot be told: SIGSEGV, and if that was the
		 * signal to be told about, the default action. */
		if (sig == SIGSEGV) {
			uint64_t flags = spin_lock_irqsave(&t->proc->siglock);
			t->proc->actions[SIGSEGV - 1].handler = SIG_DFL;
			spin_unlock_irqrestore(&t->proc->siglock, flags);
		}
		signal_fault(SIGSEGV, SI_KERNEL, 0, NULL);
		return;
	}
	t->restore_blocked = false;
	sigset_t blocked = t->blocked | act->mask;
	if (!(act->flags & SA_NODEFER))
		blocked |= SIGMASK(sig);
	signal_set_blocked(blocked);
	if (stepped)
		ptrace_step_handler();
}

void signal_deliver(struct pt_regs *regs, bool in_syscall)
{
	struct task *t = current;
	if (!t->proc)
		return;
	struct siginfo info;
	struct sigaction_k act;
	int sig = take_plain(t, t->proc, &info, &act);
	if (sig == 0)
		sig = next_handled(&info, &act);
	if (in_syscall)
		finish_syscall(regs, sig ? &act : NULL);
	if (sig) {
		handle(regs, sig, &info, &act);
	} else if (t->restore_blocked) {
		t->restore_blocked = false;
		signal_set_blocked(t->saved_blocked);
	}
}
