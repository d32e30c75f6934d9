/* SPDX-License-Identifier: MIT */
/* From a system call's number to its function. */
#include "boot.h"
#include "printk.h"
#include "syscall.h"
#include "task.h"

static syscall_fn *const table[] = {
#define SYSCALL(nr, name) [nr] = sys_##name,
#include "table.h"
#undef SYSCALL
};

/* Each missing call is named once, if the command line asks for it. */
void syscall_log_missing(uint64_t nr, bool ia32)
{
	static uint64_t seen[2][16];
	uint64_t bit = BIT(nr % 64);

	if (!cmdline_has("debug_syscalls"))
		return;
	if (nr < 64 * ARRAY_SIZE(seen[0]) &&
	    __atomic_fetch_or(&seen[ia32][nr / 64], bit, __ATOMIC_RELAXED) & bit)
		return;
	printk("%s[%d]: %ssystem call %lu is not known\n", current->proc->name, current->tid,
	       ia32 ? "32-bit " : "", nr);
}

void syscall_dispatch(struct pt_regs *regs)
{
	/* As in Linux only the lower half of RAX counts, sign-extended. */
	uint64_t nr = (uint64_t)(int64_t)(int32_t)regs->orig_ax;
	syscall_fn *fn = NULL;

	if (nr < ARRAY_SIZE(table))
		fn = table[syscall_bounded(nr, ARRAY_SIZE(table))];
	if (!fn) {
		syscall_log_missing(nr, false);
		regs->ax = (uint64_t)-ENOSYS;
		return;
	}
	regs->ax = (uint64_t)fn(regs);
}
