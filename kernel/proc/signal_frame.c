/* SPDX-License-Identifier: MIT */
/*
 * The frame of a signal handler on the user stack, exactly Linux's for x86-64, and the way back.
 *
 *	old sp
 *	red zone, 128 bytes          (or: the top of the alternate stack)
 *	FPU state, 64-byte aligned   FXSAVE image; with XSAVE: the header and the rest follow, then
 *	                             FP_XSTATE_MAGIC2
 *	siginfo, ucontext, pretcode  sp points at pretcode: 16-byte aligned but for one return
 *address
 *
 * What comes back from the user is not trusted: segment selectors are checked, of the flags only
 * those that a program may change itself are taken, and the FPU image is cleaned of all that would
 * make FXRSTOR or XRSTOR fault in the kernel.
 */
#include "ia32.h"
#include "proc.h"
#include "signal_frame.h"
#include "sweep.h"
#include "syscall.h"
#include "uaccess.h"

#define RED_ZONE 128

#define UC_FP_XSTATE         0x1
#define UC_SIGCONTEXT_SS     0x2
#define UC_STRICT_RESTORE_SS 0x4

struct rt_sigframe {
	uint64_t pretcode;
	struct user_ucontext uc;
	struct user_siginfo info;
};
_Static_assert(offsetof(struct rt_sigframe, uc) == 8, "ucontext follows the return address");
_Static_assert(offsetof(struct rt_sigframe, info) == 8 + 304, "siginfo follows ucontext");
_Static_assert(sizeof(struct rt_sigframe) == 440, "Linux's frame");

static bool canonical(uint64_t va)
{
	return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

/* *u is all zero. */
static void siginfo_fill(struct user_siginfo *u, const struct siginfo *info)
{
	u->signo = info->signo;
	u->err = info->err;
	u->code = info->code;
	if ((SIGMASK(info->signo) & SET_FAULT) && info->code > 0) {
		u->addr = info->addr;
	} else if (info->signo == SIGCHLD && info->code > 0) {
		u->child.pid = info->pid;
		u->child.uid = info->uid;
		u->child.status = info->status;
	} else if (info->code != SI_KERNEL) {
		u->queued.pid = info->pid;
		u->queued.uid = info->uid;
		u->queued.value = info->value;
	}
}

int siginfo_to_user(uint64_t va, const struct siginfo *info)
{
	struct user_siginfo u;
	if (in_ia32_call())
		return ia32_siginfo_to_user(va, info);
	memset(&u, 0, sizeof(u));
	siginfo_fill(&u, info);
	return copy_to_user(va, &u, sizeof(u));
}

int siginfo_from_user(uint64_t va, struct siginfo *info)
{
	struct user_siginfo u;
	if (in_ia32_call())
		return ia32_siginfo_from_user(va, info);
	if (copy_from_user(&u, va, sizeof(u)) != 0)
		return -EFAULT;
	*info = (struct siginfo){.signo = u.signo, .code = u.code, .err = u.err};
	if (u.signo < 1 || u.signo > NSIG)
		return 0; /* what is to be delivered is told by number elsewhere */
	if ((SIGMASK(u.signo) & SET_FAULT) && u.code > 0) {
		info->addr = u.addr;
	} else if (u.signo == SIGCHLD && u.code > 0) {
		info->pid = u.child.pid;
		info->uid = u.child.uid;
		info->status = u.child.status;
	} else {
		info->pid = u.queued.pid;
		info->uid = u.queued.uid;
		info->value = u.queued.value;
	}
	return 0;
}

/* ---- the alternate stack ---- */

/* Whether sp is on it. With SS_AUTODISARM the settings are gone while it is in use. */
bool altstack_holds(uint64_t sp)
{
	const struct task *t = current;
	return sp > t->altstack_sp && sp - t->altstack_sp <= t->altstack_size;
}

static int altstack_status(uint64_t sp)
{
	const struct task *t = current;
	if (t->altstack_size == 0)
		return SS_DISABLE;
	if (t->altstack_flags & SS_AUTODISARM)
		return 0;
	return altstack_holds(sp) ? SS_ONSTACK : 0;
}

static void altstack_reset(void)
{
	struct task *t = current;
	t->altstack_sp = t->altstack_size = 0;
	t->altstack_flags = 0;
}

int altstack_restore(const struct user_stack *st, uint64_t sp)
{
	struct task *t = current;
	int mode = st->flags & ~SS_AUTODISARM;
	if (altstack_status(sp) == SS_ONSTACK)
		return -EPERM;
	if (mode != 0 && mode != SS_ONSTACK && mode != SS_DISABLE)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		altstack_reset();
		return 0;
	}
	if (st->size < MINSIGSTKSZ)
		return -ENOMEM;
	t->altstack_sp = st->sp;
	t->altstack_size = st->size;
	t->altstack_flags = st->flags & SS_AUTODISARM;
	return 0;
}

long altstack_change(uint64_t new_va, uint64_t old_va, uint64_t sp)
{
	const struct task *t = current;
	struct user_stack old = {.sp = t->altstack_sp,
				 .flags = altstack_status(sp) | t->altstack_flags,
				 .size = t->altstack_size};
	bool ia32 = in_ia32_call();
	if (new_va) {
		struct user_stack st;
		if ((ia32 ? ia32_stack_from_user(&st, new_va)
			  : copy_from_user(&st, new_va, sizeof(st))) != 0)
			return -EFAULT;
		int err = altstack_restore(&st, sp);
		if (err)
			return err;
	}
	if (!old_va)
		return 0;
	return ia32 ? ia32_stack_to_user(old_va, &old) : copy_to_user(old_va, &old, sizeof(old));
}

/* ---- to the handler ---- */

/* *c is all zero. */
static void context_fill(struct user_sigcontext *c, const struct pt_regs *regs,
			 const struct siginfo *info, uint64_t fpstate, sigset_t mask)
{
	c->r8 = regs->r8;
	c->r9 = regs->r9;
	c->r10 = regs->r10;
	c->r11 = regs->r11;
	c->r12 = regs->r12;
	c->r13 = regs->r13;
	c->r14 = regs->r14;
	c->r15 = regs->r15;
	c->di = regs->di;
	c->si = regs->si;
	c->bp = regs->bp;
	c->bx = regs->bx;
	c->dx = regs->dx;
	c->ax = regs->ax;
	c->cx = regs->cx;
	c->sp = regs->sp;
	c->ip = regs->ip;
	c->flags = regs->flags;
	c->cs = (uint16_t)regs->cs;
	c->ss = (uint16_t)regs->ss;
	c->err = info->error;
	c->trapno = (uint64_t)(int64_t)info->trapno;
	c->oldmask = mask;
	c->cr2 = info->trapno == 14 ? info->addr : 0;
	c->fpstate = fpstate;
}

uint64_t altstack_choose(const struct pt_regs *regs, const struct sigaction_k *act,
			 uint64_t red_zone, bool *bounded)
{
	const struct task *t = current;
	bool was_on = !(t->altstack_flags & SS_AUTODISARM) && t->altstack_size &&
		      altstack_holds(regs->sp);
	bool enter = (act->flags & SA_ONSTACK) && altstack_status(regs->sp) == 0;

	*bounded = enter || was_on;
	return enter ? t->altstack_sp + t->altstack_size : regs->sp - red_zone;
}

void altstack_entered(void)
{
	if (current->altstack_flags & SS_AUTODISARM)
		altstack_reset();
}

/* Where the frame's upper end goes; 0 if it would run off the alternate stack. */
static uint64_t frame_place(const struct pt_regs *regs, const struct sigaction_k *act,
			    uint64_t *fpstate)
{
	bool bounded;
	uint64_t sp = altstack_choose(regs, act, RED_ZONE, &bounded);
	*fpstate = ALIGN_DOWN(sp - signal_fpu_bytes(), 64);
	uint64_t frame = ALIGN_DOWN(*fpstate - sizeof(struct rt_sigframe), 16) - 8;
	return bounded && !altstack_holds(frame) ? 0 : frame;
}

int signal_frame_push(struct pt_regs *regs, int sig, const struct siginfo *info,
		      const struct sigaction_k *act, sigset_t saved_mask)
{
	struct task *t = current;
	uint64_t fpstate, frame;
	if (act->flags & SA_IA32)
		return ia32_frame_push(regs, sig, info, act, saved_mask);
	frame = frame_place(regs, act, &fpstate);
	if (!frame || !(act->flags & SA_RESTORER) || !canonical(act->handler))
		return -EFAULT;

	struct rt_sigframe f;
	memset(&f, 0, sizeof(f));
	f.pretcode = act->restorer;
	f.uc.flags = UC_SIGCONTEXT_SS | (fpu_format.xsave ? UC_FP_XSTATE : 0);
	if (regs->cs == KAISER_USER_CS)
		f.uc.flags |= UC_STRICT_RESTORE_SS;
	f.uc.stack.sp = t->altstack_sp;
	f.uc.stack.flags = t->altstack_flags | (t->altstack_size ? 0 : SS_DISABLE);
	f.uc.stack.size = t->altstack_size;
	context_fill(&f.uc.mcontext, regs, info, fpstate, saved_mask);
	f.uc.sigmask = saved_mask;
	siginfo_fill(&f.info, info);
	if (signal_fpu_to_user(fpstate) != 0 || copy_to_user(frame, &f, sizeof(f)) != 0)
		return -EFAULT;

	altstack_entered();
	regs->di = (uint64_t)sig;
	regs->ax = 0;
	regs->si = frame + offsetof(struct rt_sigframe, info);
	regs->dx = frame + offsetof(struct rt_sigframe, uc);
	regs->ip = act->handler;
	regs->sp = frame;
	regs->cs = KAISER_USER_CS;
	regs->ss = KAISER_USER_DS;
	regs->flags &= ~(uint64_t)(FLAG_DF | FLAG_RF | FLAG_TF);
	fpu_reset();
	return 0;
}

/* ---- and back ---- */

static int context_restore(struct pt_regs *regs, const struct user_ucontext *uc)
{
	const struct user_sigcontext *c = &uc->mcontext;
	/* Any segments: a bad one is a fault of the IRET, reported as the program's. */
	uint16_t cs = c->cs | 3, ss = c->ss | 3;
	if (!(uc->flags & UC_STRICT_RESTORE_SS) && cs == KAISER_USER_CS)
		ss = KAISER_USER_DS;
	if (!canonical(c->ip) && !sweep_trusts_frames())
		return -EFAULT;
	regs->r8 = c->r8;
	regs->r9 = c->r9;
	regs->r10 = c->r10;
	regs->r11 = c->r11;
	regs->r12 = c->r12;
	regs->r13 = c->r13;
	regs->r14 = c->r14;
	regs->r15 = c->r15;
	regs->di = c->di;
	regs->si = c->si;
	regs->bp = c->bp;
	regs->bx = c->bx;
	regs->dx = c->dx;
	regs->ax = c->ax;
	regs->cx = c->cx;
	regs->sp = c->sp;
	regs->ip = c->ip;
	regs->cs = cs;
	regs->ss = ss;
	regs->flags = (c->flags & FLAGS_FROM_USER) | (regs->flags & FLAG_ID) | FLAGS_ALWAYS;
	regs->orig_ax = UINT64_MAX; /* not a system call to restart any more */
	return 0;
}

SYSCALL0(rt_sigreturn)
{
	struct rt_sigframe f;
	uint64_t frame = regs->sp - 8; /* the handler's RET took pretcode */
	current->restart_fn = NULL;
	if (copy_from_user(&f, frame, offsetof(struct rt_sigframe, info)) != 0)
		goto bad;
	/* The FPU first: it alone may fail late, and *regs must not be half restored then. */
	if (signal_fpu_from_user(f.uc.mcontext.fpstate) != 0)
		goto bad;
	signal_set_blocked(f.uc.sigmask);
	if (context_restore(regs, &f.uc) != 0)
		goto bad;
	altstack_restore(&f.uc.stack, regs->sp); /* as Linux: what cannot be put back stays */
	return (long)regs->ax;
bad:
	regs->orig_ax = UINT64_MAX;
	signal_fault(SIGSEGV, SI_KERNEL, 0, NULL);
	return (long)regs->ax;
}
