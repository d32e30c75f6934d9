/* SPDX-License-Identifier: MIT */
/* A thread's and a process's own knobs: prctl, arch_prctl, personality, membarrier, rseq. */
#include "port.h"
#include "proc.h"
#include "sweep.h"
#include "syscall.h"
#include "uaccess.h"

enum {
	PR_GET_DUMPABLE = 3,
	PR_SET_DUMPABLE = 4,
	PR_SET_NAME = 15,
	PR_GET_NAME = 16,
	PR_SET_NO_NEW_PRIVS = 38,
	PR_GET_NO_NEW_PRIVS = 39,
	/* Ours, far from Linux's: whether this address space is isolated. 0 asks for root. */
	PR_SET_KAISER = 0x4b414901,
	PR_GET_KAISER = 0x4b414902,
	ARCH_SET_GS = 0x1001,
	ARCH_SET_FS = 0x1002,
	ARCH_GET_FS = 0x1003,
	ARCH_GET_GS = 0x1004,
};
#define MSR_FS_BASE      0xc0000100
#define MSR_USER_GS_BASE 0xc0000102 /* while the kernel's GS is in use */

_Static_assert(sizeof(((struct process *)0)->name) == 16, "PR_GET_NAME's buffer");
_Static_assert(sizeof(((struct task *)0)->thread_name) == 16, "PR_GET_NAME's buffer");

/* Where the name of this thread is kept: the leader's is the process's. */
static char *own_name(struct task *t)
{
	return t == t->proc->leader ? t->proc->name : t->thread_name;
}

static int set_name(uint64_t va)
{
	struct task *t = current;
	char name[16];
	long len = strncpy_from_user(name, va, sizeof(name));
	if (len == -EFAULT)
		return -EFAULT;
	/* A longer one is cut. */
	name[sizeof(name) - 1] = '\0';
	uint64_t flags = spin_lock_irqsave(&t->proc->siglock);
	strlcpy(own_name(t), name, sizeof(name));
	spin_unlock_irqrestore(&t->proc->siglock, flags);
	return 0;
}

static int get_name(uint64_t va)
{
	struct task *t = current;
	char name[16] = {0};
	uint64_t flags = spin_lock_irqsave(&t->proc->siglock);
	const char *own = own_name(t);
	strlcpy(name, *own ? own : t->proc->name, sizeof(name));
	spin_unlock_irqrestore(&t->proc->siglock, flags);
	return copy_to_user(va, name, sizeof(name));
}

SYSCALL5(prctl, int, option, uint64_t, a, uint64_t, b, uint64_t, c, uint64_t, d)
{
	struct process *p = current->proc;
	switch (option) {
	case PR_GET_DUMPABLE:
		return !p->undumpable;
	case PR_SET_DUMPABLE:
		if (a > 1)
			return -EINVAL;
		p->undumpable = !a;
		return 0;
	case PR_SET_NAME:
		return set_name(a);
	case PR_GET_NAME:
		return get_name(a);
	case PR_SET_NO_NEW_PRIVS:
		if (a != 1 || b || c || d)
			return -EINVAL;
		p->cred.no_new_privs = true;
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		if (a || b || c || d)
			return -EINVAL;
		return p->cred.no_new_privs;
	case PR_SET_KAISER:
		return b || c || d ? -EINVAL : port_prctl_isolate(a);
	case PR_GET_KAISER:
		return a || b || c || d ? -EINVAL : !current->mm->space.opted_out;
	default:
		return sweep_breakpoint(option, a) ? 0 : -EINVAL;
	}
}

/* User addresses only: a base in the kernel half would turn %fs:0 into a probe of it, and a
 * non-canonical one makes WRMSR fault. */
static int set_base(uint32_t msr, uint64_t base)
{
	if (base >= USER_END)
		return -EPERM;
	wrmsr(msr, base);
	return 0;
}

static int get_base(uint32_t msr, uint64_t va)
{
	uint64_t base = rdmsr(msr);
	return copy_to_user(va, &base, sizeof(base));
}

SYSCALL2(arch_prctl, int, code, uint64_t, arg)
{
	switch (code) {
	case ARCH_SET_FS:
		return set_base(MSR_FS_BASE, arg);
	case ARCH_SET_GS:
		return set_base(MSR_USER_GS_BASE, arg);
	case ARCH_GET_FS:
		return get_base(MSR_FS_BASE, arg);
	case ARCH_GET_GS:
		return get_base(MSR_USER_GS_BASE, arg);
	default:
		return -EINVAL;
	}
}

/* Linux's own, and the one that calls the machine a 32-bit one. */
SYSCALL1(personality, uint32_t, persona)
{
	struct process *p = current->proc;
	uint32_t was = p->persona;

	if (persona == UINT32_MAX)
		return was;
	if (persona != 0 && persona != PER_LINUX32)
		return -EINVAL;
	p->persona = persona;
	return was;
}

/* ---- membarrier ---- */

enum {
	MEMBARRIER_QUERY = 0,
	MEMBARRIER_GLOBAL = 1 << 0,
	MEMBARRIER_GLOBAL_EXPEDITED = 1 << 1,
	MEMBARRIER_REGISTER_GLOBAL_EXPEDITED = 1 << 2,
	MEMBARRIER_PRIVATE_EXPEDITED = 1 << 3,
	MEMBARRIER_REGISTER_PRIVATE_EXPEDITED = 1 << 4,
};

static void full_barrier(unused void *arg)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Every CPU, whatever it runs: more than asked for, never less. */
SYSCALL2(membarrier, int, command, unsigned, flags)
{
	struct process *p = current->proc;
	if (flags)
		return -EINVAL;
	switch (command) {
	case MEMBARRIER_QUERY:
		return MEMBARRIER_GLOBAL | MEMBARRIER_GLOBAL_EXPEDITED |
		       MEMBARRIER_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_PRIVATE_EXPEDITED |
		       MEMBARRIER_REGISTER_PRIVATE_EXPEDITED;
	case MEMBARRIER_REGISTER_GLOBAL_EXPEDITED:
		return 0;
	case MEMBARRIER_REGISTER_PRIVATE_EXPEDITED:
		p->membarrier_ready = true;
		return 0;
	case MEMBARRIER_PRIVATE_EXPEDITED:
		if (!p->membarrier_ready)
			return -EPERM;
		break;
	case MEMBARRIER_GLOBAL:
	case MEMBARRIER_GLOBAL_EXPEDITED:
		break;
	default:
		return -EINVAL;
	}
	cpu_call(sched_online(), full_barrier, NULL);
	return 0;
}

/* Restartable sequences are not offered: C libraries then do without. */
SYSCALL0(rseq)
{
	return -ENOSYS;
}
