/* SPDX-License-Identifier: MIT */
/* What ps and top read: /proc/PID/{stat,statm,status,comm,limits}. */
#include "port.h"
#include "procfs.h"
#include "tty.h"
#include "../proc/proc.h"

typedef unsigned long long ull;

/* One moment of a process, taken under its locks. */
struct snapshot {
	char name[16], state;
	int pid, tid, ppid, tracer, pgid, sid, tty_nr, tpgid, nthreads, nice, exit_status;
	struct cred cred;
	sigset_t pending, shared, blocked, ignored, caught;
	uint64_t utime, stime, cutime, cstime, start_ns;
	unsigned cpu;
	/* Of its memory, 0 without: */
	uint64_t vsize, rss, data, stack, text, lib;
	const char *isolation; /* NULL without memory */
	uint64_t brk_start, stack_top, arg_start, arg_end, env_start, env_end;
};

static char state_letter(const struct task *t)
{
	if (t->proc->zombie)
		return 'Z';
	switch (t->state) {
	case TASK_RUNNABLE:
		return 'R';
	case TASK_SLEEPING:
		return 'D';
	case TASK_SLEEPING_INTR:
		return 'S';
	case TASK_TRACED:
	case TASK_FROZEN:
		return 't';
	case TASK_STOPPED:
		return 'T';
	case TASK_ZOMBIE:
		return 'Z';
	default:
		return 'X';
	}
}

static void snapshot_signals(struct snapshot *s, struct task *t)
{
	struct process *p = t->proc;
	uint64_t flags = spin_lock_irqsave(&p->siglock);
	s->pending = t->pending->set;
	s->shared = p->pending->set;
	s->blocked = t->blocked;
	for (int sig = 1; sig <= NSIG; sig++) {
		uint64_t h = p->actions[sig - 1].handler;
		if (h == SIG_IGN)
			s->ignored |= SIGMASK(sig);
		else if (h != SIG_DFL)
			s->caught |= SIGMASK(sig);
	}
	spin_unlock_irqrestore(&p->siglock, flags);
}

static void snapshot_memory(struct snapshot *s, struct task *t)
{
	struct mm *mm = task_get_mm(t);
	if (mm == NULL)
		return;
	mutex_lock(&mm->lock);
	s->rss = mm->rss_pages * PAGE_SIZE;
	s->isolation = port_isolation_word(mm);
	s->brk_start = mm->brk_start;
	s->stack_top = mm->stack_top;
	s->arg_start = mm->arg_start;
	s->arg_end = mm->arg_end;
	s->env_start = mm->env_start;
	s->env_end = mm->env_end;
	list_for_each_entry (v, &mm->areas, struct vma, link) {
		uint64_t n = v->end - v->start;
		s->vsize += n;
		if (strcmp(v->name, "[stack]") == 0)
			s->stack += n;
		else if (v->prot & PROT_EXEC)
			*(v->inode != NULL && v->inode != mm->exe ? &s->lib : &s->text) += n;
		else if ((v->prot & PROT_WRITE) && !(v->flags & MAP_SHARED))
			s->data += n;
	}
	mutex_unlock(&mm->lock);
	mm_put(mm);
}

static void snapshot(struct snapshot *s, struct task *t, bool memory)
{
	struct process *p = t->proc;
	memset(s, 0, sizeof(*s));
	uint64_t flags = spin_lock_irqsave(&task_lock);
	bool other = t != p->leader && t->thread_name[0] != '\0';
	strlcpy(s->name, other ? t->thread_name : p->name, sizeof(s->name));
	s->state = state_letter(t);
	s->pid = p->pid;
	s->tid = t->tid;
	/* Once reaped it has no place in the tree any more. */
	bool reaped = list_empty(&t->hash_link);
	s->ppid = p->parent != NULL && !reaped ? p->parent->pid : 0;
	s->pgid = p->pgid;
	s->sid = p->sid;
	s->tty_nr = p->tty != NULL ? RDEV_TTYS0 : 0;
	s->tpgid = p->tty != NULL ? p->tty->pgrp : -1;
	s->nthreads = (int)p->nthreads;
	s->tracer = t->ptrace.tracer != NULL ? t->ptrace.tracer->tid : 0;
	s->nice = p->nice;
	s->exit_status = p->exit_status;
	s->cred = p->cred;
	s->cutime = p->child_utime_ns;
	s->cstime = p->child_stime_ns;
	s->start_ns = t->start_ns;
	s->cpu = t->cpu;
	spin_unlock_irqrestore(&task_lock, flags);
	process_times(p, &s->utime, &s->stime);
	snapshot_signals(s, t);
	if (memory)
		snapshot_memory(s, t);
}

int procfs_pid_stat(struct seq *out, struct task *t)
{
	struct snapshot s;
	snapshot(&s, t, true);
	seq_printf(out, "%d (%s) %c %d %d %d %d %d 0 0 0 0 0 ", s.tid, s.name, s.state, s.ppid,
		   s.pgid, s.sid, s.tty_nr, s.tpgid);
	seq_printf(out, "%llu %llu %llu %llu %d %d %d 0 %llu ", (ull)ns_to_ticks(s.utime),
		   (ull)ns_to_ticks(s.stime), (ull)ns_to_ticks(s.cutime),
		   (ull)ns_to_ticks(s.cstime), 20 + s.nice, s.nice, s.nthreads,
		   (ull)ns_to_ticks(s.start_ns));
	/* Neither code bounds nor the stack pointer: Linux hides these from most readers as well.
	 */
	seq_printf(out, "%llu %llu 18446744073709551615 1 1 0 0 0 ", (ull)s.vsize,
		   (ull)(s.rss / PAGE_SIZE));
	seq_printf(out, "%llu %llu %llu %llu 0 0 0 %d %u 0 0 0 0 0 0 0 %llu %llu %llu %llu %llu ",
		   (ull)(s.pending & 0x7fffffff), (ull)(s.blocked & 0x7fffffff),
		   (ull)(s.ignored & 0x7fffffff), (ull)(s.caught & 0x7fffffff), SIGCHLD, s.cpu,
		   (ull)s.brk_start, (ull)s.arg_start, (ull)s.arg_end, (ull)s.env_start,
		   (ull)s.env_end);
	seq_printf(out, "%d\n", s.exit_status);
	return 0;
}

int procfs_pid_statm(struct seq *out, struct task *t)
{
	struct snapshot s;
	snapshot(&s, t, true);
	seq_printf(out, "%llu %llu 0 %llu 0 %llu 0\n", (ull)(s.vsize / PAGE_SIZE),
		   (ull)(s.rss / PAGE_SIZE), (ull)(s.text / PAGE_SIZE),
		   (ull)((s.data + s.stack) / PAGE_SIZE));
	return 0;
}

static const char *state_word(char c)
{
	switch (c) {
	case 'R':
		return "running";
	case 'S':
		return "sleeping";
	case 'D':
		return "disk sleep";
	case 'T':
		return "stopped";
	case 't':
		return "tracing stop";
	case 'Z':
		return "zombie";
	default:
		return "dead";
	}
}

int procfs_pid_status(struct seq *out, struct task *t)
{
	struct snapshot s;
	snapshot(&s, t, true);
	const struct cred *c = &s.cred;
	seq_printf(out, "Name:\t%s\nState:\t%c (%s)\n", s.name, s.state, state_word(s.state));
	seq_printf(out, "Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n", s.pid, s.tid,
		   s.ppid, s.tracer);
	/* The file system's ids follow the effective ones. */
	seq_printf(out, "Uid:\t%u\t%u\t%u\t%u\n", c->uid, c->euid, c->suid, c->euid);
	seq_printf(out, "Gid:\t%u\t%u\t%u\t%u\n", c->gid, c->egid, c->sgid, c->egid);
	seq_printf(out, "FDSize:\t%d\nGroups:\t", NOFILE);
	for (uint32_t i = 0; i < c->ngroups && i < NGROUPS; i++)
		seq_printf(out, "%u ", c->groups[i]);
	seq_printf(out, "\n");
	if (s.vsize != 0) {
		seq_printf(out, "VmSize:\t%8llu kB\nVmRSS:\t%8llu kB\nVmData:\t%8llu kB\n",
			   (ull)s.vsize / 1024, (ull)s.rss / 1024, (ull)s.data / 1024);
		seq_printf(out, "VmStk:\t%8llu kB\nVmExe:\t%8llu kB\nVmLib:\t%8llu kB\n",
			   (ull)s.stack / 1024, (ull)s.text / 1024, (ull)s.lib / 1024);
		seq_printf(out, "VmSwap:\t       0 kB\n");
	}
	seq_printf(out, "Threads:\t%d\n", s.nthreads);
	seq_printf(out, "SigQ:\t%llu/%llu\n", (ull)t->proc->nqueued, (ull)t->proc->rlim_sigpending);
	seq_printf(out, "SigPnd:\t%016llx\nShdPnd:\t%016llx\n", (ull)s.pending, (ull)s.shared);
	seq_printf(out, "SigBlk:\t%016llx\nSigIgn:\t%016llx\nSigCgt:\t%016llx\n", (ull)s.blocked,
		   (ull)s.ignored, (ull)s.caught);
	seq_printf(out, "NoNewPrivs:\t%d\n", c->no_new_privs);
	if (s.isolation != NULL)
		seq_printf(out, "Kaiser:\t%s\n", s.isolation);
	return 0;
}

int procfs_pid_comm(struct seq *out, struct task *t)
{
	struct snapshot s;
	snapshot(&s, t, false);
	seq_printf(out, "%s\n", s.name);
	return 0;
}

static void limit(struct seq *out, const char *name, uint64_t soft, uint64_t hard, const char *unit)
{
	char text[2][24];
	const uint64_t v[2] = {soft, hard};
	for (int i = 0; i < 2; i++) {
		if (v[i] == UINT64_MAX)
			strlcpy(text[i], "unlimited", sizeof(text[i]));
		else
			snprintf(text[i], sizeof(text[i]), "%llu", (ull)v[i]);
	}
	seq_printf(out, "%-25s %-20s %-20s %-10s\n", name, text[0], text[1], unit);
}

int procfs_pid_limits(struct seq *out, struct task *t)
{
	const struct process *p = t->proc;
	seq_printf(out, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	const uint64_t none = UINT64_MAX;
	limit(out, "Max cpu time", none, none, "seconds");
	limit(out, "Max file size", none, none, "bytes");
	limit(out, "Max data size", none, none, "bytes");
	limit(out, "Max stack size", p->rlim_stack, p->hard_stack != 0 ? p->hard_stack : none,
	      "bytes");
	limit(out, "Max core file size", 0, 0, "bytes");
	limit(out, "Max resident set", none, none, "bytes");
	limit(out, "Max processes", p->rlim_nproc, p->hard_nproc, "processes");
	limit(out, "Max open files", p->rlim_nofile, p->hard_nofile != 0 ? p->hard_nofile : NOFILE,
	      "files");
	limit(out, "Max locked memory", none, none, "bytes");
	limit(out, "Max address space", none, none, "bytes");
	limit(out, "Max file locks", none, none, "locks");
	limit(out, "Max pending signals", p->rlim_sigpending, p->hard_sigpending, "signals");
	limit(out, "Max msgqueue size", none, none, "bytes");
	limit(out, "Max nice priority", 0, 0, "");
	limit(out, "Max realtime priority", 0, 0, "");
	limit(out, "Max realtime timeout", none, none, "us");
	return 0;
}
