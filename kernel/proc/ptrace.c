/* SPDX-License-Identifier: MIT */
/*
 * ptrace(2), the tracer's side.
 *
 * Most requests need the traced task in a stop. It is frozen for their time: its state goes from
 * TASK_TRACED to TASK_FROZEN, which nobody else ends, and then we wait until it is off its CPU, so
 * that its registers are in struct task and its kernel stack stands still. Only the tracer's own
 * thread makes requests, so there are never two.
 */
#include "ia32.h"
#include "ptrace.h"
#include "syscall.h"
#include "uaccess.h"

/* ---- who may ---------------------------------------------------------------------------- */

/* Linux's rule without capabilities: root, or one whose real ids are all of the other's; and then
 * the other must be dumpable. */
static bool may_trace(const struct process *p)
{
	const struct cred *a = &current->proc->cred, *b = &p->cred;

	if (a->euid == 0)
		return true;
	return a->uid == b->uid && a->uid == b->euid && a->uid == b->suid && a->gid == b->gid &&
	       a->gid == b->egid && a->gid == b->sgid && !p->undumpable;
}

static long trace_me(void)
{
	struct task *t = current, *tracer = NULL;
	struct process *parent;
	uint64_t irq = spin_lock_irqsave(&task_lock);
	long err = -EPERM;

	parent = t->proc->parent;
	if (parent && !t->ptrace.tracer) {
		list_for_each_entry (each, &parent->threads, struct task, thread_link)
			if (!tracer || each->tid == t->proc->parent_tid)
				tracer = each;
		if (tracer) {
			ptrace_link_locked(t, tracer, 0, false);
			err = 0;
		}
	}
	spin_unlock_irqrestore(&task_lock, irq);
	return err;
}

/* From a group stop to one of the tracer's; and one that runs is made to stop. siglock held. */
static void first_stop_locked(struct task *t, bool seize)
{
	struct siginfo info = {.signo = SIGSTOP, .code = SI_KERNEL};

	if (!seize)
		sigqueue_add_locked(t->proc, t->pending, SIGSTOP, &info, false);
	if (t->proc->stopped)
		t->ptrace.due |= DUE_TRAP;
	signal_kick(t, true);
}

static long attach(struct task *t, bool seize, uint64_t options)
{
	struct task *self = current;
	uint64_t irq;
	long err = -EPERM;

	if (seize && options & ~(uint64_t)PTRACE_O_MASK)
		return -EIO;
	if (!t->proc || t->proc == self->proc || !may_trace(t->proc))
		return -EPERM;
	irq = spin_lock_irqsave(&task_lock);
	spin_lock(&t->proc->siglock);
	if (!list_empty(&t->thread_link) && !t->proc->exiting && !t->ptrace.tracer) {
		ptrace_link_locked(t, self, seize ? (unsigned)options : 0, seize);
		first_stop_locked(t, seize);
		err = 0;
	}
	spin_unlock(&t->proc->siglock);
	spin_unlock_irqrestore(&task_lock, irq);
	return err;
}

/* ---- freezing --------------------------------------------------------------------------- */

static bool traced_by_me(const struct task *t)
{
	uint64_t irq = spin_lock_irqsave(&task_lock);
	bool mine = t->ptrace.tracer == current;

	spin_unlock_irqrestore(&task_lock, irq);
	return mine;
}

static bool freeze(struct task *t)
{
	uint64_t irq = spin_lock_irqsave(&t->proc->siglock);
	bool frozen = t->ptrace.stopped && !t->ptrace.listening &&
		      sched_change_state(t, TASK_TRACED, TASK_FROZEN);

	spin_unlock_irqrestore(&t->proc->siglock, irq);
	if (frozen)
		sched_wait_off_cpu(t);
	return frozen;
}

static void thaw(struct task *t)
{
	uint64_t irq = spin_lock_irqsave(&t->proc->siglock);

	/* It looks for itself whether it is to die, and goes on sleeping if not. */
	if (sched_change_state(t, TASK_FROZEN, TASK_TRACED) && ptrace_doomed(t))
		sched_wake_if(t, BIT(TASK_TRACED));
	spin_unlock_irqrestore(&t->proc->siglock, irq);
}

/* ---- letting it go ------------------------------------------------------------------------- */

static long resume(struct task *t, long request, uint64_t signal)
{
	bool step = request == PTRACE_SINGLESTEP || request == PTRACE_SYSEMU_SINGLESTEP;
	unsigned work = 0;
	uint64_t irq;

	if (signal > NSIG)
		return -EIO;
	if (request == PTRACE_SYSCALL)
		work = SYSCALL_TRACE;
	else if (request == PTRACE_SYSEMU || request == PTRACE_SYSEMU_SINGLESTEP)
		work = SYSCALL_EMU;
	if (step) {
		ptrace_step_on(t);
		work |= SYSCALL_STEP;
	} else {
		ptrace_step_off(t);
	}
	irq = spin_lock_irqsave(&t->proc->siglock);
	t->syscall_work = work;
	t->ptrace.signal = (int)signal;
	t->ptrace.stopped = t->ptrace.report = false;
	sched_wake_if(t, BIT(TASK_FROZEN));
	spin_unlock_irqrestore(&t->proc->siglock, irq);
	return 0;
}

static long detach(struct task *t, uint64_t signal)
{
	uint64_t irq;

	if (signal > NSIG)
		return -EIO;
	irq = spin_lock_irqsave(&task_lock);
	ptrace_unlink_locked(t, (int)signal);
	spin_unlock_irqrestore(&task_lock, irq);
	return 0;
}

static long listen(struct task *t)
{
	const struct ptrace_state *ps = &t->ptrace;
	uint64_t irq;

	if (!ps->seized || ps->code >> 8 != PTRACE_EVENT_STOP)
		return -EIO;
	irq = spin_lock_irqsave(&t->proc->siglock);
	t->ptrace.listening = true;
	t->ptrace.report = false;
	sched_change_state(t, TASK_FROZEN, TASK_TRACED);
	/* What came while it stood here is news already. */
	if (ps->due & DUE_TRAP || ptrace_doomed(t))
		ptrace_end_listening_locked(t);
	spin_unlock_irqrestore(&t->proc->siglock, irq);
	return 0;
}

static long interrupt(struct task *t)
{
	uint64_t irq;

	if (!t->ptrace.seized)
		return -EIO;
	irq = spin_lock_irqsave(&t->proc->siglock);
	t->ptrace.due |= DUE_TRAP;
	ptrace_end_listening_locked(t);
	signal_kick(t, false);
	spin_unlock_irqrestore(&t->proc->siglock, irq);
	return 0;
}

/* ---- looking and changing ------------------------------------------------------------------ */

/* Words of its memory; breakpoints are written into code that is read-only to the program. */
static long peek(struct task *t, uint64_t addr, uint64_t to)
{
	uint64_t word = 0;

	if (!t->mm || mm_peek(t->mm, addr, &word, sizeof(word)) != sizeof(word))
		return -EIO;
	return copy_to_user(to, &word, sizeof(word));
}

static long poke(struct task *t, uint64_t addr, uint64_t word)
{
	if (!t->mm || mm_poke(t->mm, addr, &word, sizeof(word)) != sizeof(word))
		return -EIO;
	return 0;
}

static long peek_user(struct task *t, uint64_t offset, uint64_t to)
{
	uint64_t word;
	int err = ptrace_peek_user(t, offset, &word);

	return err ? err : copy_to_user(to, &word, sizeof(word));
}

static long get_siginfo(struct task *t, uint64_t to)
{
	if (!t->ptrace.have_info)
		return -EINVAL;
	return siginfo_to_user(to, &t->ptrace.info);
}

static long set_siginfo(struct task *t, uint64_t from)
{
	struct siginfo info;
	int err = siginfo_from_user(from, &info);

	if (err)
		return err;
	if (!t->ptrace.have_info)
		return -EINVAL;
	t->ptrace.info = info;
	return 0;
}

static long sigmask(struct task *t, uint64_t size, uint64_t va, bool set)
{
	sigset_t mask = t->blocked;
	uint64_t irq;

	if (size != sizeof(mask))
		return -EINVAL;
	if (!set)
		return copy_to_user(va, &mask, sizeof(mask));
	if (copy_from_user(&mask, va, sizeof(mask)) != 0)
		return -EFAULT;
	irq = spin_lock_irqsave(&t->proc->siglock);
	t->blocked = mask & ~(SIGMASK(SIGKILL) | SIGMASK(SIGSTOP));
	spin_unlock_irqrestore(&t->proc->siglock, irq);
	return 0;
}

static long set_options(struct task *t, uint64_t options)
{
	uint64_t irq;

	if (options & ~(uint64_t)PTRACE_O_MASK)
		return -EINVAL;
	irq = spin_lock_irqsave(&task_lock);
	t->ptrace.options = (unsigned)options;
	spin_unlock_irqrestore(&task_lock, irq);
	return 0;
}

/* One of its TLS entries. */
static long thread_area(struct task *t, uint64_t entry, uint64_t va, bool set)
{
	struct ia32_desc d;
	int err;

	if ((int)entry < 0)
		return -EIO;
	if (set)
		return copy_from_user(&d, va, sizeof(d)) ? -EFAULT
							 : ia32_tls_set(t, (uint32_t)entry, &d);
	err = ia32_tls_get(t, (uint32_t)entry, &d);
	return err ? err : copy_to_user(va, &d, sizeof(d));
}

/* t is frozen, and stays so. */
static long inspect(struct task *t, long request, uint64_t addr, uint64_t data)
{
	long r;

	if (in_ia32_call() && ia32_ptrace(t, request, addr, data, &r))
		return r;
	switch (request) {
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
		return peek(t, addr, data);
	case PTRACE_POKETEXT:
	case PTRACE_POKEDATA:
		return poke(t, addr, data);
	case PTRACE_PEEKUSER:
		return peek_user(t, addr, data);
	case PTRACE_POKEUSER:
		return ptrace_poke_user(t, addr, data);
	case PTRACE_GETREGS:
		return ptrace_get_regs(t, data);
	case PTRACE_SETREGS:
		return ptrace_set_regs(t, data);
	case PTRACE_GETFPREGS:
		return ptrace_get_fpregs(t, data);
	case PTRACE_SETFPREGS:
		return ptrace_set_fpregs(t, data);
	case PTRACE_GETREGSET:
	case PTRACE_SETREGSET:
		return ptrace_regset(t, addr, data, request == PTRACE_SETREGSET);
	case PTRACE_GET_THREAD_AREA:
	case PTRACE_SET_THREAD_AREA:
		return thread_area(t, addr, data, request == PTRACE_SET_THREAD_AREA);
	case PTRACE_SETOPTIONS:
		return set_options(t, data);
	case PTRACE_GETEVENTMSG:
		return copy_to_user(data, &t->ptrace.message, sizeof(t->ptrace.message));
	case PTRACE_GETSIGINFO:
		return get_siginfo(t, data);
	case PTRACE_SETSIGINFO:
		return set_siginfo(t, data);
	case PTRACE_GETSIGMASK:
	case PTRACE_SETSIGMASK:
		return sigmask(t, addr, data, request == PTRACE_SETSIGMASK);
	default:
		return -EIO;
	}
}

static long on_frozen(struct task *t, long request, uint64_t addr, uint64_t data)
{
	long r;

	switch (request) {
	case PTRACE_CONT:
	case PTRACE_SYSCALL:
	case PTRACE_SINGLESTEP:
	case PTRACE_SYSEMU:
	case PTRACE_SYSEMU_SINGLESTEP:
		r = resume(t, request, data);
		break;
	case PTRACE_DETACH:
		r = detach(t, data);
		break;
	case PTRACE_LISTEN:
		r = listen(t);
		break;
	default:
		r = inspect(t, request, addr, data);
	}
	thaw(t); /* if it is still frozen */
	return r;
}

SYSCALL4(ptrace, long, request, int, tid, uint64_t, addr, uint64_t, data)
{
	struct task *t;
	long r = -ESRCH;

	if (request == PTRACE_TRACEME)
		return trace_me();
	t = task_find(tid);
	if (!t)
		return -ESRCH;
	if (request == PTRACE_ATTACH)
		r = attach(t, false, 0);
	else if (request == PTRACE_SEIZE)
		r = addr ? -EIO : attach(t, true, data);
	else if (!traced_by_me(t))
		r = -ESRCH;
	else if (request == PTRACE_KILL)
		r = signal_send_thread(t, SIGKILL, NULL);
	else if (request == PTRACE_INTERRUPT)
		r = interrupt(t);
	else if (freeze(t))
		r = on_frozen(t, request, addr, data);
	task_put(t);
	return r;
}
