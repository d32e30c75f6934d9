/* SPDX-License-Identifier: MIT */
/* The last thing before user mode. The tests are made with interrupts off and stay valid until the
 * return: whoever gives this task something to do afterwards sends this CPU an interrupt. */
#include "cpu.h"
#include "proc.h"

void exit_to_user_work(struct pt_regs *regs, bool in_syscall)
{
	for (;;) {
		const struct task *t = current;

		if (t->killed || t->proc->exiting) {
			irq_enable();
			task_exit_thread(t->proc->exit_status);
		}
		if (this_cpu()->need_resched) {
			schedule();
			continue;
		}
		if (!signal_work(regs, in_syscall))
			return;
		irq_enable();
		signal_deliver(regs, in_syscall);
		irq_disable();
		in_syscall = false; /* a call is restarted, or not, once */
	}
}
