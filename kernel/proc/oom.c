/* SPDX-License-Identifier: MIT */
/*
 * Memory is out. Whoever asks for the page then is chance, and it may be process 1, with which the
 * machine ends. So the process is killed that has the most, and of equals the youngest, which among
 * forks spares who made them; with it those that share its memory, or nothing would come back.
 * Process 1 and what runs on its memory are killed only when nobody else is left, not even somebody
 * who is dying. The asker waits and tries again. A second one is not killed until the first has had
 * time to go: its memory comes back only with its last thread.
 */
#include "printk.h"
#include "proc.h"

#define NS_PER_MS   UINT64_C(1000000)
#define RETRY_NS    (5 * NS_PER_MS)
#define PATIENCE_NS (1000 * NS_PER_MS)

static uint64_t patience_until; /* task_lock */
static struct waitq nobody = WAITQ_INIT(nobody);

/* The memory of a process that has not left it yet, else NULL. task_lock held. */
static struct mm *memory_of_locked(const struct process *p)
{
	list_for_each_entry (t, &p->threads, struct task, thread_link)
		if (t->mm)
			return t->mm;
	return NULL;
}

/* NULL: nobody is left, or (*wait) who is left is on his way out. task_lock held. */
static struct process *choose_locked(bool *wait)
{
	struct mm *spared = memory_of_locked(init_process);
	struct process *worst = NULL;
	uint64_t most = 0;
	bool dying = false;

	list_for_each_entry (p, &process_list, struct process, all) {
		struct mm *mm = memory_of_locked(p);

		if (!mm || p == init_process || mm == spared)
			continue;
		if (task_dying(list_first(&p->threads, struct task, thread_link))) {
			dying = true;
		} else if (mm->rss_pages >= most) {
			most = mm->rss_pages;
			worst = p;
		}
	}
	*wait = dying && (!worst || clock_ns() < patience_until);
	return *wait ? NULL : worst;
}

static void kill_sharers_locked(const struct mm *mm)
{
	list_for_each_entry (p, &process_list, struct process, all)
		if (p != init_process && p->leader && memory_of_locked(p) == mm)
			signal_send_process(p->leader, SIGKILL, NULL);
}

void oom_relieve(void)
{
	struct process *victim;
	char name[sizeof(victim->name)];
	uint64_t irq;
	bool wait;
	int pid = 0;

	irq = spin_lock_irqsave(&task_lock);
	victim = choose_locked(&wait);
	if (!victim && !wait)
		victim = current->proc;
	if (victim) {
		struct mm *mm = memory_of_locked(victim);

		pid = victim->pid;
		memcpy(name, victim->name, sizeof(name));
		patience_until = clock_ns() + PATIENCE_NS;
		signal_send_process(victim->leader, SIGKILL, NULL);
		kill_sharers_locked(mm);
	}
	spin_unlock_irqrestore(&task_lock, irq);
	if (pid)
		printk("out of memory: killing process %d (%s)\n", pid, name);
	if (!task_dying(current)) {
		struct waiter w;

		wait_begin(&nobody, &w, false);
		wait_sleep(clock_ns() + RETRY_NS);
		wait_end(&nobody, &w);
	}
}
