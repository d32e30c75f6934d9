/* SPDX-License-Identifier: MIT */
/*
 * From the gates to the host's handlers. The kernel root is loaded, GS is the kernel's.
 */
#include "internal.h"

extern const char kaiser_entry_db[], kaiser_entry_sysenter[], kaiser_entry_sysenter_end[],
	kaiser_sysenter_entry[], kaiser_sysenter_flags_done[];

#define DR6_BREAKPOINTS 0xf
#define DR6_STEP        (1u << 14)
#define FLAG_TF         UINT64_C(0x100)

/* Where a program's TF is still set though the kernel runs: SYSENTER does not clear it. */
static bool in_sysenter(const struct kaiser *k, uint64_t ip)
{
	return window_inside(k, ip, kaiser_entry_sysenter, kaiser_entry_sysenter_end) ||
	       window_inside(k, ip, kaiser_sysenter_entry, kaiser_sysenter_flags_done + 1);
}

/*
 * A #DB at CPL 0 between SYSENTER and where it drops the flags. The step is nobody's business: the
 * host hears of it when the program steps on. A data breakpoint that was held up until after the
 * SYSENTER (by MOV SS) is told, and TF survives whatever the host does with it.
 */
static void debug_sysenter(struct pt_regs *regs, uint64_t dr6)
{
	uint64_t tf = regs->flags & FLAG_TF;

	if (dr6 & DR6_BREAKPOINTS)
		kaiser_on_debug(regs, dr6 & ~(uint64_t)DR6_STEP);
	regs->flags |= tf;
}

/*
 * DR7 stays clear while the handler runs, so that it cannot meet itself. Returns what it was.
 *
 * It is put back only if an IRET returns to the very instruction: RF is all that gets past a
 * breakpoint. Out of the NMI's head and exit the way back is a jump, and what it jumps to has the
 * same breakpoint in it, which would break for ever. So there all breakpoints stay off.
 */
static uint64_t debug_event(const struct kaiser *k, struct pt_regs *regs)
{
	uint64_t dr7 = hw_swap_dr7(0x400), dr6 = hw_take_dr6();

	if (!kaiser_user_mode(regs) && (dr6 & DR6_STEP) && in_sysenter(k, regs->ip))
		debug_sysenter(regs, dr6);
	else
		kaiser_on_debug(regs, dr6);
	return dr7;
}

/*
 * A #DB at the very first instruction of the #DB head has taken the frame of the one before, which
 * came from user mode: the kernel itself sets no TF and breaks on no address of its own. A CPU
 * merges what one instruction causes into one #DB, but for a breakpoint that MOV SS holds back
 * behind an INT1; an emulator may not (QEMU's TCG: a single step and a data breakpoint). All
 * registers are the user's still but for what the frame held: the thread is sent on at 0, with a
 * debug exception to explain it.
 */
static int lost_debug(struct kaiser_cpu *c, const struct save_area *sa)
{
	struct pt_regs *user = (struct pt_regs *)c->kstack_top - 1;

	*user = sa->regs;
	user->ip = user->sp = 0;
	user->cs = KAISER_USER_CS;
	user->ss = KAISER_USER_DS;
	user->flags = 0x202;
	hw_wrmsr(MSR_KERNEL_GS_BASE, sa->gs);
	return KAISER_IST_LOST;
}

int kaiser_ist_event(struct pt_regs *regs, unsigned how)
{
	struct save_area *sa = (struct save_area *)regs;
	struct kaiser_cpu *c = hw_this_cpu();
	unsigned vector = how & 0xff;
	uint64_t dr7 = 0;
	int then;

	kaiser_trace_event(regs, vector, sa->cr3, sa->gs);
	if (vector == 1 && regs->ip == window_va(c->k, kaiser_entry_db))
		return lost_debug(c, sa);
	if (vector == 1)
		dr7 = debug_event(c->k, regs);
	else if (vector == 18)
		kaiser_on_machine_check(regs);
	else
		kaiser_on_double_fault(regs, sa->cr2);
	then = kaiser_mend_nmi(c, sa, how & KAISER_IST_NMI_DROPPED);
	if (vector == 1 && then == KAISER_IST_RETURN)
		hw_swap_dr7(dr7);
	return then;
}

void kaiser_nmi_event(struct pt_regs *regs)
{
	const struct save_area *sa = (const struct save_area *)regs;

	kaiser_trace_event(regs, 2, sa->cr3, sa->gs);
	kaiser_on_nmi(regs);
}

void kaiser_from_user(struct pt_regs *regs, unsigned vector)
{
	struct kaiser_cpu *c = hw_this_cpu();

	kaiser_trace_event(regs, vector, c->exit_cr3, 0);
	switch (vector) {
	case 1:
		c->wipe_at_switch |= 1u << KAISER_IST_DB;
		debug_event(c->k, regs);
		break;
	case 2: /* its IST stack is wiped already */
		kaiser_on_nmi(regs);
		break;
	case 18:
		c->wipe_at_switch |= 1u << KAISER_IST_MC;
		kaiser_on_machine_check(regs);
		break;
	case KAISER_IA32_VECTOR:
		if (c->k->cfg.ia32) {
			regs->orig_ax = (uint32_t)regs->ax;
			regs->ax = (uint64_t)-38;
			kaiser_on_ia32(regs, KAISER_IA32_INT80);
			break;
		}
		/* fall through */
	default:
		kaiser_on_interrupt(regs, vector);
	}
}

/* SYSCALL32 and SYSENTER. */
void kaiser_from_ia32(struct pt_regs *regs, unsigned how)
{
	kaiser_trace_event(regs, KAISER_TRACE_IA32 | how, hw_this_cpu()->exit_cr3, 0);
	regs->orig_ax = (uint32_t)regs->orig_ax;
	regs->sp = (uint32_t)regs->sp;
	kaiser_on_ia32(regs, how);
}

void kaiser_missed_switch_event(void)
{
	const struct kaiser *k = hw_this_cpu()->k;

	k->cfg.ops->panic(k->cfg.ctx,
			  "user mode ran on the kernel root: an exit missed its CR3 switch");
}

/* The place is told relative to the template, where a disassembly of this library shows it. */
void kaiser_unexpected_event(unsigned vector, uint64_t ip)
{
	const struct kaiser *k = hw_this_cpu()->k;
	char text[] = "the entry code met vector 0x00 at kaiser_template+0x00000000";
	char *vec = text + sizeof("the entry code met vector 0x") - 1;

	kaiser_put_hex(vec, vector, 2);
	kaiser_put_hex(text + sizeof(text) - 9, ip - k->cfg.window - KAISER_WIN_TEXT, 8);
	k->cfg.ops->panic(k->cfg.ctx, text);
}

#ifdef KAISER_DEBUG
void kaiser_from_syscall(struct pt_regs *regs)
{
	kaiser_trace_event(regs, KAISER_TRACE_SYSCALL, hw_this_cpu()->exit_cr3, 0);
	kaiser_on_syscall(regs);
}
#endif

/* A new thread's first return: the window's exit with RSP at the frame. */
void kaiser_exit_to_user(struct pt_regs *regs)
{
	__asm__ volatile("movq %0, %%rsp\n\t"
			 "jmp *%1" ::"r"(regs),
			 "r"(hw_this_cpu()->exit_va)
			 : "memory");
	__builtin_unreachable();
}
