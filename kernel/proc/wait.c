/* SPDX-License-Identifier: MIT */
/* wait4 and waitid. A child's news is looked for and taken under task_lock, in one step, so two
 * threads that wait never get the same. */
#include "ia32.h"
#include "proc.h"
#include "syscall.h"
#include "uaccess.h"

#define WNOHANG    0x00000001U
#define WUNTRACED  0x00000002U /* and WSTOPPED */
#define WEXITED    0x00000004U
#define WCONTINUED 0x00000008U
#define WNOWAIT    0x01000000U
#define WNOTHREAD  0x20000000U
#define WALL       0x40000000U
#define WCLONE     0x80000000U

enum { P_ALL, P_PID, P_PGID };

struct wanted {
	int type, id; /* P_* */
	unsigned options;
};

struct news {
	int pid, code, status; /* code: CLD_* */
	int wait_status;       /* as wait4 shows it */
	uint32_t uid;
	uint64_t utime_ns, stime_ns;
	struct process *dead; /* a child that was taken: its references are to be dropped */
	struct ptrace_news traced;
};

static bool matches(const struct process *c, const struct wanted *w)
{
	if (w->type == P_PID && c->pid != w->id)
		return false;
	if (w->type == P_PGID && c->pgid != w->id)
		return false;
	return w->options & WALL || (c->exit_signal != SIGCHLD) == !!(w->options & WCLONE);
}

static void fill(struct news *n, struct process *c, int wait_status)
{
	n->pid = c->pid;
	n->uid = c->cred.uid;
	n->wait_status = wait_status;
	process_times(c, &n->utime_ns, &n->stime_ns);
	n->utime_ns += c->child_utime_ns;
	n->stime_ns += c->child_stime_ns;
}

static void take_zombie(struct process *self, struct process *c, const struct wanted *w,
			struct news *n)
{
	int sig = c->exit_status & 0x7f;

	fill(n, c, c->exit_status);
	n->code = sig ? CLD_KILLED : CLD_EXITED;
	n->status = sig ? sig : c->exit_status >> 8 & 0xff;
	if (w->options & WNOWAIT)
		return;
	self->child_utime_ns += n->utime_ns;
	self->child_stime_ns += n->stime_ns;
	process_unlink_locked(c);
	n->dead = c;
}

/* True if there is news of c. task_lock held. */
static bool look(struct process *self, struct process *c, const struct wanted *w, struct news *n)
{
	bool found = false;

	if (c->zombie) {
		/* Its tracer comes first. */
		if (c->leader->ptrace.tracer && !ptrace_parent_traces_locked(c))
			return false;
		if (w->options & WEXITED)
			take_zombie(self, c, w, n);
		return w->options & WEXITED;
	}
	spin_lock(&c->siglock);
	if (c->stopped && c->stopped_report && w->options & WUNTRACED &&
	    !ptrace_parent_traces_locked(c)) {
		int status = c->exit_status;

		if (!(w->options & WNOWAIT))
			c->stopped_report = false;
		spin_unlock(&c->siglock);
		fill(n, c, status);
		n->code = CLD_STOPPED;
		n->status = status >> 8 & 0xff;
		return true;
	}
	if (c->continued_report && w->options & WCONTINUED) {
		if (!(w->options & WNOWAIT))
			c->continued_report = false;
		found = true;
	}
	spin_unlock(&c->siglock);
	if (found) {
		fill(n, c, 0xffff);
		n->code = CLD_CONTINUED;
		n->status = SIGCONT;
	}
	return found;
}

static bool matches_traced(const struct task *t, const struct wanted *w)
{
	if (w->type == P_PID)
		return t->tid == w->id;
	return w->type == P_ALL || t->proc->pgid == w->id;
}

/* As scan(), of what the thread traces. task_lock held. */
static int scan_traced(const struct task *tracer, const struct wanted *w, struct news *n)
{
	int r = -ECHILD;

	list_for_each_entry (t, &tracer->ptrace.tracees, struct task, ptrace.link) {
		int sig;

		if (!matches_traced(t, w))
			continue;
		r = 0;
		if (!ptrace_look_locked(t, w->options & WEXITED, w->options & WNOWAIT, &n->traced))
			continue;
		n->wait_status = n->traced.status;
		n->pid = t->tid;
		n->uid = t->proc->cred.uid;
		n->utime_ns = t->utime_ns;
		n->stime_ns = t->stime_ns;
		sig = n->wait_status & 0x7f;
		if (!n->traced.exited) {
			n->code = CLD_TRAPPED;
			n->status = n->wait_status >> 8;
		} else {
			n->code = sig ? CLD_KILLED : CLD_EXITED;
			n->status = sig ? sig : n->wait_status >> 8 & 0xff;
		}
		return 1;
	}
	return r;
}

/* 1: *n is filled. 0: there are such children, without news. -ECHILD. */
static int scan(const struct wanted *w, struct news *n)
{
	struct process *self = current->proc;
	uint64_t irq = spin_lock_irqsave(&task_lock);
	int r = -ECHILD;

	list_for_each_entry (c, &self->children, struct process, sibling) {
		if (!matches(c, w))
			continue;
		r = 0;
		if (look(self, c, w, n)) {
			r = 1;
			break;
		}
	}
	list_for_each_entry (t, &self->threads, struct task, thread_link) {
		if (r == 1)
			break;
		if (w->options & WNOTHREAD && t != current)
			continue;
		int traced = scan_traced(t, w, n);
		r = traced == -ECHILD ? r : traced;
	}
	spin_unlock_irqrestore(&task_lock, irq);
	ptrace_reap(&n->traced);
	if (r == 1 && n->dead) {
		task_put(n->dead->leader);
		process_put(n->dead);
	}
	return r;
}

static int wait_for(const struct wanted *w, struct news *n)
{
	struct process *self = current->proc;
	struct waiter waiter;
	int r;

	*n = (struct news){0};
	wait_begin(&self->child_wait, &waiter, true);
	while ((r = scan(w, n)) == 0 && !(w->options & WNOHANG)) {
		r = wait_sleep(0);
		if (r)
			break;
	}
	wait_end(&self->child_wait, &waiter);
	return r;
}

static int rusage_out(uint64_t va, const struct news *n)
{
	struct {
		struct k_timeval utime, stime;
		uint64_t rest[14]; /* not measured here */
	} ru = {{0, 0}, {0, 0}, {0}};

	if (!va)
		return 0;
	ru.utime.sec = (int64_t)(n->utime_ns / 1000000000);
	ru.utime.usec = (int64_t)(n->utime_ns % 1000000000 / 1000);
	ru.stime.sec = (int64_t)(n->stime_ns / 1000000000);
	ru.stime.usec = (int64_t)(n->stime_ns % 1000000000 / 1000);
	return longs_to_user(va, &ru.utime.sec, sizeof(ru) / sizeof(int64_t), in_ia32_call());
}

SYSCALL4(wait4, int, pid, uint64_t, status, unsigned, options, uint64_t, rusage)
{
	struct wanted w = {P_ALL, 0, options | WEXITED};
	struct news n;
	int r;

	if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WALL | WCLONE))
		return -EINVAL;
	if (pid == (int)0x80000000)
		return -ESRCH;
	if (pid > 0)
		w = (struct wanted){P_PID, pid, w.options};
	else if (pid < -1)
		w = (struct wanted){P_PGID, -pid, w.options};
	else if (pid == 0)
		w = (struct wanted){P_PGID, current->proc->pgid, w.options};
	r = wait_for(&w, &n);
	if (r <= 0)
		return r;
	if (status && copy_to_user(status, &n.wait_status, sizeof(n.wait_status)) != 0)
		return -EFAULT;
	if (rusage_out(rusage, &n) != 0)
		return -EFAULT;
	return n.pid;
}

/* The siginfo that waitid fills in: its first words, not all 128 bytes. */
static int waitid_info_out(uint64_t va, const struct news *n)
{
	int info[7] = {n->pid ? SIGCHLD : 0, 0, n->code, 0, n->pid, (int)n->uid, n->status};

	/* The fourth word is padding, which Linux leaves alone; 32-bit programs have none. */
	if (copy_to_user(va, info, 3 * sizeof(int)) != 0)
		return -EFAULT;
	return copy_to_user(va + (in_ia32_call() ? 3 : 4) * sizeof(int), info + 4, 3 * sizeof(int));
}

SYSCALL5(waitid, int, type, int, id, uint64_t, info, unsigned, options, uint64_t, rusage)
{
	struct wanted w = {type, id, options};
	struct news n;
	int r;

	if (options & ~(WNOHANG | WUNTRACED | WEXITED | WCONTINUED | WNOWAIT | WNOTHREAD | WALL |
			WCLONE) ||
	    !(options & (WEXITED | WUNTRACED | WCONTINUED)))
		return -EINVAL;
	switch (type) {
	case P_ALL:
		break;
	case P_PID:
		if (id <= 0)
			return -EINVAL;
		break;
	case P_PGID:
		if (id < 0)
			return -EINVAL;
		if (id == 0)
			w.id = current->proc->pgid;
		break;
	default:
		return -EINVAL;
	}
	r = wait_for(&w, &n);
	if (r < 0)
		return r;
	if (r > 0 && rusage_out(rusage, &n) != 0)
		return -EFAULT;
	if (info && waitid_info_out(info, &n) != 0)
		return -EFAULT;
	return 0;
}
