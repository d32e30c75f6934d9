/* SPDX-License-Identifier: MIT */
/* Sleeping with a deadline: a list per CPU, sorted by time, run by that CPU's tick. The list's lock
 * comes before the run queues'. A sleeper takes itself out before it goes on, so a task in a list
 * is alive. */
#include "cpu.h"
#include "proc.h"

static struct timers {
	spinlock_t lock; /* irqsave */
	struct list list;
} timers[MAX_CPUS];

void sched_timers_init(unsigned cpu)
{
	list_init(&timers[cpu].list);
}

static void timer_add(struct task *t, uint64_t deadline)
{
	uint64_t irq = irq_save(); /* stay on this CPU */
	unsigned cpu = this_cpu()->id;
	struct timers *tm = &timers[cpu];
	struct list *at;

	spin_lock(&tm->lock);
	t->wake_ns = deadline;
	t->timer_cpu = cpu;
	for (at = tm->list.prev; at != &tm->list; at = at->prev)
		if (container_of(at, struct task, timer_link)->wake_ns <= deadline)
			break;
	list_add(at, &t->timer_link);
	spin_unlock(&tm->lock);
	irq_restore(irq);
}

static void timer_remove(struct task *t)
{
	struct timers *tm = &timers[t->timer_cpu];
	uint64_t irq = spin_lock_irqsave(&tm->lock);

	list_del(&t->timer_link);
	t->wake_ns = 0;
	spin_unlock_irqrestore(&tm->lock, irq);
}

void sched_timers_run(uint64_t now_ns)
{
	struct timers *tm = &timers[this_cpu()->id];

	spin_lock(&tm->lock);
	while (!list_empty(&tm->list)) {
		struct task *t = list_first(&tm->list, struct task, timer_link);

		if (t->wake_ns > now_ns)
			break;
		list_del(&t->timer_link);
		sched_wake_if(t, BIT(TASK_SLEEPING) | BIT(TASK_SLEEPING_INTR));
	}
	spin_unlock(&tm->lock);
}

/* The deadline may pass before schedule() is reached: then the wake-up has made the task runnable,
 * and schedule() returns to it. */
void sched_sleep_until(uint64_t deadline_ns)
{
	struct task *t = current;

	if (deadline_ns)
		timer_add(t, deadline_ns);
	schedule();
	if (deadline_ns)
		timer_remove(t);
}
