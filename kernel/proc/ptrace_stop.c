/* SPDX-License-Identifier: MIT */
/*
 * ptrace, the traced task's side: where it stops and how it goes on.
 *
 * A stop is made by the task itself, at points where it holds no lock and its registers are all in
 * its frame and, once it is off the CPU, in struct task: on the way to user mode, around a system
 * call, and inside the few calls that have events. It says so under the locks, tells its tracer and
 * sleeps as TASK_TRACED. Only the tracer and death wake it. While the tracer works on it the state
 * is TASK_FROZEN, from which not even death does: its registers and its kernel stack are looked at
 * then. Both changes of state are made with the siglock held, and so is the task's own, so neither
 * is lost.
 */
#include "ptrace.h"

bool ptrace_doomed(const struct task *t)
{
	return t->ptrace.leaving ? t->pending->set & SIGMASK(SIGKILL) : task_dying(t);
}

static struct siginfo info_of(int signo, int code)
{
	const struct task *t = current;

	return (struct siginfo){
		.signo = signo, .code = code, .pid = t->tid, .uid = t->proc->cred.uid};
}

struct stop {
	int code; /* as in ptrace_state */
	int why;  /* CLD_* */
	uint64_t message;
	const struct siginfo *info; /* NULL: none, GETSIGINFO fails */
	bool leaving;               /* on the way out of the process */
	bool group;                 /* only while the process is stopped */
};

/* Says that the current task stopped. False: nobody traces it, or it is to die. */
static bool begin(struct task *t, const struct stop *s)
{
	struct ptrace_state *ps = &t->ptrace;
	uint64_t irq = spin_lock_irqsave(&task_lock);
	bool stops;

	spin_lock(&t->proc->siglock);
	ps->leaving = s->leaving;
	stops = ps->tracer && !ptrace_doomed(t) && (!s->group || t->proc->stopped);
	if (stops) {
		ps->stopped = ps->report = true;
		ps->listening = false;
		ps->code = s->code;
		ps->message = s->message;
		ps->have_info = s->info != NULL;
		if (s->info)
			ps->info = *s->info;
		t->state = TASK_TRACED;
	}
	spin_unlock(&t->proc->siglock);
	if (stops)
		ptrace_tell_locked(t, s->why, s->code & 0x7f);
	spin_unlock_irqrestore(&task_lock, irq);
	return stops;
}

/* Stops until the tracer lets the task go; ptrace.signal is what that left. */
static void stop(const struct stop *s)
{
	struct task *t = current;
	struct ptrace_state *ps = &t->ptrace;
	bool stay = begin(t, s);

	while (stay) {
		uint64_t irq = spin_lock_irqsave(&t->proc->siglock);

		stay = t->state == TASK_FROZEN || (ps->stopped && !ptrace_doomed(t));
		if (!stay) {
			ps->stopped = ps->listening = ps->report = false;
			t->state = TASK_RUNNABLE;
		} else if (t->state == TASK_RUNNABLE) {
			t->state = TASK_TRACED;
		}
		spin_unlock_irqrestore(&t->proc->siglock, irq);
		if (stay)
			schedule();
	}
}

int ptrace_signal(int sig, struct siginfo *info)
{
	struct task *t = current;
	struct process *p = t->proc;
	struct ptrace_state *ps = &t->ptrace;
	uint64_t irq;

	ps->signal = sig; /* if nobody stops it after all */
	ps->info = *info;
	stop(&(struct stop){.code = sig, .why = CLD_TRAPPED, .info = info});
	if (ps->signal == sig)
		*info = ps->info; /* PTRACE_SETSIGINFO */
	else if (ps->signal)
		*info = info_of(ps->signal, SI_USER);
	info->signo = ps->signal;
	if (!ps->signal)
		return 0;
	irq = spin_lock_irqsave(&p->siglock);
	if (ps->signal != SIGKILL && t->blocked & SIGMASK(ps->signal)) {
		sigqueue_add_locked(p, t->pending, ps->signal, info, false);
		ps->signal = 0;
	}
	spin_unlock_irqrestore(&p->siglock, irq);
	return ps->signal;
}

/* ---- stops without a signal --------------------------------------------------------------- */

static void trap(struct task *t)
{
	struct process *p = t->proc;
	uint64_t irq = spin_lock_irqsave(&p->siglock);
	int sig = p->stopped ? p->exit_status >> 8 & 0x7f : SIGTRAP;
	int code = t->ptrace.seized ? sig | PTRACE_EVENT_STOP << 8 : sig;
	struct siginfo info = info_of(sig, code);

	t->ptrace.due &= ~(unsigned)DUE_TRAP;
	spin_unlock_irqrestore(&p->siglock, irq);
	t->ptrace.signal = 0;
	/* Only a seized task has traps other than group stops. */
	stop(&(struct stop){.code = code,
			    .why = CLD_STOPPED,
			    .info = t->ptrace.seized ? &info : NULL,
			    .group = !t->ptrace.seized});
}

static void syscall_stop(uint64_t message)
{
	struct task *t = current;
	struct ptrace_state *ps = &t->ptrace;
	int code = ps->options & PTRACE_O_TRACESYSGOOD ? SIGTRAP | 0x80 : SIGTRAP;
	struct siginfo info = info_of(SIGTRAP, code);

	ps->signal = 0;
	stop(&(struct stop){.code = code, .why = CLD_TRAPPED, .info = &info, .message = message});
	if (ps->signal)
		signal_send_thread(t, ps->signal, NULL);
}

void ptrace_traps(void)
{
	struct task *t = current;

	while (t->ptrace.due && !task_dying(t)) {
		if (t->ptrace.due & DUE_EXIT) {
			t->ptrace.due &= ~(unsigned)DUE_EXIT;
			syscall_stop(SYSCALL_EXIT_MESSAGE);
		}
		if (t->ptrace.due & DUE_TRAP)
			trap(t);
	}
}

void ptrace_syscall(struct pt_regs *regs, void (*call)(struct pt_regs *regs))
{
	struct task *t = current;
	bool emulated = t->syscall_work & SYSCALL_EMU;

	t->ptrace.traced_call = true;
	if (t->syscall_work & (SYSCALL_TRACE | SYSCALL_EMU))
		syscall_stop(SYSCALL_ENTRY_MESSAGE);
	/* The tracer may have changed the number; -1 means no call, its result as the tracer left
	 * it. */
	if (!emulated && !task_dying(t) && (int32_t)regs->orig_ax != -1)
		call(regs);
	t->ptrace.traced_call = false;
	if (t->syscall_work & SYSCALL_EMU)
		return;
	if (t->syscall_work & SYSCALL_STEP)
		signal_fault(SIGTRAP, TRAP_BRKPT, regs->ip, NULL);
	else if (t->syscall_work & SYSCALL_TRACE)
		syscall_stop(SYSCALL_EXIT_MESSAGE);
}

bool ptrace_step_hide(struct pt_regs *regs)
{
	struct ptrace_state *ps = &current->ptrace;
	bool stepped = ps->step;

	if (ps->forced_tf)
		regs->flags &= ~FLAGS_TF;
	ps->forced_tf = ps->step = false;
	current->syscall_work &= ~(unsigned)SYSCALL_STEP;
	return stepped;
}

void ptrace_step_handler(void)
{
	struct siginfo info = info_of(SIGTRAP, SIGTRAP);

	current->ptrace.signal = 0;
	stop(&(struct stop){.code = SIGTRAP, .why = CLD_TRAPPED, .info = &info});
}

/* ---- events ----------------------------------------------------------------------------- */

static bool wants(const struct task *t, int event)
{
	return t->ptrace.tracer && t->ptrace.options & 1U << event;
}

static void report(int event, uint64_t message)
{
	struct task *t = current;
	struct ptrace_state *ps = &t->ptrace;
	int code = SIGTRAP | event << 8;
	struct siginfo info = info_of(SIGTRAP, code);

	ps->signal = 0;
	stop(&(struct stop){.code = code,
			    .why = CLD_TRAPPED,
			    .info = &info,
			    .message = message,
			    .leaving = event == PTRACE_EVENT_EXIT});
	/* Let go by PTRACE_SYSCALL in a call whose entry was not seen: its exit is wanted. */
	if (t->syscall_work & SYSCALL_TRACE && !ps->traced_call)
		ps->due |= DUE_EXIT;
	if (ps->due)
		exit_work_set();
}

int ptrace_fork_locked(struct task *t, uint64_t clone_flags)
{
	enum { CSIGNAL = 0xff, CLONE_PTRACE = 0x2000, CLONE_VFORK = 0x4000 };
	const uint64_t untraced = 0x800000;
	const struct ptrace_state *ps = &current->ptrace;
	int event = PTRACE_EVENT_FORK;

	if (!ps->tracer)
		return 0;
	if (clone_flags & CLONE_VFORK)
		event = PTRACE_EVENT_VFORK;
	else if ((clone_flags & CSIGNAL) != (uint64_t)SIGCHLD)
		event = PTRACE_EVENT_CLONE;
	if (clone_flags & untraced || !wants(current, event))
		event = 0;
	if (!event && !(clone_flags & CLONE_PTRACE))
		return 0;
	ptrace_link_locked(t, ps->tracer, ps->options, ps->seized);
	if (ps->seized) {
		t->ptrace.due |= DUE_TRAP;
	} else {
		t->pending->info[SIGSTOP - 1] = (struct siginfo){.signo = SIGSTOP, .code = SI_USER};
		t->pending->set |= SIGMASK(SIGSTOP);
	}
	return event;
}

void ptrace_fork_report(int event, int child)
{
	report(event, (uint64_t)child);
}

void ptrace_vfork_done(int child)
{
	if (wants(current, PTRACE_EVENT_VFORK_DONE))
		report(PTRACE_EVENT_VFORK_DONE, (uint64_t)child);
}

void ptrace_exec(int old_tid)
{
	struct task *t = current;
	struct siginfo info;

	if (!t->ptrace.tracer)
		return;
	if (wants(t, PTRACE_EVENT_EXEC)) {
		report(PTRACE_EVENT_EXEC, (uint64_t)old_tid);
	} else if (!t->ptrace.seized) {
		info = info_of(SIGTRAP, SI_USER);
		signal_send_thread(t, SIGTRAP, &info);
	}
}

void ptrace_exit(int status)
{
	struct task *t = current;
	uint64_t irq;

	if (!wants(t, PTRACE_EVENT_EXIT))
		return;
	irq = spin_lock_irqsave(&t->proc->siglock);
	t->pending->set &= ~SIGMASK(SIGKILL); /* it has done its work; another one ends the stop */
	spin_unlock_irqrestore(&t->proc->siglock, irq);
	report(PTRACE_EVENT_EXIT, (uint64_t)status);
}

/* ---- job control ------------------------------------------------------------------------ */

void ptrace_group_stop_locked(struct process *p)
{
	list_for_each_entry (t, &p->threads, struct task, thread_link)
		if (t->ptrace.tracer)
			t->ptrace.due |= DUE_TRAP;
}

void ptrace_end_listening_locked(struct task *t)
{
	if (!t->ptrace.listening)
		return;
	t->ptrace.stopped = t->ptrace.listening = false;
	sched_wake_if(t, BIT(TASK_TRACED));
}

void ptrace_group_cont_locked(struct process *p)
{
	list_for_each_entry (t, &p->threads, struct task, thread_link) {
		if (t->ptrace.seized) {
			t->ptrace.due |= DUE_TRAP;
			ptrace_end_listening_locked(t);
			signal_kick(t, false);
		} else {
			t->ptrace.due &= ~(unsigned)DUE_TRAP;
		}
	}
}

void ptrace_kill_leaving_locked(struct process *p)
{
	list_for_each_entry (t, &p->threads, struct task, thread_link) {
		if (!t->ptrace.tracer)
			continue;
		t->pending->set |= SIGMASK(SIGKILL);
		signal_kick(t, true);
	}
}
