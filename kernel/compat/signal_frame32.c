/* SPDX-License-Identifier: MIT */
/*
 * The frames of signal handlers that a 32-bit call installed, and the way back. From the old stack
 * pointer, or the alternate stack's top, downwards:
 *
 *	FPU state: FSAVE's image, then FXSAVE's, 64-byte aligned, and more with XSAVE
 *	the frame, of either kind; at the handler's first instruction ESP + 4 is 16-byte aligned
 *
 * A handler has its arguments on the stack and in EAX, EDX and ECX. It returns to the program's own
 * restorer or to the vDSO's. Nothing that comes back is trusted: selectors get RPL 3, and what they
 * name is the IRET's to refuse, whose fault is then the program's; of the flags those are taken
 *that a program may change.
 */
#include "../proc/proc.h"
#include "../proc/signal_frame.h"
#include "compat.h"
#include "signal_frame32.h"
#include "uaccess.h"
#include "vdso32.h"

static void siginfo_fill(struct siginfo32 *u, const struct siginfo *info)
{
	memset(u, 0, sizeof(*u));
	u->signo = info->signo;
	u->err = info->err;
	u->code = info->code;
	if ((SIGMASK(info->signo) & SET_FAULT) && info->code > 0) {
		u->addr = (uint32_t)info->addr;
		return;
	}
	if (info->code == SI_KERNEL)
		return;
	u->pid = info->pid;
	u->uid = info->uid;
	if (info->signo == SIGCHLD && info->code > 0)
		u->status = info->status;
	else
		u->value = (uint32_t)info->value;
}

int ia32_siginfo_to_user(uint64_t va, const struct siginfo *info)
{
	struct siginfo32 u;

	siginfo_fill(&u, info);
	return copy_to_user(va, &u, sizeof(u));
}

static void context_fill(struct sigcontext32 *c, const struct pt_regs *regs,
			 const struct siginfo *info, uint64_t fpstate, sigset_t mask)
{
	struct task *t = current;
	uint64_t irq = irq_save();

	segments_save(t);
	irq_restore(irq);
	*c = (struct sigcontext32){
		.gs = t->user_gs,
		.fs = t->user_fs,
		.es = t->user_es,
		.ds = t->user_ds,
		.di = (uint32_t)regs->di,
		.si = (uint32_t)regs->si,
		.bp = (uint32_t)regs->bp,
		.sp = (uint32_t)regs->sp,
		.bx = (uint32_t)regs->bx,
		.dx = (uint32_t)regs->dx,
		.cx = (uint32_t)regs->cx,
		.ax = (uint32_t)regs->ax,
		.trapno = (uint32_t)info->trapno,
		.err = (uint32_t)info->error,
		.ip = (uint32_t)regs->ip,
		.cs = (uint16_t)regs->cs,
		.flags = (uint32_t)regs->flags,
		.sp_at_signal = (uint32_t)regs->sp,
		.ss = (uint16_t)regs->ss,
		.fpstate = (uint32_t)fpstate,
		.oldmask = (uint32_t)mask,
		.cr2 = info->trapno == 14 ? (uint32_t)info->addr : 0,
	};
}

/* Where a frame of n bytes goes, the FPU state above it; 0 if it would run off the stack. */
static uint64_t frame_place(const struct pt_regs *regs, const struct sigaction_k *act, size_t n,
			    uint64_t *fpstate)
{
	bool bounded;
	uint64_t sp = (uint32_t)altstack_choose(regs, act, 0, &bounded), frame;

	if (sp < ia32_fpu_bytes() + 4096)
		return 0;
	*fpstate = ALIGN_DOWN(sp - ia32_fpu_bytes(), 64) - sizeof(struct fsave32);
	frame = ALIGN_DOWN(*fpstate - n + 4, 16) - 4;
	return bounded && !altstack_holds(frame) ? 0 : frame;
}

/* Where the handler returns to; 0: nowhere. */
static uint32_t return_address(const struct sigaction_k *act, const char *label)
{
	const struct mm *mm = current->mm;

	if (act->flags & SA_RESTORER)
		return (uint32_t)act->restorer;
	return mm->vdso32 ? (uint32_t)vdso32_address(mm->vdso32, label) : 0;
}

static int push_old(uint64_t frame, uint64_t fpstate, const struct pt_regs *regs, int sig,
		    const struct siginfo *info, const struct sigaction_k *act, sigset_t mask)
{
	/* pop %eax; mov $119, %eax; int $0x80: for debuggers to recognise. */
	static const uint8_t retcode[8] = {0x58, 0xb8, 119, 0, 0, 0, 0xcd, 0x80};
	struct sigframe32 f;

	memset(&f, 0, sizeof(f));
	f.pretcode = return_address(act, vdso32_sigreturn);
	f.sig = sig;
	context_fill(&f.sc, regs, info, fpstate, mask);
	f.extramask = (uint32_t)(mask >> 32);
	memcpy(f.retcode, retcode, sizeof(retcode));
	return f.pretcode ? copy_to_user(frame, &f, sizeof(f)) : -EFAULT;
}

static int push_rt(uint64_t frame, uint64_t fpstate, const struct pt_regs *regs, int sig,
		   const struct siginfo *info, const struct sigaction_k *act, sigset_t mask)
{
	static const uint8_t retcode[8] = {0xb8, 173, 0, 0, 0, 0xcd, 0x80, 0};
	const struct task *t = current;
	struct rt_sigframe32 f;

	memset(&f, 0, sizeof(f));
	f.pretcode = return_address(act, vdso32_rt_sigreturn);
	f.sig = sig;
	f.pinfo = (uint32_t)(frame + offsetof(struct rt_sigframe32, info));
	f.puc = (uint32_t)(frame + offsetof(struct rt_sigframe32, uc));
	siginfo_fill(&f.info, info);
	f.uc.flags = cpu_has(CPU_XSAVE); /* UC_FP_XSTATE */
	f.uc.stack.sp = (uint32_t)t->altstack_sp;
	f.uc.stack.flags = t->altstack_flags | (t->altstack_size ? 0 : SS_DISABLE);
	f.uc.stack.size = (uint32_t)t->altstack_size;
	context_fill(&f.uc.mcontext, regs, info, fpstate, mask);
	f.uc.sigmask[0] = (uint32_t)mask;
	f.uc.sigmask[1] = (uint32_t)(mask >> 32);
	memcpy(f.retcode, retcode, sizeof(retcode));
	return f.pretcode ? copy_to_user(frame, &f, sizeof(f)) : -EFAULT;
}

int ia32_frame_push(struct pt_regs *regs, int sig, const struct siginfo *info,
		    const struct sigaction_k *act, sigset_t saved_mask)
{
	bool rt = act->flags & SA_SIGINFO;
	size_t bytes = rt ? sizeof(struct rt_sigframe32) : sizeof(struct sigframe32);
	uint64_t fpstate, frame = frame_place(regs, act, bytes, &fpstate), irq;
	int err;

	if (!frame || ia32_fpu_to_user(fpstate) != 0)
		return -EFAULT;
	err = (rt ? push_rt : push_old)(frame, fpstate, regs, sig, info, act, saved_mask);
	if (err)
		return err;
	altstack_entered();
	*regs = (struct pt_regs){
		.bx = regs->bx,
		.si = regs->si,
		.di = regs->di,
		.bp = regs->bp,
		.ax = (uint64_t)sig,
		.dx = rt ? frame + offsetof(struct rt_sigframe32, info) : 0,
		.cx = rt ? frame + offsetof(struct rt_sigframe32, uc) : 0,
		.orig_ax = regs->orig_ax,
		.ip = (uint32_t)act->handler,
		.cs = KAISER_USER32_CS,
		.flags = regs->flags & ~(uint64_t)(FLAG_DF | FLAG_RF | FLAG_TF),
		.sp = frame,
		.ss = KAISER_USER_DS,
	};
	irq = irq_save();
	segments_load_data(KAISER_USER_DS, KAISER_USER_DS);
	irq_restore(irq);
	fpu_reset();
	return 0;
}

/* ---- and back ---- */

static void context_restore(struct pt_regs *regs, const struct sigcontext32 *c)
{
	uint64_t irq;

	regs->di = c->di;
	regs->si = c->si;
	regs->bp = c->bp;
	regs->sp = c->sp;
	regs->bx = c->bx;
	regs->dx = c->dx;
	regs->cx = c->cx;
	regs->ax = c->ax;
	regs->ip = c->ip;
	regs->cs = c->cs | 3;
	regs->ss = c->ss | 3;
	regs->flags = (c->flags & FLAGS_FROM_USER) | (regs->flags & FLAG_ID) | FLAGS_ALWAYS;
	regs->orig_ax = UINT64_MAX; /* not a system call to restart any more */
	irq = irq_save();
	segments_load_data(c->ds, c->es);
	segments_load_fs_gs(c->fs, c->gs);
	irq_restore(irq);
}

/* The FPU first: it alone may fail late, and nothing must be half restored then. */
static long back(const struct sigcontext32 *c, sigset_t mask, const struct stack32 *st)
{
	struct pt_regs *regs = current->user_regs;

	if (ia32_fpu_from_user(c->fpstate) != 0)
		return -EFAULT;
	signal_set_blocked(mask);
	context_restore(regs, c);
	if (st) { /* as Linux: what cannot be put back stays */
		const struct user_stack us = {.sp = st->sp, .flags = st->flags, .size = st->size};

		altstack_restore(&us, regs->sp);
	}
	return 0;
}

static long refuse(void)
{
	current->user_regs->orig_ax = UINT64_MAX;
	signal_fault(SIGSEGV, SI_KERNEL, 0, NULL);
	return (long)current->user_regs->ax;
}

SYSCALL0(ia32_sigreturn)
{
	struct sigframe32 f;
	/* The handler's RET took pretcode, the stub's POP the number. */
	uint64_t frame = (uint32_t)current->user_regs->sp - 8;

	current->restart_fn = NULL;
	if (copy_from_user(&f, frame, offsetof(struct sigframe32, retcode)) != 0 ||
	    back(&f.sc, f.sc.oldmask | (uint64_t)f.extramask << 32, NULL) != 0)
		return refuse();
	return (long)current->user_regs->ax;
}

SYSCALL0(ia32_rt_sigreturn)
{
	struct rt_sigframe32 f;
	uint64_t frame = (uint32_t)current->user_regs->sp - 4;

	current->restart_fn = NULL;
	if (copy_from_user(&f, frame, offsetof(struct rt_sigframe32, retcode)) != 0 ||
	    back(&f.uc.mcontext, f.uc.sigmask[0] | (uint64_t)f.uc.sigmask[1] << 32, &f.uc.stack) !=
		    0)
		return refuse();
	return (long)current->user_regs->ax;
}
