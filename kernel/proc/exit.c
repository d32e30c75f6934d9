/* SPDX-License-Identifier: MIT */
/*
 * The end of threads and processes.
 *
 * A thread gives back what it holds, leaves its process under task_lock, and is switched away from
 * for the last time; finish_switch() frees its stack on the next task's. The last thread makes the
 * process a zombie and tells the parent in one step under task_lock: a parent that sees SIGCHLD
 * finds the zombie, and one that has reaped it has had its SIGCHLD. The zombie may be reaped at
 * once, while its last thread still runs the end of this file: the task's own reference keeps both.
 */
#include "printk.h"
#include "proc.h"
#include "syscall.h"
#include "uaccess.h"
#include "vfs.h"

bool task_dying(const struct task *t)
{
	const struct process *p = t->proc;

	return p && (*(const volatile bool *)&t->killed || *(const volatile bool *)&p->exiting ||
		     ((t->pending->set | p->pending->set) & SIGMASK(SIGKILL)));
}

/* SIGKILL ends sleeps, and stops; `killed` makes exit_to_user_work() end the thread alone. */
void process_kill_threads_locked(struct process *p, const struct task *spare)
{
	list_for_each_entry (t, &p->threads, struct task, thread_link) {
		if (t == spare)
			continue;
		t->killed = true;
		t->pending->set |= SIGMASK(SIGKILL);
		signal_kick(t, true);
	}
}

void task_leave_memory(struct task *t)
{
	if (!t->mm)
		return;
	futex_exit_robust(t);
	if (t->clear_child_tid && __atomic_load_n(&t->mm->refs, __ATOMIC_RELAXED) > 1) {
		uint32_t zero = 0;

		if (copy_to_user(t->clear_child_tid, &zero, sizeof(zero)) == 0)
			futex_wake_addr(t->mm, t->clear_child_tid, 1);
	}
	t->clear_child_tid = 0;
	t->robust_list = 0;
}

/* Others read these three of a task under task_lock. */
static void drop_resources(struct task *t)
{
	struct files *files = t->files;
	struct fs_info *fs = t->fs;
	struct mm *mm = t->mm;
	uint64_t irq = spin_lock_irqsave(&task_lock);

	task_set_files(t, NULL);
	t->fs = NULL;
	spin_unlock_irqrestore(&task_lock, irq);
	if (files)
		files_put(files);
	if (fs)
		fs_info_put(fs);

	irq = spin_lock_irqsave(&task_lock);
	t->mm = NULL;
	spin_unlock_irqrestore(&task_lock, irq);
	if (mm)
		mm_put(mm);
}

/* ---- the tree --------------------------------------------------------------------------- */

static bool group_has_stopped(int pgid)
{
	list_for_each_entry (p, &process_list, struct process, all) {
		if (p->pgid == pgid && p->stopped && !p->zombie)
			return true;
	}
	return false;
}

/* Children go to init; those whose group loses its last tie to the session are marked. Zombies that
 * init does not want are moved to `gone`. Returns whether init is to be told. */
static bool reparent_children(struct process *p, struct list *gone)
{
	struct process *init = init_process;
	const struct sigaction_k *act = &init->actions[SIGCHLD - 1];
	bool unwanted = act->handler == SIG_IGN || act->flags & SA_NOCLDWAIT;
	bool tell = false;

	list_for_each_entry (c, &p->children, struct process, sibling) {
		c->orphan_hup =
			c->pgid != p->pgid && c->sid == p->sid && !pgrp_is_orphaned_locked(c->pgid);
	}
	list_for_each_entry_safe (c, next, &p->children, struct process, sibling) {
		list_del(&c->sibling);
		list_add_tail(&init->children, &c->sibling);
		c->parent = init;
		list_for_each_entry (t, &c->threads, struct task, thread_link)
			task_head_update(t);
		c->exit_signal = SIGCHLD;
		/* One that a tracer is to hear of first is left to it. */
		if (!c->zombie || c->leader->ptrace.tracer)
			continue;
		if (unwanted) {
			process_unlink_locked(c);
			list_add_tail(gone, &c->sibling);
		} else {
			tell = true;
		}
	}
	return tell;
}

/* Stopped jobs that nobody can continue any more are told so. task_lock held. */
static void hang_up_orphans(struct process *p, bool own_was_orphaned)
{
	if (!own_was_orphaned && pgrp_is_orphaned_locked(p->pgid) && group_has_stopped(p->pgid)) {
		signal_send_group_locked(p->pgid, SIGHUP, NULL);
		signal_send_group_locked(p->pgid, SIGCONT, NULL);
	}
	list_for_each_entry (c, &process_list, struct process, all) {
		if (!c->orphan_hup)
			continue;
		c->orphan_hup = false;
		if (pgrp_is_orphaned_locked(c->pgid) && group_has_stopped(c->pgid)) {
			signal_send_group_locked(c->pgid, SIGHUP, NULL);
			signal_send_group_locked(c->pgid, SIGCONT, NULL);
		}
	}
}

static void child_info(const struct process *p, struct siginfo *info)
{
	int sig = p->exit_status & 0x7f;

	*info = (struct siginfo){.signo = p->exit_signal, .pid = p->pid, .uid = p->cred.uid};
	info->code = sig ? CLD_KILLED : CLD_EXITED;
	info->status = sig ? sig : p->exit_status >> 8 & 0xff;
}

bool zombie_tell_parent_locked(struct process *p)
{
	struct process *parent = p->parent;
	struct siginfo info;
	bool reap = false, tell = p->exit_signal != 0;

	if (p->exit_signal == SIGCHLD) {
		const struct sigaction_k *act = &parent->actions[SIGCHLD - 1];

		reap = act->handler == SIG_IGN || act->flags & SA_NOCLDWAIT;
		tell = act->handler != SIG_IGN;
	}
	child_info(p, &info);
	if (reap)
		process_unlink_locked(p);
	if (tell && parent->leader)
		signal_send_process(parent->leader, p->exit_signal, &info);
	wake_all(&parent->child_wait);
	return reap;
}

/* The last thread left. task_lock held. True if the process is unlinked: nobody will wait. */
static bool become_zombie(struct process *p)
{
	p->stopped = p->stopped_report = p->continued_report = false;
	p->zombie = true;
	return !ptrace_zombie_locked(p) && zombie_tell_parent_locked(p);
}

static void end_process(struct process *p)
{
	struct list gone = LIST_INIT(gone);
	bool own_was_orphaned, reaped;
	uint64_t irq = spin_lock_irqsave(&task_lock);

	own_was_orphaned = pgrp_is_orphaned_locked(p->pgid);
	if (reparent_children(p, &gone)) {
		signal_send_process(init_process->leader, SIGCHLD, NULL);
		wake_all(&init_process->child_wait);
	}
	reaped = become_zombie(p);
	hang_up_orphans(p, own_was_orphaned);
	spin_unlock_irqrestore(&task_lock, irq);

	if (reaped)
		list_add_tail(&gone, &p->sibling);
	while (!list_empty(&gone)) {
		struct process *g = list_first(&gone, struct process, sibling);

		list_del(&g->sibling);
		task_put(g->leader);
		process_put(g);
	}
}

/* ---- threads ---------------------------------------------------------------------------- */

/* Takes t out of its process; true if it was the last thread. */
static bool leave_process(struct process *p, struct task *t, int status)
{
	uint64_t irq = spin_lock_irqsave(&task_lock);
	bool last, leader = t == p->leader, kept;

	spin_lock(&p->siglock);
	p->gone_utime_ns += t->utime_ns;
	p->gone_stime_ns += t->stime_ns;
	list_del(&t->thread_link);
	signal_retarget_locked(t, ~UINT64_C(0));
	sigqueue_drop_locked(p, t->pending, ~UINT64_C(0));
	last = --p->nthreads == 0;
	if (last)
		sigqueue_drop_locked(p, p->pending, ~UINT64_C(0));
	if (leader)
		p->leader_status = status;
	if (last && !p->exiting)
		p->exit_status = p->leader_status;
	spin_unlock(&p->siglock);
	kept = leader || ptrace_thread_dead_locked(t, p->exiting ? p->exit_status : status);
	if (!kept)
		tid_unhash_locked(t);
	wake_all(&p->thread_wait);
	spin_unlock_irqrestore(&task_lock, irq);
	if (!kept)
		task_put(t);
	return last;
}

static noreturn void init_died(const struct process *p)
{
	int sig = p->exit_status & 0x7f;

	if (sig)
		fatal("init was killed by signal %d", sig);
	fatal("init exited with status %d", p->exit_status >> 8 & 0xff);
}

noreturn void task_exit_thread(int status)
{
	struct task *t = current;
	struct process *p = t->proc;

	irq_enable();
	if (!p)
		kthread_exit();
	ptrace_exit(status);
	ptrace_exit_tracer();
	task_leave_memory(t);
	drop_resources(t);
	vfork_release(t);
	if (leave_process(p, t, status)) {
		if (p->pid == 1)
			init_died(p);
		itimer_exit(p);
		if (p->sid == p->pid && p->tty)
			tty_session_exit(p->tty, p->sid);
		end_process(p);
	}
	irq_disable();
	t->state = TASK_DEAD;
	schedule();
	panic("a dead task runs");
}

noreturn void task_exit_group(int status)
{
	struct task *t = current;
	struct process *p = t->proc;
	uint64_t irq;

	if (!p)
		kthread_exit();
	irq = spin_lock_irqsave(&task_lock);
	spin_lock(&p->siglock);
	/* A thread that exec told to leave does not take the new program with it. */
	if (!p->exiting && !t->killed) {
		p->exiting = true;
		p->exit_status = status;
		p->stopped = false;
		process_kill_threads_locked(p, t);
	}
	spin_unlock(&p->siglock);
	spin_unlock_irqrestore(&task_lock, irq);
	task_exit_thread(status);
}

SYSCALL1(exit, int, code)
{
	task_exit_thread((code & 0xff) << 8);
}

SYSCALL1(exit_group, int, code)
{
	task_exit_group((code & 0xff) << 8);
}
