/* SPDX-License-Identifier: MIT */
/*
 * Tasks and processes: their memory, their numbers, the tree.
 *
 * References. A task: one of the scheduler, dropped when it has left its stack for good; one of
 * its number in the hash, dropped when a thread exits, or for the leader when the process is reaped
 * (kill() finds a zombie); and those of look-ups. A process: one of each task, one of the tree. So
 * a zombie may be reaped while its last thread is still on its way off the CPU.
 */
#include "kmap.h"
#include "printk.h"
#include "proc.h"
#include "slab.h"
#include "vfs.h"

enum { TID_WRAP = 300, TASKS_MAX = 30000, HASH_SIZE = 256 };
enum { PAGES_PER_TASK = 64, NPROC_LEAST = 32 };

spinlock_t task_lock HOT_WRITTEN = SPINLOCK_INIT;
struct list process_list = LIST_INIT(process_list);
struct process *init_process;

static struct list tid_hash[HASH_SIZE];
static int tid_last = 1; /* 1 is init's own */
static bool tid_wrapped;
static unsigned ntasks; /* hashed */

/* A user's tasks, unless somebody says otherwise: what they take of the kernel's memory, without
 * their own, must leave most of it. */
static uint64_t nproc_default(void)
{
	struct page_stats st;

	page_stats(&st);
	return MIN(MAX(st.total / PAGES_PER_TASK, NPROC_LEAST), TASKS_MAX / 2);
}

void task_init(void)
{
	for (unsigned i = 0; i < HASH_SIZE; i++)
		list_init(&tid_hash[i]);
	ioports_init();
}

/* ---- numbers ---------------------------------------------------------------------------- */

static struct task *find_locked(int tid)
{
	if (tid <= 0)
		return NULL;
	list_for_each_entry (t, &tid_hash[(unsigned)tid % HASH_SIZE], struct task, hash_link) {
		if (t->tid == tid)
			return t;
	}
	return NULL;
}

/* A dead leader's number lives on as its group's or session's. */
static bool tid_in_use(int tid)
{
	if (find_locked(tid))
		return true;
	list_for_each_entry (p, &process_list, struct process, all) {
		if (p->pid == tid || p->pgid == tid || p->sid == tid)
			return true;
	}
	return false;
}

int tid_alloc_locked(void)
{
	if (ntasks >= TASKS_MAX)
		return -EAGAIN;
	for (;;) {
		if (++tid_last >= TID_MAX) {
			tid_last = TID_WRAP;
			tid_wrapped = true;
		}
		if (!tid_wrapped || !tid_in_use(tid_last))
			return tid_last;
	}
}

bool user_is_full_locked(const struct process *maker)
{
	const struct cred *c = &maker->cred;
	uint64_t n = 0;

	if (c->uid == 0 || c->euid == 0)
		return false;
	list_for_each_entry (p, &process_list, struct process, all) {
		if (p->cred.uid == c->uid)
			n += MAX(p->nthreads, 1u); /* one that nobody waited for counts */
		if (n >= maker->rlim_nproc)
			return true;
	}
	return false;
}

void tid_hash_locked(struct task *t)
{
	list_add(&tid_hash[(unsigned)t->tid % HASH_SIZE], &t->hash_link);
	ntasks++;
}

void tid_unhash_locked(struct task *t)
{
	list_del(&t->hash_link);
	ntasks--;
}

struct task *task_find(int tid)
{
	uint64_t irq = spin_lock_irqsave(&task_lock);
	struct task *t = find_locked(tid);

	if (t)
		task_get(t);
	spin_unlock_irqrestore(&task_lock, irq);
	return t;
}

struct process *process_find_locked(int pid)
{
	struct task *t = find_locked(pid);

	return t && t->proc && t->proc->pid == pid ? t->proc : NULL;
}

/* ---- tasks ------------------------------------------------------------------------------ */

struct task *task_alloc(bool user)
{
	struct task *t = kzalloc(sizeof(*t));
	uint64_t *sp;

	if (!t)
		return NULL;
	list_init(&t->run_link);
	list_init(&t->thread_link);
	list_init(&t->hash_link);
	list_init(&t->timer_link);
	list_init(&t->ptrace.link);
	list_init(&t->ptrace.tracees);
	t->refs = 1;
	/* On its way to a queue, which sched_enqueue_new() ends: nobody may wake it before. */
	t->state = TASK_RUNNABLE;
	t->on_rq = true;
	t->affinity = ~UINT64_C(0);
	t->cpu = this_cpu()->id;
	t->start_ns = clock_ns();
	t->kstack = kstack_alloc(KSTACK_PAGES);
	if (user) {
		t->fpu = fpu_alloc();
		t->pending = kzalloc(sizeof(*t->pending));
	}
	if (!t->kstack || (user && (!t->fpu || !t->pending))) {
		task_put(t);
		return NULL;
	}
	/* The stack may be a used one: its old contents must not reach the new task's frame. */
	memset((char *)t->kstack + KSTACK_PAGES * PAGE_SIZE - 512, 0, 512);
	t->user_regs = kaiser_user_frame(kstack_top(t->kstack));
	sp = (uint64_t *)ALIGN_DOWN((uint64_t)t->user_regs, 16);
	*--sp = 0;
	*--sp = 0;
	*--sp = (uint64_t)task_entry; /* returned to with the stack 16-byte aligned */
	for (int i = 0; i < 6; i++)
		*--sp = 0;
	t->kernel_sp = (uint64_t)sp;
	return t;
}

void task_head_update(struct task *t)
{
	const struct process *p = t->proc, *parent = p->parent;

	struct task_head *h = task_head(t);

	h->tid = t->tid;
	h->pid = p->pid;
	h->ppid = parent ? parent->pid : 0;
}

void task_release(struct task *t)
{
	if (t->kstack)
		kstack_free(t->kstack, KSTACK_PAGES);
	t->kstack = NULL;
	t->user_regs = NULL;
	if (t->fpu)
		fpu_free(t->fpu);
	t->fpu = NULL;
	ioports_exit(t);
}

void task_get(struct task *t)
{
	__atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
}

void task_put(struct task *t)
{
	int left = __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL);

	kassert(left >= 0);
	if (left > 0)
		return;
	task_release(t);
	kfree(t->pending);
	if (t->proc)
		process_put(t->proc);
	kfree(t);
}

struct mm *task_get_mm(struct task *t)
{
	uint64_t irq = spin_lock_irqsave(&task_lock);
	struct mm *mm = t->mm;

	if (mm)
		mm_get(mm);
	spin_unlock_irqrestore(&task_lock, irq);
	return mm;
}

/* ---- processes -------------------------------------------------------------------------- */

struct process *process_alloc(void)
{
	struct process *p = kzalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->pending = kzalloc(sizeof(*p->pending));
	if (!p->pending) {
		kfree(p);
		return NULL;
	}
	p->refs = 1;
	p->exit_signal = SIGCHLD;
	p->rlim_stack = UINT64_C(8) << 20;
	p->rlim_nofile = NOFILE;
	p->rlim_sigpending = p->hard_sigpending = SIGPENDING_MAX;
	p->rlim_nproc = p->hard_nproc = nproc_default();
	list_init(&p->children);
	list_init(&p->sibling);
	list_init(&p->threads);
	list_init(&p->all);
	waitq_init(&p->child_wait);
	waitq_init(&p->thread_wait);
	return p;
}

void process_get(struct process *p)
{
	__atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
}

void process_put(struct process *p)
{
	int left = __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL);

	kassert(left >= 0);
	if (left > 0)
		return;
	kfree(p->pending);
	kfree(p);
}

void process_add_thread_locked(struct process *p, struct task *t)
{
	process_get(p);
	t->proc = p;
	list_add_tail(&p->threads, &t->thread_link);
	p->nthreads++;
}

void process_unlink_locked(struct process *p)
{
	list_del(&p->sibling);
	list_del(&p->all);
	ptrace_unlink_locked(p->leader, 0);
	tid_unhash_locked(p->leader);
}
