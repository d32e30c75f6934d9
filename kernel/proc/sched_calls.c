/* SPDX-License-Identifier: MIT */
/* The system calls of the scheduler: one policy, SCHED_OTHER, and where a thread may run. */
#include "ia32.h"
#include "proc.h"
#include "syscall.h"
#include "uaccess.h"

#define SCHED_OTHER         0
#define SCHED_RESET_ON_FORK 0x40000000

SYSCALL0(sched_yield)
{
	schedule();
	return 0;
}

/* pid 0 is the caller; a reference either way; NULL if there is none. */
static struct task *task_named(int pid)
{
	if (pid)
		return task_find(pid);
	struct task *t = current;
	task_get(t);
	return t;
}

static int check_pid(int pid)
{
	if (pid < 0)
		return -EINVAL;
	struct task *t = task_named(pid);
	if (!t)
		return -ESRCH;
	task_put(t);
	return 0;
}

SYSCALL2(sched_getparam, int, pid, uint64_t, va)
{
	int32_t priority = 0;
	int err = va ? check_pid(pid) : -EINVAL;
	return err ? err : copy_to_user(va, &priority, sizeof(priority));
}

SYSCALL1(sched_getscheduler, int, pid)
{
	int err = check_pid(pid);
	return err ? err : SCHED_OTHER;
}

SYSCALL3(sched_setscheduler, int, pid, int, policy, uint64_t, va)
{
	int32_t priority;
	int err = va ? check_pid(pid) : -EINVAL;
	if (err)
		return err;
	if (copy_from_user(&priority, va, sizeof(priority)) != 0)
		return -EFAULT;
	return (policy & ~SCHED_RESET_ON_FORK) == SCHED_OTHER && priority == 0 ? 0 : -EINVAL;
}

SYSCALL3(sched_setaffinity, int, pid, uint64_t, len, uint64_t, va)
{
	uint64_t mask = 0;
	const struct cred *me = &current->proc->cred;
	if (copy_from_user(&mask, va, MIN(len, sizeof(mask))) != 0)
		return -EFAULT;
	struct task *t = task_named(pid);
	if (!t)
		return -ESRCH;
	long err = 0;
	if (!t->proc ||
	    (me->euid != 0 && me->euid != t->proc->cred.euid && me->euid != t->proc->cred.uid))
		err = -EPERM;
	else if (!(mask & sched_online()))
		err = -EINVAL;
	else
		sched_set_affinity(t, mask & sched_online());
	task_put(t);
	return err;
}

SYSCALL3(sched_getaffinity, int, pid, uint64_t, len, uint64_t, va)
{
	if (len % (in_ia32_call() ? sizeof(uint32_t) : sizeof(uint64_t)) || len == 0)
		return -EINVAL;
	struct task *t = task_named(pid);
	if (!t)
		return -ESRCH;
	uint64_t mask = t->affinity & sched_online();
	task_put(t);
	len = MIN(len, sizeof(mask));
	return copy_to_user(va, &mask, len) != 0 ? -EFAULT : (long)len;
}

SYSCALL2(getcpu, uint64_t, cpu_va, uint64_t, node_va)
{
	uint32_t cpu = this_cpu()->id, node = 0; /* one memory node */
	if (cpu_va && copy_to_user(cpu_va, &cpu, sizeof(cpu)) != 0)
		return -EFAULT;
	if (node_va && copy_to_user(node_va, &node, sizeof(node)) != 0)
		return -EFAULT;
	return 0;
}
