/* SPDX-License-Identifier: MIT */
/* The system calls about signals whose structures differ, and those that x86-64 never had. */
#include "../proc/proc.h"
#include "../proc/signal_frame.h"
#include "compat.h"
#include "signal_frame32.h"
#include "uaccess.h"

int ia32_stack_from_user(struct user_stack *st, uint64_t va)
{
	struct stack32 u;

	if (copy_from_user(&u, va, sizeof(u)) != 0)
		return -EFAULT;
	*st = (struct user_stack){.sp = u.sp, .flags = u.flags, .size = u.size};
	return 0;
}

int ia32_stack_to_user(uint64_t va, const struct user_stack *st)
{
	struct stack32 u = {(uint32_t)st->sp, st->flags, (uint32_t)st->size};

	return copy_to_user(va, &u, sizeof(u));
}

struct sigaction32 { /* rt_sigaction's */
	uint32_t handler, flags, restorer, mask[2];
};

struct old_sigaction32 {
	uint32_t handler, mask, flags, restorer;
};

SYSCALL4(ia32_rt_sigaction, int, sig, uint64_t, new_va, uint64_t, old_va, uint32_t, setsize)
{
	struct sigaction_k act, old;
	struct sigaction32 u;
	long err;

	if (setsize != sizeof(sigset_t))
		return -EINVAL;
	if (new_va) {
		if (copy_from_user(&u, new_va, sizeof(u)) != 0)
			return -EFAULT;
		act = (struct sigaction_k){u.handler, u.flags | SA_IA32, u.restorer,
					   u.mask[0] | (uint64_t)u.mask[1] << 32};
	}
	err = sigaction_change(sig, new_va ? &act : NULL, &old);
	if (err || !old_va)
		return err;
	u = (struct sigaction32){(uint32_t)old.handler,
				 (uint32_t)old.flags,
				 (uint32_t)old.restorer,
				 {(uint32_t)old.mask, (uint32_t)(old.mask >> 32)}};
	return copy_to_user(old_va, &u, sizeof(u));
}

SYSCALL3(ia32_sigaction, int, sig, uint64_t, new_va, uint64_t, old_va)
{
	struct sigaction_k act, old;
	struct old_sigaction32 u;
	long err;

	if (new_va) {
		if (copy_from_user(&u, new_va, sizeof(u)) != 0)
			return -EFAULT;
		act = (struct sigaction_k){u.handler, u.flags | SA_IA32, u.restorer, u.mask};
	}
	err = sigaction_change(sig, new_va ? &act : NULL, &old);
	if (err || !old_va)
		return err;
	u = (struct old_sigaction32){(uint32_t)old.handler, (uint32_t)old.mask, (uint32_t)old.flags,
				     (uint32_t)old.restorer};
	return copy_to_user(old_va, &u, sizeof(u));
}

SYSCALL2(ia32_signal, int, sig, uint32_t, handler)
{
	struct sigaction_k act = {handler, SA_RESETHAND | SA_NODEFER | SA_IA32, 0, 0}, old;
	long err = sigaction_change(sig, &act, &old);

	return err ? err : (long)old.handler;
}

/* The first 32 signals. */
SYSCALL3(ia32_sigprocmask, int, how, uint64_t, new_va, uint64_t, old_va)
{
	enum { SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK };
	sigset_t old = current->blocked;
	uint32_t set, was = (uint32_t)old;

	if (new_va) {
		if (copy_from_user(&set, new_va, sizeof(set)) != 0)
			return -EFAULT;
		if (how == SIG_BLOCK)
			signal_set_blocked(old | set);
		else if (how == SIG_UNBLOCK)
			signal_set_blocked(old & ~(sigset_t)set);
		else if (how == SIG_SETMASK)
			signal_set_blocked((old & ~(sigset_t)UINT32_MAX) | set);
		else
			return -EINVAL;
	}
	return old_va ? copy_to_user(old_va, &was, sizeof(was)) : 0;
}

SYSCALL1(ia32_sigpending, uint64_t, va)
{
	return ia32_call(sys_rt_sigpending, va, sizeof(uint32_t), 0, 0, 0, 0);
}

SYSCALL3(ia32_sigsuspend, uint32_t, unused1, uint32_t, unused2, uint32_t, mask)
{
	(void)unused1;
	(void)unused2;
	return sigsuspend(mask);
}

int ia32_siginfo_from_user(uint64_t va, struct siginfo *info)
{
	struct siginfo32 u;

	if (copy_from_user(&u, va, sizeof(u)) != 0)
		return -EFAULT;
	*info = (struct siginfo){.signo = u.signo,
				 .err = u.err,
				 .code = u.code,
				 .pid = u.pid,
				 .uid = u.uid,
				 .status = u.status,
				 .addr = u.addr,
				 .value = u.value};
	return 0;
}

static int info_from_user(uint64_t va, int sig, struct siginfo *info)
{
	int err = ia32_siginfo_from_user(va, info);

	info->signo = sig;
	return err;
}

SYSCALL3(ia32_rt_sigqueueinfo, int, pid, int, sig, uint64_t, va)
{
	struct siginfo info;

	return info_from_user(va, sig, &info) ? -EFAULT : sigqueue_process(pid, sig, &info);
}

SYSCALL4(ia32_rt_tgsigqueueinfo, int, tgid, int, tid, int, sig, uint64_t, va)
{
	struct siginfo info;

	return info_from_user(va, sig, &info) ? -EFAULT : sigqueue_thread(tgid, tid, sig, &info);
}
