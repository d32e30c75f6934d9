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

/* nr if it is below the table's size, else 0, without a branch that a CPU could guess: a
 * mispredicted bounds check must not read the table out of bounds. */
static uint64_t bounded(uint64_t nr)
{
	uint64_t mask;

	__asm__("cmpq %2, %1\n\tsbbq %0, %0"
		: "=r"(mask)
		: "r"(nr), "r"((uint64_t)ARRAY_SIZE(table))
		: "cc");
	return nr & mask;
}

/* Each missing call is named once, if the command line asks for it. */
static void log_missing(uint64_t nr)
{
	static uint64_t seen[16];
	uint64_t bit = BIT(nr % 64);

	if (!cmdline_has("debug_syscalls"))
		return;
	if (nr < 64 * ARRAY_SIZE(seen) &&
	    __atomic_fetch_or(&seen[nr / 64], bit, __ATOMIC_RELAXED) & bit)
		return;
	printk("%s[%d]: system call %lu is not known\n", current->proc->name, current->tid, nr);
}

void syscall_dispatch(struct pt_regs *regs)
{
	/* As in Linux only the lower half of RAX counts, sign-extended. */
	uint64_t nr = (uint64_t)(int64_t)(int32_t)regs->orig_ax;
	syscall_fn *fn = NULL;

	if (nr < ARRAY_SIZE(table))
		fn = table[bounded(nr)];
	if (!fn) {
		log_missing(nr);
		regs->ax = (uint64_t)-ENOSYS;
		return;
	}
	regs->ax = (uint64_t)fn(regs);
}
