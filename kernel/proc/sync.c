/* SPDX-License-Identifier: MIT */
/*
 * Wait queues and mutexes.
 *
 * A sleeper first says that it sleeps (task.state), then looks at its condition; a waker first
 * makes the condition true, then looks at the state. Both steps have a full barrier between them,
 * so one of the two sees the other: sched_wake() turns the state back to runnable, and schedule()
 * does not take a runnable task off its CPU.
 *
 * The waker does not look at states, nor take the queue's lock, if the queue is empty. That is the
 * same argument: a sleeper is in the queue before it marks itself, with a full barrier behind it.
 * The queue must live as long as anybody may change what is waited for, lock or no lock.
 *
 * Waits nest: a condition may itself sleep on a mutex or in a page fault. The inner wait leaves the
 * state runnable, so the outer one merely looks once more.
 */
#include "proc.h"
#include "printk.h"

#define WAKEABLE (BIT(TASK_SLEEPING) | BIT(TASK_SLEEPING_INTR))

void waitq_init(struct waitq *q)
{
	q->lock = (spinlock_t)SPINLOCK_INIT;
	list_init(&q->waiters);
}

void wake_all_waiters(struct waitq *q)
{
	uint64_t irq = spin_lock_irqsave(&q->lock);

	list_for_each_entry (w, &q->waiters, struct waiter, link)
		sched_wake_if(w->task, WAKEABLE);
	spin_unlock_irqrestore(&q->lock, irq);
}

static void mark_sleeping(struct task *t)
{
	enum task_state s = t->wait_intr ? TASK_SLEEPING_INTR : TASK_SLEEPING;

	__atomic_store_n(&t->state, s, __ATOMIC_SEQ_CST);
}

void wait_begin(struct waitq *q, struct waiter *w, bool interruptible)
{
	struct task *t = current;
	uint64_t irq = spin_lock_irqsave(&q->lock);

	kassert(t != this_cpu()->idle);
	w->task = t;
	w->exclusive = false;
	w->outer_intr = t->wait_intr;
	t->wait_intr = interruptible;
	list_add_tail(&q->waiters, &w->link);
	mark_sleeping(t);
	spin_unlock_irqrestore(&q->lock, irq);
}

int wait_sleep(uint64_t deadline_ns)
{
	struct task *t = current;
	int err = 0;

	if (t->wait_intr && signal_pending())
		err = -ERESTARTSYS;
	else if (deadline_ns && clock_ns() >= deadline_ns)
		err = -ETIMEDOUT;
	else if (__atomic_load_n(&t->state, __ATOMIC_ACQUIRE) != TASK_RUNNABLE)
		sched_sleep_until(deadline_ns);
	mark_sleeping(t);
	return err;
}

void wait_end(struct waitq *q, struct waiter *w)
{
	uint64_t irq = spin_lock_irqsave(&q->lock);

	list_del(&w->link);
	w->task->wait_intr = w->outer_intr;
	__atomic_store_n(&w->task->state, TASK_RUNNABLE, __ATOMIC_RELEASE);
	spin_unlock_irqrestore(&q->lock, irq);
}

void mutex_init(struct mutex *m)
{
	m->holder = NULL;
	waitq_init(&m->queue);
}

static bool on_own_stack(const void *sp)
{
	const char *low = current->kstack;

	return low && (const char *)sp >= low && (const char *)sp < low + KSTACK_PAGES * PAGE_SIZE;
}

void mutex_wait(struct mutex *m)
{
	struct waiter w;

	kassert(percpu_ready && !on_own_stack(__atomic_load_n(&m->holder, __ATOMIC_RELAXED)));
	wait_begin(&m->queue, &w, false);
	w.exclusive = true;
	while (!mutex_try(m))
		wait_sleep(0);
	wait_end(&m->queue, &w);
}

/* Exclusive waiters that are awake already do not count: they may have been woken by the call
 * before this one. They stay in the queue until they run. */
void mutex_wake(struct mutex *m)
{
	struct waitq *q = &m->queue;
	uint64_t irq = spin_lock_irqsave(&q->lock);

	list_for_each_entry (w, &q->waiters, struct waiter, link) {
		if (sched_wake_if(w->task, WAKEABLE) && w->exclusive)
			break;
	}
	spin_unlock_irqrestore(&q->lock, irq);
}
