/* SPDX-License-Identifier: MIT */
/* Job control. A terminal belongs to at most one session, and one group of that session is in the
 * foreground. task_lock guards process->tty, tty->session and tty->pgrp; signals go out after it.
 */
#include "task.h"
#include "tty.h"
#include "../proc/proc.h"

struct tty *tty_current(void)
{
	struct process *p = current->proc;
	return p != NULL ? __atomic_load_n(&p->tty, __ATOMIC_RELAXED) : NULL;
}

static bool ignored_or_blocked(int sig)
{
	struct process *p = current->proc;
	uint64_t flags = spin_lock_irqsave(&p->siglock);
	bool r = (current->blocked & SIGMASK(sig)) || p->actions[sig - 1].handler == SIG_IGN;
	spin_unlock_irqrestore(&p->siglock, flags);
	return r;
}

int tty_job_check(struct tty *t, int sig)
{
	struct process *p = current->proc;
	if (p == NULL)
		return 0;
	uint64_t flags = spin_lock_irqsave(&task_lock);
	int pgid = p->pgid;
	bool background = p->tty == t && t->pgrp != 0 && t->pgrp != pgid;
	bool orphaned = background && pgrp_is_orphaned_locked(pgid);
	spin_unlock_irqrestore(&task_lock, flags);
	if (!background)
		return 0;
	if (ignored_or_blocked(sig))
		return sig == SIGTTIN ? -EIO : 0;
	if (orphaned)
		return -EIO;
	signal_send_group(pgid, sig, NULL);
	exit_work_set(); /* whoever takes the signal: the call is restarted */
	return -ERESTARTSYS;
}

/* task_lock held. */
static void forget_session(int sid)
{
	list_for_each_entry (p, &process_list, struct process, all) {
		if (p->sid == sid)
			p->tty = NULL;
	}
}

int tty_acquire(struct tty *t, bool steal)
{
	struct process *p = current->proc;
	int err = 0;
	if (p == NULL)
		return -EPERM;
	uint64_t flags = spin_lock_irqsave(&task_lock);
	if (p->pid == p->sid && p->tty == t && t->session == p->sid)
		goto out;
	if (p->pid != p->sid || p->tty != NULL || (t->session != 0 && !steal)) {
		err = -EPERM;
		goto out;
	}
	if (t->session != 0)
		forget_session(t->session);
	p->tty = t;
	t->session = p->sid;
	t->pgrp = p->pgid;
out:
	spin_unlock_irqrestore(&task_lock, flags);
	return err;
}

/* The session `sid` loses t: its foreground group is told. */
static bool detach_session(struct tty *t, int sid)
{
	uint64_t flags = spin_lock_irqsave(&task_lock);
	bool ours = t != NULL && sid != 0 && t->session == sid;
	int pgrp = 0;
	if (ours) {
		pgrp = t->pgrp;
		forget_session(sid);
		t->session = t->pgrp = 0;
	}
	spin_unlock_irqrestore(&task_lock, flags);
	if (pgrp > 0) {
		signal_send_group(pgrp, SIGHUP, NULL);
		signal_send_group(pgrp, SIGCONT, NULL);
	}
	return ours;
}

void tty_session_exit(struct tty *t, int sid)
{
	if (detach_session(t, sid))
		tty_hangup(t);
}

int tty_release(struct tty *t)
{
	struct process *p = current->proc;
	if (tty_current() != t)
		return -ENOTTY;
	if (p->pid == p->sid)
		detach_session(t, p->sid);
	uint64_t flags = spin_lock_irqsave(&task_lock);
	p->tty = NULL;
	spin_unlock_irqrestore(&task_lock, flags);
	return 0;
}

int tty_set_pgrp(struct tty *t, int pgid)
{
	struct process *p = current->proc;
	int err = tty_job_check(t, SIGTTOU);
	if (err == -EIO)
		return -ENOTTY;
	if (err != 0)
		return err;
	if (p == NULL)
		return -ENOTTY;
	if (pgid < 0)
		return -EINVAL;
	uint64_t flags = spin_lock_irqsave(&task_lock);
	if (p->tty != t || t->session != p->sid) {
		err = -ENOTTY;
	} else {
		err = -ESRCH;
		list_for_each_entry (q, &process_list, struct process, all) {
			if (q->pgid == pgid) {
				err = q->sid == p->sid ? 0 : -EPERM;
				break;
			}
		}
	}
	if (err == 0)
		__atomic_store_n(&t->pgrp, pgid, __ATOMIC_RELAXED);
	spin_unlock_irqrestore(&task_lock, flags);
	return err;
}

int tty_get_pgrp(struct tty *t)
{
	return tty_current() == t ? __atomic_load_n(&t->pgrp, __ATOMIC_RELAXED) : -ENOTTY;
}

int tty_get_session(struct tty *t)
{
	return tty_current() == t ? __atomic_load_n(&t->session, __ATOMIC_RELAXED) : -ENOTTY;
}
