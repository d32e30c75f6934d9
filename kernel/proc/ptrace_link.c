/* SPDX-License-Identifier: MIT */
/*
 * ptrace: who traces whom, and what a tracer that waits is told. All of it under task_lock.
 *
 * A tracer learns of the end of what it traces before a parent does: the parent hears of its child
 * once the tracer has waited for it or let it go. A thread that is no leader and is traced keeps
 * its number and its struct until then; the reference is that of the tid hash.
 */
#include "ptrace.h"

void ptrace_link_locked(struct task *t, struct task *tracer, unsigned options, bool seized)
{
	t->ptrace.tracer = tracer;
	t->ptrace.options = options;
	t->ptrace.seized = seized;
	list_add_tail(&tracer->ptrace.tracees, &t->ptrace.link);
}

void ptrace_unlink_locked(struct task *t, int signal)
{
	struct ptrace_state *ps = &t->ptrace;

	if (!ps->tracer)
		return;
	list_del(&ps->link);
	ps->tracer = NULL;
	ps->options = 0;
	ps->seized = false;
	spin_lock(&t->proc->siglock);
	t->syscall_work = 0;
	ps->due = 0;
	ps->report = false;
	if (ps->stopped) {
		/* It stands in stop() and needs this lock to leave it, so its frame may be changed.
		 */
		ptrace_step_off(t);
		ps->signal = signal;
		ps->stopped = ps->listening = false;
		sched_wake_if(t, BIT(TASK_TRACED) | BIT(TASK_FROZEN));
	}
	spin_unlock(&t->proc->siglock);
}

static const struct sigaction_k *chld_action(const struct process *p)
{
	return &p->actions[SIGCHLD - 1];
}

void ptrace_tell_locked(struct task *t, int why, int status)
{
	struct process *to = t->ptrace.tracer->proc;
	struct siginfo info = {.signo = SIGCHLD,
			       .code = why,
			       .pid = t->tid,
			       .uid = t->proc->cred.uid,
			       .status = status};
	bool exited = why == CLD_EXITED || why == CLD_KILLED;

	if (chld_action(to)->handler != SIG_IGN &&
	    (exited || !(chld_action(to)->flags & SA_NOCLDSTOP)))
		signal_send_process(to->leader, SIGCHLD, &info);
	wake_all(&to->child_wait);
}

bool ptrace_parent_traces_locked(const struct process *p)
{
	const struct task *tracer = p->leader ? p->leader->ptrace.tracer : NULL;

	return tracer && tracer->proc == p->parent;
}

/* Tells a tracer of an end; false if it does not care, and all is as if there were none. */
static bool tell_end(struct task *t, int status)
{
	const struct sigaction_k *act = chld_action(t->ptrace.tracer->proc);
	int sig = status & 0x7f;

	ptrace_tell_locked(t, sig ? CLD_KILLED : CLD_EXITED, sig ? sig : status >> 8 & 0xff);
	if (act->handler != SIG_IGN && !(act->flags & SA_NOCLDWAIT))
		return true;
	ptrace_unlink_locked(t, 0);
	return false;
}

bool ptrace_zombie_locked(struct process *p)
{
	struct task *t = p->leader;

	if (!t->ptrace.tracer || ptrace_parent_traces_locked(p))
		return false;
	return tell_end(t, p->exit_status);
}

bool ptrace_thread_dead_locked(struct task *t, int status)
{
	if (!t->ptrace.tracer || !tell_end(t, status))
		return false;
	t->ptrace.dead = true;
	t->ptrace.exit_status = status;
	return true;
}

/* ---- waiting ---------------------------------------------------------------------------- */

/* The last of t, which nobody traces any more: what is left to do without the lock. */
static void end_of(struct task *t, struct ptrace_news *n)
{
	struct process *p = t->proc;

	if (t->ptrace.dead) {
		t->ptrace.dead = false;
		tid_unhash_locked(t);
		n->reap_task = true;
	} else if (zombie_tell_parent_locked(p)) {
		n->reap_process = p;
	}
}

bool ptrace_look_locked(struct task *t, bool exits, bool keep, struct ptrace_news *n)
{
	struct ptrace_state *ps = &t->ptrace;
	struct process *p = t->proc;
	bool zombie = t == p->leader && p->zombie;

	if (ps->dead || zombie) {
		/* One's own child is found among the children. */
		if (!exits || (zombie && ptrace_parent_traces_locked(p)))
			return false;
		n->task = t;
		n->status = zombie ? p->exit_status : ps->exit_status;
		n->exited = true;
		if (!keep) {
			ptrace_unlink_locked(t, 0);
			end_of(t, n);
		}
		return true;
	}
	spin_lock(&p->siglock);
	if (ps->stopped && ps->report) {
		n->task = t;
		n->status = ps->code << 8 | 0x7f;
		n->exited = false;
		if (!keep)
			ps->report = false;
	}
	spin_unlock(&p->siglock);
	return n->task != NULL;
}

void ptrace_reap(struct ptrace_news *n)
{
	if (n->reap_task)
		task_put(n->task);
	if (n->reap_process) {
		task_put(n->reap_process->leader);
		process_put(n->reap_process);
	}
}

void ptrace_exit_tracer(void)
{
	struct task *self = current;

	for (;;) {
		struct ptrace_news n = {0};
		uint64_t irq = spin_lock_irqsave(&task_lock);

		if (list_empty(&self->ptrace.tracees)) {
			spin_unlock_irqrestore(&task_lock, irq);
			return;
		}
		n.task = list_first(&self->ptrace.tracees, struct task, ptrace.link);
		bool kill = n.task->ptrace.options & PTRACE_O_EXITKILL;
		bool gone = n.task->ptrace.dead ||
			    (n.task == n.task->proc->leader && n.task->proc->zombie &&
			     !ptrace_parent_traces_locked(n.task->proc));

		if (kill && !gone)
			signal_send_process(n.task, SIGKILL, NULL);
		ptrace_unlink_locked(n.task, n.task->ptrace.signal);
		if (gone)
			end_of(n.task, &n);
		spin_unlock_irqrestore(&task_lock, irq);
		ptrace_reap(&n);
	}
}
