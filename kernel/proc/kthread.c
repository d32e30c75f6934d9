/* SPDX-License-Identifier: MIT */
/* Where tasks begin: kernel threads in their function, user threads on their way to user mode. */
#include "cpu.h"
#include "printk.h"
#include "proc.h"
#include "uaccess.h"

struct task *kthread_create(const char *name, void (*fn)(void *), void *arg)
{
	struct task *t = task_alloc(false);

	if (!t)
		return NULL;
	strlcpy(t->thread_name, name, sizeof(t->thread_name));
	t->kthread_fn = fn;
	t->kthread_arg = arg;
	sched_enqueue_new(t);
	return t;
}

noreturn void kthread_exit(void)
{
	irq_disable();
	current->state = TASK_DEAD;
	schedule();
	panic("a dead kernel thread runs");
}

noreturn void task_first_run(struct task *prev)
{
	struct task *t;

	sched_first_run(prev);
	t = current;
	if (t->kthread_fn) {
		irq_enable();
		t->kthread_fn(t->kthread_arg);
		kthread_exit();
	}
	if (t->set_child_tid) {
		irq_enable();
		/* As in Linux, nobody hears of a failure. */
		(void)copy_to_user(t->set_child_tid, &t->tid, sizeof(t->tid));
		irq_disable();
	}
	exit_to_user_work(t->user_regs, false);
	kaiser_exit_to_user(t->user_regs);
}
