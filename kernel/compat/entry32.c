/* SPDX-License-Identifier: MIT */
/*
 * From the 32-bit gates to the handlers, by Linux's conventions for i386.
 *
 * EAX is the number; EBX, ECX, EDX, ESI, EDI and EBP are the arguments, of a 64-bit program that
 * uses INT 0x80 their lower halves; all registers but EAX are kept. SYSENTER and SYSCALL each cost
 * the program registers, so it does not use them itself: it calls into the vDSO (vdso32.S), which
 * pushes what is lost. When such a call arrives, its registers are made what they would have been
 * if the vDSO had used the INT 0x80 it ends with. From there on all three are one: the way back is
 * after that INT, and a call that is to be restarted goes back by its two bytes.
 */
#include "compat.h"
#include "cpu.h"
#include "uaccess.h"
#include "vdso32.h"

struct entry {
	syscall_fn *fn;
	uint8_t ia32; /* what task.ia32 is meanwhile */
};

static const struct entry table[] = {
#define SYSCALL32(nr, name)        [nr] = {sys_##name, IA32_CALL | IA32_TIME32},
#define SYSCALL32_TIME64(nr, name) [nr] = {sys_##name, IA32_CALL},
#define SYSCALL32_OLD(nr, name)    [nr] = {sys_##name, IA32_CALL | IA32_TIME32 | IA32_OLD},
#include "table32.h"
#undef SYSCALL32
#undef SYSCALL32_TIME64
#undef SYSCALL32_OLD
};

/* The program's EBP, which is the sixth argument, lies where its ESP points. A 64-bit program has
 * no vDSO of ours: then SYSCALL goes on behind itself, and SYSENTER where EDX says, as SYSEXIT
 * would. */
static bool registers_as_after_int80(struct pt_regs *regs, unsigned how)
{
	uint32_t bp;

	if (current->mm->vdso32)
		regs->ip = vdso32_landing(current->mm->vdso32);
	else if (how == KAISER_IA32_SYSENTER)
		regs->ip = (uint32_t)regs->dx;
	if (user_read32((uint32_t)regs->sp, &bp) != 0) {
		regs->ax = (uint64_t)-EFAULT;
		return false;
	}
	regs->bp = bp;
	return true;
}

static void dispatch(struct pt_regs *regs)
{
	uint64_t nr = regs->orig_ax;
	const struct entry *e = &table[syscall_bounded(nr, ARRAY_SIZE(table))];
	struct pt_regs args = {
		.di = (uint32_t)regs->bx,
		.si = (uint32_t)regs->cx,
		.dx = (uint32_t)regs->dx,
		.r10 = (uint32_t)regs->si,
		.r8 = (uint32_t)regs->di,
		.r9 = (uint32_t)regs->bp,
		.ax = regs->ax,
		.orig_ax = nr,
		.ip = regs->ip,
		.cs = regs->cs,
		.flags = regs->flags,
		.sp = regs->sp,
		.ss = regs->ss,
	};

	if (nr >= ARRAY_SIZE(table) || !e->fn) {
		syscall_log_missing(nr, true);
		return; /* ax is -ENOSYS */
	}
	current->ia32 = e->ia32;
	regs->ax = (uint64_t)e->fn(&args);
}

void ia32_syscall(struct pt_regs *regs, unsigned how)
{
	current->ia32 = IA32_CALL | IA32_TIME32;
	irq_enable();
	if (how != KAISER_IA32_INT80 && !registers_as_after_int80(regs, how))
		;
	else if (current->syscall_work)
		ptrace_syscall(regs, dispatch);
	else
		dispatch(regs);
	irq_disable();
	exit_to_user_work(regs, true);
	current->ia32 = 0;
}
