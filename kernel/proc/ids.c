/* SPDX-License-Identifier: MIT */
/* Who a process is: numbers, users, groups. One set of credentials a process, with Linux's rules
 * for those that have given up being root. */
#include "proc.h"
#include "syscall.h"
#include "uaccess.h"

#define NO_CHANGE UINT32_MAX

/* The shortest calls lie beside their dispatcher: sys/entry.S. */
#define ENTRY_TEXT __attribute__((__section__(".text.entry")))
ENTRY_TEXT syscall_fn sys_getpid, sys_gettid, sys_getppid, sys_getuid;

SYSCALL0(getpid)
{
	return current_head()->pid;
}

SYSCALL0(gettid)
{
	return current_head()->tid;
}

SYSCALL0(getppid)
{
	return current_head()->ppid;
}

SYSCALL0(getuid)
{
	return current->proc->cred.uid;
}

SYSCALL0(geteuid)
{
	return current->proc->cred.euid;
}

SYSCALL0(getgid)
{
	return current->proc->cred.gid;
}

SYSCALL0(getegid)
{
	return current->proc->cred.egid;
}

/* ---- changing them ---- */

/* Real, effective and saved number of a user or a group. */
struct triple {
	uint32_t r, e, s;
};

static struct triple user_ids(const struct cred *c)
{
	return (struct triple){c->uid, c->euid, c->suid};
}

static struct triple group_ids(const struct cred *c)
{
	return (struct triple){c->gid, c->egid, c->sgid};
}

static void set_user_ids(struct triple t)
{
	struct process *p = current->proc;
	uint64_t flags = spin_lock_irqsave(&p->siglock);
	p->cred.uid = t.r;
	p->cred.euid = t.e;
	p->cred.suid = t.s;
	spin_unlock_irqrestore(&p->siglock, flags);
}

static void set_group_ids(struct triple t)
{
	struct process *p = current->proc;
	uint64_t flags = spin_lock_irqsave(&p->siglock);
	p->cred.gid = t.r;
	p->cred.egid = t.e;
	p->cred.sgid = t.s;
	spin_unlock_irqrestore(&p->siglock, flags);
}

static bool privileged(void)
{
	return current->proc->cred.euid == 0;
}

static bool one_of(uint32_t id, struct triple t)
{
	return id == t.r || id == t.e || id == t.s;
}

/* setuid, setgid. */
static int change_one(struct triple *t, uint32_t id)
{
	if (id == NO_CHANGE)
		return -EINVAL;
	if (privileged())
		*t = (struct triple){id, id, id};
	else if (id == t->r || id == t->s)
		t->e = id;
	else
		return -EPERM;
	return 0;
}

/* setreuid, setregid. */
static int change_two(struct triple *t, uint32_t r, uint32_t e)
{
	struct triple old = *t;
	if (!privileged() &&
	    ((r != NO_CHANGE && r != old.r && r != old.e) || (e != NO_CHANGE && !one_of(e, old))))
		return -EPERM;
	if (r != NO_CHANGE)
		t->r = r;
	if (e != NO_CHANGE)
		t->e = e;
	if (r != NO_CHANGE || (e != NO_CHANGE && e != old.r))
		t->s = t->e;
	return 0;
}

/* setresuid, setresgid. */
static int change_three(struct triple *t, uint32_t r, uint32_t e, uint32_t s)
{
	uint32_t wanted[] = {r, e, s};
	for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++)
		if (!privileged() && wanted[i] != NO_CHANGE && !one_of(wanted[i], *t))
			return -EPERM;
	t->r = r != NO_CHANGE ? r : t->r;
	t->e = e != NO_CHANGE ? e : t->e;
	t->s = s != NO_CHANGE ? s : t->s;
	return 0;
}

static int triple_to_user(struct triple t, uint64_t r, uint64_t e, uint64_t s)
{
	if (copy_to_user(r, &t.r, sizeof(t.r)) != 0 || copy_to_user(e, &t.e, sizeof(t.e)) != 0 ||
	    copy_to_user(s, &t.s, sizeof(t.s)) != 0)
		return -EFAULT;
	return 0;
}

SYSCALL1(setuid, uint32_t, id)
{
	struct triple t = user_ids(&current->proc->cred);
	int err = change_one(&t, id);
	if (!err)
		set_user_ids(t);
	return err;
}

SYSCALL1(setgid, uint32_t, id)
{
	struct triple t = group_ids(&current->proc->cred);
	int err = change_one(&t, id);
	if (!err)
		set_group_ids(t);
	return err;
}

SYSCALL2(setreuid, uint32_t, r, uint32_t, e)
{
	struct triple t = user_ids(&current->proc->cred);
	int err = change_two(&t, r, e);
	if (!err)
		set_user_ids(t);
	return err;
}

SYSCALL2(setregid, uint32_t, r, uint32_t, e)
{
	struct triple t = group_ids(&current->proc->cred);
	int err = change_two(&t, r, e);
	if (!err)
		set_group_ids(t);
	return err;
}

SYSCALL3(setresuid, uint32_t, r, uint32_t, e, uint32_t, s)
{
	struct triple t = user_ids(&current->proc->cred);
	int err = change_three(&t, r, e, s);
	if (!err)
		set_user_ids(t);
	return err;
}

SYSCALL3(setresgid, uint32_t, r, uint32_t, e, uint32_t, s)
{
	struct triple t = group_ids(&current->proc->cred);
	int err = change_three(&t, r, e, s);
	if (!err)
		set_group_ids(t);
	return err;
}

SYSCALL3(getresuid, uint64_t, r, uint64_t, e, uint64_t, s)
{
	return triple_to_user(user_ids(&current->proc->cred), r, e, s);
}

SYSCALL3(getresgid, uint64_t, r, uint64_t, e, uint64_t, s)
{
	return triple_to_user(group_ids(&current->proc->cred), r, e, s);
}

SYSCALL2(getgroups, int, n, uint64_t, va)
{
	struct process *p = current->proc;
	uint32_t groups[NGROUPS];
	if (n < 0)
		return -EINVAL;
	uint64_t flags = spin_lock_irqsave(&p->siglock);
	uint32_t have = p->cred.ngroups;
	memcpy(groups, p->cred.groups, sizeof(groups));
	spin_unlock_irqrestore(&p->siglock, flags);
	if (n == 0)
		return have;
	if ((uint32_t)n < have)
		return -EINVAL;
	return copy_to_user(va, groups, have * sizeof(groups[0])) != 0 ? -EFAULT : (long)have;
}

SYSCALL2(setgroups, uint64_t, n, uint64_t, va)
{
	struct process *p = current->proc;
	uint32_t groups[NGROUPS] = {0};
	if (!privileged())
		return -EPERM;
	if (n > NGROUPS)
		return -EINVAL;
	if (copy_from_user(groups, va, n * sizeof(groups[0])) != 0)
		return -EFAULT;
	uint64_t flags = spin_lock_irqsave(&p->siglock);
	p->cred.ngroups = (uint32_t)n;
	memcpy(p->cred.groups, groups, sizeof(groups));
	spin_unlock_irqrestore(&p->siglock, flags);
	return 0;
}

/* ---- process groups and sessions ---- */

static bool group_in_session(int pgid, int sid)
{
	list_for_each_entry (p, &process_list, struct process, all)
		if (p->pgid == pgid && p->sid == sid)
			return true;
	return false;
}

static int setpgid_locked(struct process *self, int pid, int pgid)
{
	struct process *p = pid == self->pid ? self : process_find_locked(pid);
	if (!p || (p != self && p->parent != self))
		return -ESRCH;
	if (p != self && p->sid != self->sid)
		return -EPERM;
	if (p != self && p->did_exec)
		return -EACCES;
	if (p->sid == p->pid)
		return -EPERM; /* a session's leader leads its group as well */
	if (pgid != p->pid && !group_in_session(pgid, self->sid))
		return -EPERM;
	p->pgid = pgid;
	return 0;
}

SYSCALL2(setpgid, int, pid, int, pgid)
{
	struct process *self = current->proc;
	if (pid == 0)
		pid = self->pid;
	if (pgid == 0)
		pgid = pid;
	if (pgid < 0)
		return -EINVAL;
	uint64_t flags = spin_lock_irqsave(&task_lock);
	int err = setpgid_locked(self, pid, pgid);
	spin_unlock_irqrestore(&task_lock, flags);
	return err;
}

enum which_id { ID_GROUP, ID_SESSION };

static long id_of(int pid, enum which_id which)
{
	uint64_t flags = spin_lock_irqsave(&task_lock);
	const struct process *p = pid ? process_find_locked(pid) : current->proc;
	long id = -ESRCH;
	if (p)
		id = which == ID_GROUP ? p->pgid : p->sid;
	spin_unlock_irqrestore(&task_lock, flags);
	return id;
}

SYSCALL1(getpgid, int, pid)
{
	return id_of(pid, ID_GROUP);
}

SYSCALL0(getpgrp)
{
	return id_of(0, ID_GROUP);
}

SYSCALL1(getsid, int, pid)
{
	return id_of(pid, ID_SESSION);
}

SYSCALL0(setsid)
{
	struct process *self = current->proc;
	long ret = -EPERM;
	uint64_t flags = spin_lock_irqsave(&task_lock);
	bool leads = false;
	list_for_each_entry (p, &process_list, struct process, all)
		if (p->pgid == self->pid)
			leads = true;
	if (!leads) {
		self->sid = self->pgid = self->pid;
		self->tty = NULL;
		ret = self->sid;
	}
	spin_unlock_irqrestore(&task_lock, flags);
	return ret;
}
