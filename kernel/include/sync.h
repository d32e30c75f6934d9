/* SPDX-License-Identifier: MIT */
/* Sleeping: wait queues and mutexes. proc/sync.c. */
#ifndef KERNEL_SYNC_H
#define KERNEL_SYNC_H

#include "list.h"
#include "spinlock.h"

struct task;

struct waitq {
	spinlock_t lock; /* taken with irqs off: interrupt handlers may wake */
	struct list waiters;
};

struct waiter {
	struct list link;
	struct task *task;
	bool exclusive;  /* mutex_wake() stops after one of these; set it after wait_begin() */
	bool outer_intr; /* what an outer wait of this task asked for */
};

#define WAITQ_INIT(name)                                 \
	{                                                \
		SPINLOCK_INIT, LIST_INIT((name).waiters) \
	}

void waitq_init(struct waitq *q);

/* Nobody sleeps there. Without the lock: right only behind a full barrier after the change that a
 * sleeper waits for; see the head of proc/sync.c. */
static inline bool waitq_idle(const struct waitq *q)
{
	return __atomic_load_n(&q->waiters.next, __ATOMIC_RELAXED) == &q->waiters;
}

void wake_all_waiters(struct waitq *q); /* any context but NMI */
static inline void wake_all(struct waitq *q)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!waitq_idle(q))
		wake_all_waiters(q);
}

/* The pattern, in this order, so that no wake-up is lost:
 *	struct waiter w;
 *	wait_begin(&q, &w, interruptible);
 *	while (!condition) { err = wait_sleep(deadline_ns); if (err) break; }
 *	wait_end(&q, &w);
 * wait_begin() queues and marks the task sleeping; wait_sleep() schedules unless it was woken
 * meanwhile, and marks it sleeping again before it returns. wait_sleep(): 0; -ERESTARTSYS if
 * interruptible and a signal is pending; -ETIMEDOUT past deadline_ns (clock_ns() time; 0: none).
 * Several queues may be waited on at once with several waiters. */
void wait_begin(struct waitq *q, struct waiter *w, bool interruptible);
int wait_sleep(uint64_t deadline_ns);
void wait_end(struct waitq *q, struct waiter *w);

#define wait_event(q, cond)                  \
	do {                                 \
		struct waiter w_;            \
		wait_begin((q), &w_, false); \
		while (!(cond))              \
			wait_sleep(0);       \
		wait_end((q), &w_);          \
	} while (0)

/* err is an int lvalue: 0 or -ERESTARTSYS. */
#define wait_event_interruptible(q, cond, err) \
	do {                                   \
		struct waiter w_;              \
		(err) = 0;                     \
		wait_begin((q), &w_, true);    \
		while (!(cond) && (err) == 0)  \
			(err) = wait_sleep(0); \
		wait_end((q), &w_);            \
		if ((err) != 0 && (cond))      \
			(err) = 0;             \
	} while (0)

/* A sleeping lock. Task context only. */
struct mutex {
	void *holder; /* where its holder's stack was then, NULL: free */
	struct waitq queue;
};

void mutex_init(struct mutex *m);
void mutex_wait(struct mutex *m); /* mutex_lock() of one that is taken */
void mutex_wake(struct mutex *m); /* mutex_unlock() of one that is waited for */

static inline bool mutex_try(struct mutex *m)
{
	void *none = NULL, *sp;

	/* The stack tells who holds it, and is there before there are tasks. */
	__asm__("movq %%rsp, %0" : "=r"(sp));
	return __atomic_compare_exchange_n(&m->holder, &none, sp, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}

static inline void mutex_lock(struct mutex *m)
{
	if (!mutex_try(m))
		mutex_wait(m);
}

/* A full barrier: whoever queued before it is seen, whoever queues after it finds the lock free. */
static inline void mutex_unlock(struct mutex *m)
{
	__atomic_store_n(&m->holder, NULL, __ATOMIC_SEQ_CST);
	if (!waitq_idle(&m->queue))
		mutex_wake(m);
}

#define MUTEX_INIT(name)                       \
	{                                      \
		NULL, WAITQ_INIT((name).queue) \
	}

#endif
