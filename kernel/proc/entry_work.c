/* SPDX-License-Identifier: MIT */
/* The last thing before user mode, if something may have to be done. The tests are made with
 * interrupts off and stay valid until the return: whoever gives this task something to do
 * afterwards sends this CPU an interrupt. The word is cleared before the tests, so what comes
 * between is not lost. */
#include "cpu.h"
#include "proc.h"

void exit_to_user_slow(struct pt_regs *regs, bool in_syscall)
{
	bool syscall = in_syscall;

	for (;;) {
		const struct task *t = current;

		exit_work_clear();
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
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
		if (!syscall)
			regs->orig_ax = UINT64_MAX; /* what a tracer sees: no call is under way */
		signal_deliver(regs, in_syscall);
		irq_disable();
		in_syscall = false; /* a call is restarted, or not, once */
		if (!exit_work_due() && !current->ptrace.tracer)
			return;
	}
}
