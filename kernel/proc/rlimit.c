/* SPDX-License-Identifier: MIT */
/* Limits, usage, priorities. Four resources have limits that hold here: the stack, the number of
 * open files, that of queued signals, and that of a user's tasks; no core is ever written; all
 * others are unlimited, and setting a limit that would not be enforced is refused. */
#include "ia32.h"
#include "proc.h"
#include "syscall.h"
#include "uaccess.h"

enum {
	RLIMIT_STACK = 3,
	RLIMIT_CORE = 4,
	RLIMIT_NPROC = 6,
	RLIMIT_NOFILE = 7,
	RLIMIT_SIGPENDING = 11,
	RLIMIT_NICE = 13,
	RLIMIT_RTPRIO = 14,
	RLIMITS = 16,
};
#define RLIM_INFINITY UINT64_MAX
#define NS_PER_SEC    UINT64_C(1000000000)

struct user_rlimit {
	uint64_t soft, hard;
};

static struct user_rlimit limit_get(const struct process *p, unsigned resource)
{
	switch (resource) {
	case RLIMIT_STACK:
		return (struct user_rlimit){p->rlim_stack,
					    p->hard_stack ? p->hard_stack : RLIM_INFINITY};
	case RLIMIT_NOFILE:
		return (struct user_rlimit){p->rlim_nofile,
					    p->hard_nofile ? p->hard_nofile : NOFILE};
	case RLIMIT_SIGPENDING:
		return (struct user_rlimit){p->rlim_sigpending, p->hard_sigpending};
	case RLIMIT_NPROC:
		return (struct user_rlimit){p->rlim_nproc, p->hard_nproc};
	case RLIMIT_CORE:
	case RLIMIT_NICE:
	case RLIMIT_RTPRIO:
		return (struct user_rlimit){0, 0};
	default:
		return (struct user_rlimit){RLIM_INFINITY, RLIM_INFINITY};
	}
}

static int limit_set(struct process *p, unsigned resource, struct user_rlimit lim)
{
	struct user_rlimit old = limit_get(p, resource);
	if (lim.soft > lim.hard)
		return -EINVAL;
	switch (resource) {
	case RLIMIT_STACK:
	case RLIMIT_NOFILE:
	case RLIMIT_NPROC:
	case RLIMIT_SIGPENDING:
		if (lim.hard > old.hard && current->proc->cred.euid != 0)
			return -EPERM;
		break;
	case RLIMIT_CORE:
		return 0; /* none is longer than 0, whatever is allowed */
	default:
		return lim.soft == old.soft && lim.hard == old.hard ? 0 : -EPERM;
	}
	/* 0 means the default; a hard limit of no byte or no file is kept as one. */
	if (resource == RLIMIT_STACK) {
		p->rlim_stack = lim.soft;
		p->hard_stack = lim.hard ? lim.hard : 1;
		return 0;
	}
	if (resource == RLIMIT_SIGPENDING) {
		p->rlim_sigpending = lim.soft;
		p->hard_sigpending = lim.hard;
		return 0;
	}
	if (resource == RLIMIT_NPROC) {
		p->rlim_nproc = lim.soft;
		p->hard_nproc = lim.hard;
		return 0;
	}
	if (lim.hard > NOFILE)
		return -EPERM; /* the table has no more room */
	p->rlim_nofile = lim.soft;
	p->hard_nofile = lim.hard ? lim.hard : 1;
	return 0;
}

static int limit_from_user(struct user_rlimit *lim, uint64_t va, bool narrow)
{
	uint32_t v[2];

	if (!narrow)
		return copy_from_user(lim, va, sizeof(*lim));
	if (copy_from_user(v, va, sizeof(v)) != 0)
		return -EFAULT;
	lim->soft = v[0] == UINT32_MAX ? UINT64_MAX : v[0];
	lim->hard = v[1] == UINT32_MAX ? UINT64_MAX : v[1];
	return 0;
}

/* A 32-bit program reads what it has no number for as infinity, the oldest form as its largest. */
static int limit_to_user(uint64_t va, const struct user_rlimit *lim, bool narrow)
{
	uint64_t most = ia32_old() ? INT32_MAX : UINT32_MAX;
	uint32_t v[2] = {(uint32_t)MIN(lim->soft, most), (uint32_t)MIN(lim->hard, most)};

	return narrow ? copy_to_user(va, v, sizeof(v)) : copy_to_user(va, lim, sizeof(*lim));
}

static long limit_call(int pid, unsigned resource, uint64_t new_va, uint64_t old_va, bool narrow)
{
	struct user_rlimit lim, old;
	if (resource >= RLIMITS)
		return -EINVAL;
	if (new_va && limit_from_user(&lim, new_va, narrow) != 0)
		return -EFAULT;
	struct task *t = pid ? task_find(pid) : NULL;
	struct process *p = pid ? t ? t->proc : NULL : current->proc;
	const struct cred *me = &current->proc->cred;
	long err = -ESRCH;
	if (p) {
		uint64_t flags = spin_lock_irqsave(&p->siglock);
		bool allowed = p == current->proc || me->euid == 0 ||
			       (me->uid == p->cred.uid && me->uid == p->cred.euid &&
				me->uid == p->cred.suid);
		old = limit_get(p, resource);
		err = !allowed ? -EPERM : new_va ? limit_set(p, resource, lim) : 0;
		spin_unlock_irqrestore(&p->siglock, flags);
	}
	if (t)
		task_put(t);
	if (!err && old_va && limit_to_user(old_va, &old, narrow) != 0)
		return -EFAULT;
	return err;
}

SYSCALL2(getrlimit, unsigned, resource, uint64_t, va)
{
	return va ? limit_call(0, resource, 0, va, in_ia32_call()) : -EFAULT;
}

SYSCALL2(setrlimit, unsigned, resource, uint64_t, va)
{
	return va ? limit_call(0, resource, va, 0, in_ia32_call()) : -EFAULT;
}

SYSCALL4(prlimit64, int, pid, unsigned, resource, uint64_t, new_va, uint64_t, old_va)
{
	return limit_call(pid, resource, new_va, old_va, false);
}

/* ---- usage ---- */

struct user_rusage {
	struct k_timeval utime, stime;
	int64_t maxrss; /* KiB; here what is resident now */
	int64_t others[13];
};
_Static_assert(sizeof(struct user_rusage) == 144, "struct rusage");

static struct k_timeval to_timeval(uint64_t ns)
{
	return (struct k_timeval){(int64_t)(ns / NS_PER_SEC), (int64_t)(ns % NS_PER_SEC / 1000)};
}

SYSCALL2(getrusage, int, who, uint64_t, va)
{
	enum { RUSAGE_CHILDREN = -1, RUSAGE_SELF = 0, RUSAGE_THREAD = 1 };
	struct task *t = current;
	struct user_rusage ru;
	uint64_t user, system;
	memset(&ru, 0, sizeof(ru));
	switch (who) {
	case RUSAGE_SELF:
		process_times(t->proc, &user, &system);
		break;
	case RUSAGE_THREAD:
		user = t->utime_ns;
		system = t->stime_ns;
		break;
	case RUSAGE_CHILDREN:
		user = t->proc->child_utime_ns;
		system = t->proc->child_stime_ns;
		break;
	default:
		return -EINVAL;
	}
	ru.utime = to_timeval(user);
	ru.stime = to_timeval(system);
	if (who != RUSAGE_CHILDREN)
		ru.maxrss = (int64_t)(t->mm->rss_pages * (PAGE_SIZE / 1024));
	return longs_to_user(va, &ru.utime.sec, sizeof(ru) / sizeof(int64_t), in_ia32_call());
}

/* ---- nice values: of processes; sched.c makes slices of them ---- */

enum { PRIO_PROCESS, PRIO_PGRP, PRIO_USER };

/* `who` 0 is the caller's own process, group or user. */
static bool chosen(const struct process *p, int which, uint32_t who)
{
	const struct process *self = current->proc;
	switch (which) {
	case PRIO_PROCESS:
		return p->pid == (who ? (int)who : self->pid);
	case PRIO_PGRP:
		return p->pgid == (who ? (int)who : self->pgid);
	default:
		return p->cred.uid == (who ? who : self->cred.uid);
	}
}

SYSCALL2(getpriority, int, which, uint32_t, who)
{
	long best = -ESRCH;
	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	uint64_t flags = spin_lock_irqsave(&task_lock);
	list_for_each_entry (p, &process_list, struct process, all)
		if (chosen(p, which, who))
			best = MAX(best, 20 - p->nice); /* 1 to 40: no errors among them */
	spin_unlock_irqrestore(&task_lock, flags);
	return best;
}

SYSCALL3(setpriority, int, which, uint32_t, who, int, nice)
{
	const struct cred *me = &current->proc->cred;
	long err = -ESRCH;
	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	nice = MAX(-20, MIN(nice, 19));
	uint64_t flags = spin_lock_irqsave(&task_lock);
	list_for_each_entry (p, &process_list, struct process, all) {
		if (!chosen(p, which, who))
			continue;
		if (me->euid != 0 && me->euid != p->cred.uid && me->euid != p->cred.euid) {
			err = -EPERM;
		} else if (me->euid != 0 && nice < p->nice) {
			err = -EACCES;
		} else {
			p->nice = nice;
			err = err == -ESRCH ? 0 : err;
		}
	}
	spin_unlock_irqrestore(&task_lock, flags);
	return err;
}
