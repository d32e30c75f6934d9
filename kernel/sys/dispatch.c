/* SPDX-License-Identifier: MIT */
/* The table of system calls; sys/entry.S uses it. */
#include "boot.h"
#include "printk.h"
#include "syscall.h"
#include "task.h"

#include "syscall_limit.h"

/* Holes and the end first, then what there is. */
#pragma GCC diagnostic ignored "-Wpedantic"
#ifdef __clang__
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif
extern syscall_fn *const syscall_table[SYSCALL_LIMIT + 1];
syscall_fn *const syscall_table[SYSCALL_LIMIT + 1] = {
	[0 ... SYSCALL_LIMIT] = sys_unknown,
#define SYSCALL(nr, name) [nr] = sys_##name,
#include "table.h"
#undef SYSCALL
};

static bool syscall_debug; /* "debug_syscalls" */

void syscall_init(void)
{
	syscall_debug = cmdline_has("debug_syscalls");
}

/* Each missing call is named once. */
static void log_missing(uint64_t nr, bool ia32)
{
	static uint64_t seen[2][16];
	uint64_t bit = BIT(nr % 64);

	if (nr < 64 * ARRAY_SIZE(seen[0]) &&
	    __atomic_fetch_or(&seen[ia32][nr / 64], bit, __ATOMIC_RELAXED) & bit)
		return;
	printk("%s[%d]: %ssystem call %lu is not known\n", current->proc->name, current->tid,
	       ia32 ? "32-bit " : "", nr);
}

void syscall_log_missing(uint64_t nr, bool ia32)
{
	if (syscall_debug)
		log_missing(nr, ia32);
}

long sys_unknown(struct pt_regs *regs)
{
	syscall_log_missing((uint64_t)(int64_t)(int32_t)regs->orig_ax, false);
	return -ENOSYS;
}

static void call(struct pt_regs *regs)
{
	/* As in Linux only the lower half of RAX counts, sign-extended. */
	uint64_t nr = (uint64_t)(int64_t)(int32_t)regs->orig_ax;
	syscall_fn *fn = sys_unknown;

	if (nr < SYSCALL_LIMIT)
		fn = syscall_table[syscall_bounded(nr, SYSCALL_LIMIT)];
	regs->ax = (uint64_t)fn(regs);
}

void syscall_traced(struct pt_regs *regs)
{
	ptrace_syscall(regs, call);
}
