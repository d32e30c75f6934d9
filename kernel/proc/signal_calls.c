/* SPDX-License-Identifier: MIT */
/* The system calls about signals; rt_sigreturn is in signal_frame.c. */
#include "proc.h"
#include "signal_frame.h"
#include "slab.h"
#include "syscall.h"
#include "uaccess.h"

#define SA_EXPOSE_TAGBITS UINT64_C(0x00000800)
#define SA_KNOWN                                                                                   \
	(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_EXPOSE_TAGBITS | SA_RESTORER | SA_ONSTACK | \
	 SA_RESTART | SA_NODEFER | SA_RESETHAND)
#define SET_NEVER_BLOCKED (SIGMASK(SIGKILL) | SIGMASK(SIGSTOP))

_Static_assert(sizeof(struct sigaction_k) == 32, "as rt_sigaction passes it");
_Static_assert(offsetof(struct sigaction_k, mask) == 24, "as rt_sigaction passes it");

long sigaction_change(int sig, const struct sigaction_k *new, struct sigaction_k *old)
{
	struct process *p = current->proc;
	if (sig < 1 || sig > NSIG || (new && (SIGMASK(sig) & SET_NEVER_BLOCKED)))
		return -EINVAL;

	struct sigaction_k *act = &p->actions[sig - 1];
	spin_lock_irq(&p->siglock);
	if (old) {
		*old = *act;
		old->flags &= ~SA_IA32;
	}
	if (new) {
		act->handler = new->handler;
		act->flags = new->flags &(SA_KNOWN | SA_IA32);
		act->restorer = new->restorer;
		act->mask = new->mask & ~SET_NEVER_BLOCKED;
		if (new->handler == SIG_IGN ||
		    (new->handler == SIG_DFL && (SIGMASK(sig) & SET_DEFAULT_IGNORED)))
			signal_flush_locked(p, SIGMASK(sig));
	}
	spin_unlock_irq(&p->siglock);
	return 0;
}

SYSCALL4(rt_sigaction, int, sig, uint64_t, new_va, uint64_t, old_va, uint64_t, setsize)
{
	struct sigaction_k act, old;
	if (setsize != sizeof(sigset_t))
		return -EINVAL;
	if (new_va && copy_from_user(&act, new_va, sizeof(act)) != 0)
		return -EFAULT;
	if (new_va)
		act.flags &= ~SA_IA32;
	long err = sigaction_change(sig, new_va ? &act : NULL, old_va ? &old : NULL);
	if (!err && old_va && copy_to_user(old_va, &old, sizeof(old)) != 0)
		return -EFAULT;
	return err;
}

SYSCALL4(rt_sigprocmask, int, how, uint64_t, new_va, uint64_t, old_va, uint64_t, setsize)
{
	enum { SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK };
	sigset_t old = current->blocked, set;
	if (setsize != sizeof(sigset_t))
		return -EINVAL;
	if (new_va) {
		if (copy_from_user(&set, new_va, sizeof(set)) != 0)
			return -EFAULT;
		switch (how) {
		case SIG_BLOCK:
			set = old | set;
			break;
		case SIG_UNBLOCK:
			set = old & ~set;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		signal_set_blocked(set);
	}
	if (old_va && copy_to_user(old_va, &old, sizeof(old)) != 0)
		return -EFAULT;
	return 0;
}

SYSCALL2(rt_sigpending, uint64_t, va, uint64_t, setsize)
{
	struct task *t = current;
	if (setsize > sizeof(sigset_t))
		return -EINVAL;
	sigset_t set = (t->pending->set | t->proc->pending->set) & t->blocked;
	return copy_to_user(va, &set, setsize);
}

static int take(sigset_t set, struct siginfo *info)
{
	struct process *p = current->proc;
	uint64_t flags = spin_lock_irqsave(&p->siglock);
	int sig = signal_dequeue_locked(set, info);
	spin_unlock_irqrestore(&p->siglock, flags);
	return sig;
}

/* While it waits, the signals waited for are unblocked, so that their arrival ends the sleep; none
 * can be delivered meanwhile, for that happens on the way to user mode only. */
SYSCALL4(rt_sigtimedwait, uint64_t, set_va, uint64_t, info_va, uint64_t, timeout_va, uint64_t,
	 setsize)
{
	struct task *t = current;
	struct siginfo info;
	sigset_t set;
	uint64_t timeout = 0, deadline = 0;
	if (setsize != sizeof(sigset_t))
		return -EINVAL;
	if (copy_from_user(&set, set_va, sizeof(set)) != 0)
		return -EFAULT;
	set &= ~SET_NEVER_BLOCKED;
	if (timeout_va) {
		int err = timespec_from_user(timeout_va, &timeout);
		if (err)
			return err;
		deadline = clock_ns() + timeout;
	}

	int sig = take(set, &info);
	if (!sig && (!timeout_va || timeout)) {
		struct waitq q;
		struct waiter w;
		sigset_t saved = t->blocked;
		int err;
		t->real_blocked = saved;
		signal_set_blocked(saved & ~set);
		waitq_init(&q);
		wait_begin(&q, &w, true);
		do {
			err = wait_sleep(deadline);
		} while (err == 0);
		wait_end(&q, &w);
		sig = take(set, &info);
		signal_set_blocked(saved);
		t->real_blocked = 0;
		if (!sig)
			return err == -ETIMEDOUT ? -EAGAIN : -EINTR;
	}
	if (!sig)
		return -EAGAIN;
	if (info_va && siginfo_to_user(info_va, &info) != 0)
		return -EFAULT;
	return sig;
}

static long wait_for_signal(void)
{
	struct waitq q;
	struct waiter w;
	waitq_init(&q);
	wait_begin(&q, &w, true);
	while (wait_sleep(0) == 0)
		;
	wait_end(&q, &w);
	return -ERESTARTNOHAND;
}

long sigsuspend(sigset_t set)
{
	struct task *t = current;
	t->saved_blocked = t->blocked;
	signal_set_blocked(set);
	long err = wait_for_signal();
	t->restore_blocked = true;
	exit_work_set();
	return err;
}

SYSCALL2(rt_sigsuspend, uint64_t, set_va, uint64_t, setsize)
{
	sigset_t set;
	if (setsize != sizeof(sigset_t))
		return -EINVAL;
	if (copy_from_user(&set, set_va, sizeof(set)) != 0)
		return -EFAULT;
	return sigsuspend(set);
}

SYSCALL0(pause)
{
	return wait_for_signal();
}

SYSCALL2(sigaltstack, uint64_t, new_va, uint64_t, old_va)
{
	return altstack_change(new_va, old_va, regs->sp);
}

/* ---- kill and its kin ---- */

/* A privileged sender, one of the same user, or SIGCONT within the session. */
static bool may_signal(const struct process *to, int sig)
{
	const struct process *from = current->proc;
	const struct cred *a = &from->cred, *b = &to->cred;
	return from == to || a->euid == 0 || a->euid == b->suid || a->euid == b->uid ||
	       a->uid == b->suid || a->uid == b->uid || (sig == SIGCONT && from->sid == to->sid);
}

static struct siginfo from_me(int sig, int code)
{
	const struct process *p = current->proc;
	return (struct siginfo){.signo = sig, .code = code, .pid = p->pid, .uid = p->cred.uid};
}

/* To every process `pgid` names; pgid 0: all but process 1 and the sender. */
static long kill_many(int pgid, int sig)
{
	struct siginfo info = from_me(sig, SI_USER);
	bool found = false, sent = false;
	uint64_t flags = spin_lock_irqsave(&task_lock);
	list_for_each_entry (p, &process_list, struct process, all) {
		if (pgid ? p->pgid != pgid : p->pid == 1 || p == current->proc)
			continue;
		if (!p->leader)
			continue;
		found = true;
		if (!may_signal(p, sig))
			continue;
		sent = true;
		if (sig)
			signal_send_process(p->leader, sig, &info);
	}
	spin_unlock_irqrestore(&task_lock, flags);
	return sent ? 0 : found ? -EPERM : -ESRCH;
}

static __attribute__((__noinline__)) long kill_others(int pid, int sig)
{
	if (pid == INT32_MIN)
		return -ESRCH;
	if (pid == 0)
		return kill_many(current->proc->pgid, sig);
	if (pid == -1)
		return kill_many(0, sig);
	if (pid < -1)
		return kill_many(-pid, sig);

	struct siginfo info = from_me(sig, SI_USER);
	struct task *t = task_find(pid);
	if (!t || !t->proc) {
		if (t)
			task_put(t);
		return -ESRCH;
	}
	long err = 0;
	if (!may_signal(t->proc, sig))
		err = -EPERM;
	else if (sig)
		err = signal_send_process(t, sig, &info);
	task_put(t);
	return err;
}

SYSCALL2(kill, int, pid, int, sig)
{
	const struct task_head *h = current_head();
	if (sig < 0 || sig > NSIG)
		return -EINVAL;
	if (sig == 0 || pid != h->pid || pid != h->tid)
		return kill_others(pid, sig);
	struct siginfo info = from_me(sig, SI_USER); /* the leader to itself */
	return signal_send_process(current, sig, &info);
}

/* To thread `tid`, or to the whole process it belongs to; tgid: the process it must be of, or 0. */
static long send_checked(int tgid, int tid, int sig, const struct siginfo *info, bool to_thread)
{
	if (sig < 0 || sig > NSIG)
		return -EINVAL;
	struct task *t = task_find(tid);
	if (!t)
		return -ESRCH;
	long err = 0;
	if (!t->proc || (tgid && t->proc->pid != tgid))
		err = -ESRCH;
	else if (!may_signal(t->proc, sig))
		err = -EPERM;
	else if (sig)
		err = to_thread ? signal_send_thread(t, sig, info)
				: signal_send_process(t, sig, info);
	task_put(t);
	return err;
}

static long kill_thread(int tgid, int tid, int sig)
{
	struct siginfo info = from_me(sig, SI_TKILL);

	return tid <= 0 ? -EINVAL : send_checked(tgid, tid, sig, &info, true);
}

SYSCALL2(tkill, int, tid, int, sig)
{
	return kill_thread(0, tid, sig);
}

SYSCALL3(tgkill, int, tgid, int, tid, int, sig)
{
	if (tgid <= 0)
		return -EINVAL;
	return kill_thread(tgid, tid, sig);
}

/* ---- with information of the sender's own making ---- */

static int info_from_user(uint64_t va, int sig, struct siginfo *info)
{
	struct user_siginfo u;
	if (copy_from_user(&u, va, sizeof(u)) != 0)
		return -EFAULT;
	*info = (struct siginfo){.signo = sig,
				 .err = u.err,
				 .code = u.code,
				 .pid = u.queued.pid,
				 .uid = u.queued.uid,
				 .status = u.child.status,
				 .addr = u.addr,
				 .value = u.queued.value};
	return 0;
}

/* To others nobody may pretend to be the kernel, kill() or tkill(). */
static bool may_claim(const struct siginfo *info, int id)
{
	return (info->code < 0 && info->code != SI_TKILL) || current->tid == id;
}

long sigqueue_process(int pid, int sig, const struct siginfo *info)
{
	return may_claim(info, pid) ? send_checked(0, pid, sig, info, false) : -EPERM;
}

long sigqueue_thread(int tgid, int tid, int sig, const struct siginfo *info)
{
	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	return may_claim(info, tid) ? send_checked(tgid, tid, sig, info, true) : -EPERM;
}

SYSCALL3(rt_sigqueueinfo, int, pid, int, sig, uint64_t, va)
{
	struct siginfo info;
	return info_from_user(va, sig, &info) ? -EFAULT : sigqueue_process(pid, sig, &info);
}

SYSCALL4(rt_tgsigqueueinfo, int, tgid, int, tid, int, sig, uint64_t, va)
{
	struct siginfo info;
	return info_from_user(va, sig, &info) ? -EFAULT : sigqueue_thread(tgid, tid, sig, &info);
}
