/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: a run queue per CPU, round robin.
 *
 * A slice is spent by ticks and kept over sleeps; who has spent it goes to the end with a new one.
 * A task that wakes up with some of it left goes to the front instead, behind others like it, and
 * takes the CPU from one that has less left: so who sleeps much answers fast, and nobody who only
 * pretends to sleep keeps the others waiting for longer than a slice.
 *
 * Nice values change the length of a slice: one tick at 19, 100 ms at -20. Who is nicer thus also
 * takes the CPU from the others less often when it wakes up.
 *
 * A queue's lock covers the tasks whose `cpu` names it, queued or not: their state is changed by
 * wakers, and their `cpu` by whoever moves them, with that lock held. schedule() keeps the lock
 * until the next task runs on its own stack (finish_switch()), so whoever holds it and sees a task
 * that is not `curr` knows that nobody is on its stack. A task with on_rq set that is neither
 * queued nor running is being carried from one queue to another by somebody; all others leave it
 * alone.
 */
#include "cpu.h"
#include "printk.h"
#include "ia32.h"
#include "proc.h"

#undef current /* here it is a field of struct cpu, read with interrupts off */

enum {
	SLICE_TICKS = HZ / 50,   /* 20 ms, at nice 0 */
	BALANCE_TICKS = HZ / 10, /* how often a busy CPU looks for a fair share */
};

struct rq {
	spinlock_t lock; /* irqs off */
	struct list queue;
	volatile unsigned nr; /* queued; the running one is not */
	unsigned id;
	struct task *volatile curr;
	struct task *idle;
	struct task *migrate; /* left by schedule() for finish_switch() to carry away */
	uint64_t switches;
};

static struct rq rqs[MAX_CPUS];
static uint64_t online HOT_DATA; /* atomic */

uint64_t sched_online(void)
{
	return __atomic_load_n(&online, __ATOMIC_ACQUIRE);
}

void sched_init_cpu(struct task *idle)
{
	struct cpu *c = this_cpu();
	struct rq *rq = &rqs[c->id];

	list_init(&rq->queue);
	list_init(&idle->run_link);
	list_init(&idle->thread_link);
	list_init(&idle->hash_link);
	list_init(&idle->timer_link);
	idle->refs = 1;
	idle->state = TASK_RUNNABLE;
	idle->on_cpu = idle->on_rq = true;
	idle->cpu = c->id;
	idle->affinity = BIT(c->id);
	rq->id = c->id;
	rq->idle = idle;
	rq->curr = idle;
	c->idle = idle;
	c->current = idle;
	c->sched = rq;
	sched_timers_init(c->id);
	__atomic_or_fetch(&online, BIT(c->id), __ATOMIC_RELEASE);
}

static struct rq *task_rq_lock(struct task *t)
{
	for (;;) {
		unsigned id = __atomic_load_n(&t->cpu, __ATOMIC_ACQUIRE);
		struct rq *rq = &rqs[id];

		spin_lock(&rq->lock);
		if (t->cpu == id)
			return rq;
		spin_unlock(&rq->lock);
	}
}

/* A fresh slice for t. */
static unsigned slice_of(const struct task *t)
{
	int nice = t->proc ? __atomic_load_n(&t->proc->nice, __ATOMIC_RELAXED) : 0;

	if (nice <= 0)
		return (unsigned)(SLICE_TICKS * (5 - nice) / 5);
	return MAX((unsigned)(SLICE_TICKS * (20 - nice) / 20), 1u);
}

static unsigned load(const struct rq *rq)
{
	return rq->nr + (rq->curr != rq->idle);
}

/* The least busy CPU that t may run on; the one it ran on last if that is as good. */
static unsigned select_cpu(const struct task *t)
{
	uint64_t allowed = t->affinity & sched_online();
	unsigned best = t->cpu, best_load = ~0u;

	if (!allowed)
		allowed = sched_online();
	if (allowed & BIT(best))
		best_load = load(&rqs[best]);
	for (uint64_t m = allowed; m && best_load > 0; m &= m - 1) {
		unsigned id = (unsigned)__builtin_ctzll(m), l = load(&rqs[id]);

		if (l < best_load) {
			best_load = l;
			best = id;
		}
	}
	return best;
}

static void resched(const struct rq *rq)
{
	cpus[rq->id]->need_resched = true;
	if (rq->id != this_cpu()->id)
		ipi_send(rq->id, VEC_RESCHED);
	else
		exit_work_set();
}

/* rq->lock held; t->cpu is rq's. */
static void enqueue(struct rq *rq, struct task *t)
{
	struct list *at = rq->queue.prev;

	if (t->woken) {
		at = &rq->queue;
		while (at->next != &rq->queue &&
		       container_of(at->next, struct task, run_link)->woken)
			at = at->next;
	}
	list_add(at, &t->run_link);
	rq->nr++;
	if (rq->curr == rq->idle || (t->woken && t->slice > rq->curr->slice))
		resched(rq);
}

static void dequeue(struct rq *rq, struct task *t)
{
	list_del(&t->run_link);
	t->woken = false;
	rq->nr--;
}

/* Puts t, on_rq but in no queue, where it fits best. rq is t's, locked; it is unlocked. */
static void place_and_unlock(struct rq *rq, struct task *t)
{
	struct rq *to = &rqs[select_cpu(t)];

	if (to == rq) {
		enqueue(rq, t);
		spin_unlock(&rq->lock);
		return;
	}
	__atomic_store_n(&t->cpu, to->id, __ATOMIC_RELEASE);
	spin_unlock(&rq->lock);
	spin_lock(&to->lock);
	enqueue(to, t);
	spin_unlock(&to->lock);
}

bool sched_wake_if(struct task *t, unsigned states)
{
	uint64_t irq = irq_save();
	struct rq *rq = task_rq_lock(t);

	if (!(BIT(__atomic_load_n(&t->state, __ATOMIC_SEQ_CST)) & states)) {
		spin_unlock(&rq->lock);
		irq_restore(irq);
		return false;
	}
	__atomic_store_n(&t->state, TASK_RUNNABLE, __ATOMIC_SEQ_CST);
	if (t->on_rq) {
		spin_unlock(&rq->lock); /* not asleep yet: schedule() will let it go on */
	} else {
		t->on_rq = true;
		t->woken = t->slice > 0;
		if (!t->woken)
			t->slice = slice_of(t);
		place_and_unlock(rq, t);
	}
	irq_restore(irq);
	return true;
}

bool sched_change_state(struct task *t, enum task_state from, enum task_state to)
{
	uint64_t irq = irq_save();
	struct rq *rq = task_rq_lock(t);
	bool was = t->state == from;

	if (was)
		__atomic_store_n(&t->state, to, __ATOMIC_SEQ_CST);
	spin_unlock(&rq->lock);
	irq_restore(irq);
	return was;
}

void sched_wait_off_cpu(const struct task *t)
{
	while (__atomic_load_n(&t->on_cpu, __ATOMIC_ACQUIRE))
		cpu_relax();
}

void sched_wake(struct task *t)
{
	sched_wake_if(t, BIT(TASK_SLEEPING) | BIT(TASK_SLEEPING_INTR) | BIT(TASK_STOPPED));
}

void sched_enqueue_new(struct task *t)
{
	uint64_t irq = irq_save();

	t->slice = slice_of(t);
	place_and_unlock(task_rq_lock(t), t);
	irq_restore(irq);
}

void sched_set_affinity(struct task *t, uint64_t mask)
{
	uint64_t irq = irq_save();
	struct rq *rq = task_rq_lock(t);

	t->affinity = mask;
	if (mask & BIT(rq->id) || !(mask & sched_online())) {
		spin_unlock(&rq->lock);
	} else if (rq->curr == t) {
		resched(rq);
		spin_unlock(&rq->lock);
	} else if (!list_empty(&t->run_link)) {
		dequeue(rq, t);
		place_and_unlock(rq, t);
	} else {
		spin_unlock(&rq->lock);
	}
	irq_restore(irq);
}

/* Brings one task here from the fullest queue that has at least `surplus` more than this one.
 * rq->lock, this CPU's, is held; the other's is only tried, so no order of locks is needed. */
static bool pull(struct rq *rq, unsigned surplus)
{
	struct rq *from = NULL;
	unsigned most = load(rq) + surplus;
	bool found = false;

	for (uint64_t m = sched_online() & ~BIT(rq->id); m; m &= m - 1) {
		struct rq *r = &rqs[__builtin_ctzll(m)];

		if (r->nr > 0 && load(r) >= most) {
			most = load(r) + 1;
			from = r;
		}
	}
	if (!from || !spin_trylock(&from->lock))
		return false;
	list_for_each_entry (t, &from->queue, struct task, run_link) {
		if (t->affinity & BIT(rq->id)) {
			dequeue(from, t);
			__atomic_store_n(&t->cpu, rq->id, __ATOMIC_RELEASE);
			list_add_tail(&rq->queue, &t->run_link);
			rq->nr++;
			found = true;
			break;
		}
	}
	spin_unlock(&from->lock);
	return found;
}

/* ---- the switch ------------------------------------------------------------------------- */

static void user_state_save(struct task *t)
{
	fpu_save(t);
	segments_save(t);
}

static void user_state_load(struct task *t)
{
	segments_load(t);
	fpu_load(t->fpu);
}

/* On the new task's stack: the old one is free to run elsewhere, or to go. Interrupts off. Never
 * inlined: nothing known about this CPU before the switch holds after it. */
static __attribute__((__noinline__)) void finish_switch(struct task *prev)
{
	struct rq *rq = this_cpu()->sched;
	bool dead = prev->state == TASK_DEAD;

	prev->on_cpu = false;
	if (rq->migrate) {
		rq->migrate = NULL;
		place_and_unlock(rq, prev);
		return;
	}
	spin_unlock(&rq->lock);
	if (dead) {
		task_release(prev);
		task_put(prev);
	}
}

void sched_first_run(struct task *prev)
{
	finish_switch(prev);
}

static void switch_to(struct rq *rq, struct task *prev, struct task *next)
{
	struct cpu *c = this_cpu();

	rq->switches++;
	rq->curr = next;
	next->on_cpu = true;
	c->current = next;
	if (prev->fpu && prev->state != TASK_DEAD)
		user_state_save(prev);
	mm_switch(next->mm);
	if (next->mm)
		ia32_tls_load(next);
	if (next->kstack)
		kaiser_set_kernel_stack(kstack_top(next->kstack));
	exit_work_switch(next->syscall_work != 0); /* signals may wait for it */
	if (next->fpu)
		user_state_load(next);
	ioports_switch(next);
	if ((prev->debugreg.dr7 | next->debugreg.dr7) & DR7_ENABLE_MASK)
		debugreg_load(&next->debugreg);
	finish_switch(switch_stacks(prev, next));
}

/* Takes the first task out of the queue, or is the idle task. */
static struct task *take_first(struct rq *rq)
{
	struct task *t = rq->idle;

	if (rq->nr > 0) {
		t = list_first(&rq->queue, struct task, run_link);
		dequeue(rq, t);
	}
	return t;
}

/* prev goes on wanting this CPU: it is queued, and who comes next is returned. */
static struct task *requeue(struct rq *rq, struct task *prev, bool preempted)
{
	struct task *next = NULL;

	if (prev->slice == 0) {
		prev->slice = slice_of(prev);
		preempted = false;
	}
	/* Who was only interrupted goes on right after. */
	if (preempted && rq->nr > 0)
		next = take_first(rq);
	if (next)
		list_add(&rq->queue, &prev->run_link);
	else
		list_add_tail(&rq->queue, &prev->run_link);
	rq->nr++;
	return next ? next : take_first(rq);
}

void schedule(void)
{
	uint64_t irq = irq_save();
	struct cpu *c = this_cpu();
	struct rq *rq = c->sched;
	struct task *prev = c->current, *next = NULL;
	bool preempted;

	spin_lock(&rq->lock);
	preempted = c->need_resched;
	c->need_resched = false;
	if (prev == rq->idle) {
		/* It is never queued. */
	} else if (__atomic_load_n(&prev->state, __ATOMIC_SEQ_CST) != TASK_RUNNABLE) {
		prev->on_rq = false;
	} else if (prev->affinity & BIT(rq->id) || !(prev->affinity & sched_online())) {
		next = requeue(rq, prev, preempted);
	} else {
		rq->migrate = prev;
	}
	/* load() still counts prev; what is worth pulling is whatever waits elsewhere. */
	if (!next && rq->nr == 0)
		pull(rq, 0);
	if (!next)
		next = take_first(rq);
	if (next == prev)
		spin_unlock(&rq->lock);
	else
		switch_to(rq, prev, next);
	irq_restore(irq);
}

noreturn void cpu_idle(void)
{
	struct cpu *c = this_cpu();
	struct rq *rq = c->sched;

	for (;;) {
		schedule(); /* brings work from other CPUs as well */
		irq_disable();
		/* STI takes effect after the HLT: an interrupt between the test and it ends it. */
		if (rq->nr == 0 && !c->need_resched)
			__asm__ volatile("sti; hlt" ::: "memory");
		irq_enable();
	}
}

/* ---- the tick --------------------------------------------------------------------------- */

void sched_tick(struct pt_regs *regs)
{
	struct cpu *c = this_cpu();
	struct rq *rq = c->sched;
	struct task *t = c->current;
	uint64_t now = clock_ns();

	if (!rq)
		return;
	if (kaiser_user_mode(regs)) {
		t->utime_ns += 1000000000 / HZ;
		if (t->proc->nice > 0)
			c->nice_ticks++;
		else
			c->user_ticks++;
	} else if (t != rq->idle) {
		t->stime_ns += 1000000000 / HZ;
		c->system_ticks++;
	}
	sched_timers_run(now);
	if (c->id == 0)
		itimer_check(now);
	if (t == rq->idle)
		return; /* cpu_idle() looks for itself */
	if (t->slice > 0)
		t->slice--;
	if (!(t->affinity & BIT(c->id)) && t->affinity & sched_online())
		c->need_resched = true;
	spin_lock(&rq->lock);
	if (rq->nr > 0) {
		const struct task *first = list_first(&rq->queue, struct task, run_link);

		if (t->slice == 0 || (first->woken && first->slice > t->slice))
			c->need_resched = true;
	}
	if (c->ticks % BALANCE_TICKS == c->id % BALANCE_TICKS && sched_online() != BIT(c->id))
		pull(rq, 2);
	spin_unlock(&rq->lock);
	if (c->need_resched)
		exit_work_set();
}

void sched_stats(struct sched_stats *st)
{
	*st = (struct sched_stats){0, 0};
	for (uint64_t m = sched_online(); m; m &= m - 1) {
		const struct rq *rq = &rqs[__builtin_ctzll(m)];

		st->switches += rq->switches;
		st->runnable += load(rq);
	}
}
