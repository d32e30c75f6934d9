/* SPDX-License-Identifier: MIT */
/*
 * Sending signals: queues, masks, dispositions.
 *
 * A signal is recorded under the receiver's siglock, in the queue of one thread or in the one that
 * the threads of a process share, and the thread that should look at it is kicked. No wake-up is
 * lost: a sleeper marks itself before it tests for signals, a sender records the signal before it
 * looks at the sleeper's state, and a full barrier lies between the two on both sides.
 */
#include "proc.h"

void signal_flush_locked(struct process *p, sigset_t set)
{
	sigqueue_drop_locked(p, p->pending, set);
	list_for_each_entry (t, &p->threads, struct task, thread_link)
		sigqueue_drop_locked(p, t->pending, set);
}

void signal_kick(struct task *t, bool fatal)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (t == current) {
		exit_work_set();
		/* Nobody but itself puts it to sleep, and it is here: perhaps in an interrupt. */
		if (__atomic_load_n(&t->state, __ATOMIC_RELAXED) == TASK_RUNNABLE)
			return;
	}
	if (sched_wake_if(t, BIT(TASK_SLEEPING_INTR) |
				     (fatal ? BIT(TASK_STOPPED) | BIT(TASK_TRACED) : 0)))
		return;
	if (!t->on_cpu || t == current)
		return;
	uint64_t flags = irq_save(); /* stay on this CPU between the look and the IPI */
	if (t->cpu != this_cpu()->id)
		ipi_send(t->cpu, VEC_RESCHED);
	irq_restore(flags);
}

static bool ignored(const struct process *p, int sig)
{
	uint64_t handler = p->actions[sig - 1].handler;
	return handler == SIG_IGN || (handler == SIG_DFL && (SET_DEFAULT_IGNORED & SIGMASK(sig)));
}

/* Process 1 gets only what it has a handler for or blocks, as sigtimedwait() may want that, and
 * SIGKILL from the kernel itself. */
static bool init_refuses(const struct task *t, int sig, const struct siginfo *info)
{
	const struct process *p = t->proc;

	return p->pid == 1 && p->actions[sig - 1].handler == SIG_DFL && (info || sig != SIGKILL) &&
	       !((t->blocked | t->real_blocked) & SIGMASK(sig));
}

static bool wants(const struct task *t, int sig)
{
	if (list_empty(&t->thread_link))
		return false; /* it has left the process */
	return sig == SIGKILL || !(t->blocked & SIGMASK(sig));
}

/* Stop signals and SIGCONT undo each other when sent, whatever the masks and handlers say. */
static void prepare_job_control(struct process *p, int sig)
{
	if (SIGMASK(sig) & SET_STOP) {
		signal_flush_locked(p, SIGMASK(SIGCONT));
	} else if (sig == SIGCONT) {
		signal_flush_locked(p, SET_STOP);
		if (p->stopped) {
			p->stopped = false;
			p->stopped_report = false;
			p->continue_notify = true;
			ptrace_group_cont_locked(p);
		}
		list_for_each_entry (t, &p->threads, struct task, thread_link)
			if (t->state == TASK_STOPPED)
				signal_kick(t, true);
	}
}

/* Who should look at a signal of the whole process: t if it can, else the first that can. */
static void kick_one(struct process *p, struct task *t, int sig)
{
	if (sig == SIGKILL) {
		list_for_each_entry (each, &p->threads, struct task, thread_link)
			signal_kick(each, true);
		return;
	}
	if (wants(t, sig)) {
		signal_kick(t, false);
		return;
	}
	list_for_each_entry (other, &p->threads, struct task, thread_link) {
		if (wants(other, sig)) {
			signal_kick(other, false);
			return;
		}
	}
}

static int send(struct task *t, int sig, const struct siginfo *info, bool whole_process)
{
	struct process *p = t->proc;
	int err = 0;
	if (sig < 1 || sig > NSIG)
		return -EINVAL;
	if (!p)
		return -ESRCH;
	uint64_t flags = spin_lock_irqsave(&p->siglock);
	/* Who has left the process takes nothing more: its queue was emptied. */
	if (p->exiting && sig == SIGKILL)
		ptrace_kill_leaving_locked(p);
	if (p->nthreads == 0 || p->exiting || init_refuses(t, sig, info) ||
	    (!whole_process && list_empty(&t->thread_link)))
		goto out;
	prepare_job_control(p, sig);
	/* A blocked signal is kept even if ignored now: sigtimedwait() may want it. And a tracer
	 * sees those that its task ignores. */
	if (ignored(p, sig) && !((t->blocked | t->real_blocked) & SIGMASK(sig)) &&
	    !(t->ptrace.tracer && sig != SIGKILL))
		goto out;
	err = sigqueue_add_locked(p, whole_process ? p->pending : t->pending, sig, info, false);
	if (err)
		goto out;
	if (whole_process || sig == SIGKILL)
		kick_one(p, t, sig);
	else if (wants(t, sig))
		signal_kick(t, false);
out:
	spin_unlock_irqrestore(&p->siglock, flags);
	return err;
}

int signal_send_thread(struct task *t, int sig, const struct siginfo *info)
{
	return send(t, sig, info, false);
}

int signal_send_process(struct task *t, int sig, const struct siginfo *info)
{
	return send(t, sig, info, true);
}

int signal_send_group_locked(int pgid, int sig, const struct siginfo *info)
{
	int err = -ESRCH;
	list_for_each_entry (p, &process_list, struct process, all) {
		if (p->pgid == pgid && p->leader) {
			signal_send_process(p->leader, sig, info);
			err = 0;
		}
	}
	return err;
}

int signal_send_group(int pgid, int sig, const struct siginfo *info)
{
	uint64_t flags = spin_lock_irqsave(&task_lock);
	int err = signal_send_group_locked(pgid, sig, info);
	spin_unlock_irqrestore(&task_lock, flags);
	return err;
}

bool pgrp_is_orphaned_locked(int pgid)
{
	list_for_each_entry (p, &process_list, struct process, all) {
		if (p->pgid != pgid || p->nthreads == 0 || !p->parent || p->parent->pid == 1)
			continue;
		if (p->parent->pgid != pgid && p->parent->sid == p->sid)
			return false;
	}
	return true;
}

/* The vector and error code of a fault, from the frame it left: exceptions without an error code
 * leave their vector there, those with one are told by the signal they became. */
static void fault_origin(struct siginfo *info, const struct pt_regs *regs)
{
	bool segv = info->signo == SIGSEGV, bus = info->signo == SIGBUS;
	if (segv && (info->code == SEGV_MAPERR || info->code == SEGV_ACCERR))
		info->trapno = 14;
	else if (bus && info->code == BUS_ADRERR)
		info->trapno = 14;
	else if (bus && info->code == BUS_ADRALN)
		info->trapno = 17;
	else if (segv && info->code == SI_KERNEL)
		info->trapno = 13;
	else if (bus && info->code == SI_KERNEL)
		info->trapno = current->trap_vector; /* #NP or #SS */
	else if (!segv && !bus && regs->orig_ax < 32) {
		info->trapno = (int)regs->orig_ax;
		return;
	}
	info->error = (uint32_t)regs->orig_ax;
}

void signal_fault(int sig, int code, uint64_t addr, struct pt_regs *regs)
{
	struct task *t = current;
	struct process *p = t->proc;
	struct siginfo info = {.signo = sig, .code = code, .addr = addr};
	if (regs)
		fault_origin(&info, regs);
	uint64_t flags = spin_lock_irqsave(&p->siglock);
	struct sigaction_k *act = &p->actions[sig - 1];
	/* To return to the faulting instruction with the signal held back would fault for ever. */
	if (act->handler == SIG_IGN || (t->blocked & SIGMASK(sig))) {
		act->handler = SIG_DFL;
		t->blocked &= ~SIGMASK(sig);
	}
	sigqueue_add_locked(p, t->pending, sig, &info, true); /* not real-time: cannot fail */
	exit_work_set();
	spin_unlock_irqrestore(&p->siglock, flags);
}

int signal_choose_locked(const struct task *t, sigset_t set, struct sigqueue **q)
{
	struct sigqueue *own = t->pending, *shared = t->proc->pending;
	sigset_t both = own->set | shared->set, choice = both & set;
	/* SIGKILL beats all; then what this thread's own instruction caused, then by number. */
	if (both & SIGMASK(SIGKILL))
		choice = SIGMASK(SIGKILL);
	else if (choice & own->set & SET_FAULT)
		choice &= own->set & SET_FAULT;
	if (!choice)
		return 0;
	int sig = __builtin_ctzll(choice) + 1;
	*q = (own->set & SIGMASK(sig)) ? own : shared;
	return sig;
}

int signal_dequeue_locked(sigset_t set, struct siginfo *info)
{
	struct sigqueue *q;
	int sig = signal_choose_locked(current, set, &q);
	if (sig)
		sigqueue_take_locked(current->proc, q, sig, info);
	return sig;
}

void signal_retarget_locked(struct task *t, sigset_t set)
{
	struct process *p = t->proc;
	set &= p->pending->set;
	while (set) {
		int sig = __builtin_ctzll(set) + 1;
		set &= set - 1;
		kick_one(p, t, sig);
	}
}

static __attribute__((__noinline__)) void retarget_and_unlock(struct task *t, sigset_t set)
{
	signal_retarget_locked(t, set);
	spin_unlock_irq(&t->proc->siglock);
}

void signal_set_blocked(sigset_t set)
{
	struct task *t = current;
	struct process *p = t->proc;
	set &= ~(SIGMASK(SIGKILL) | SIGMASK(SIGSTOP));
	spin_lock_irq(&p->siglock);
	sigset_t newly = set & ~t->blocked, shared = p->pending->set;
	t->blocked = set;
	if ((t->pending->set | shared) & ~set)
		exit_work_set();
	if (shared & newly)
		retarget_and_unlock(t, newly);
	else
		spin_unlock_irq(&p->siglock);
}

void signal_exec(struct task *t)
{
	struct process *p = t->proc;
	uint64_t flags = spin_lock_irqsave(&p->siglock);
	for (unsigned i = 0; i < NSIG; i++) {
		struct sigaction_k *act = &p->actions[i];
		*act = (struct sigaction_k){.handler = act->handler == SIG_IGN ? SIG_IGN : SIG_DFL};
	}
	t->altstack_sp = t->altstack_size = 0;
	t->altstack_flags = 0;
	t->restart_fn = NULL;
	spin_unlock_irqrestore(&p->siglock, flags);
}
