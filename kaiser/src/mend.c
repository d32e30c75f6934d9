/* SPDX-License-Identifier: MIT */
/*
 * What an #MC or #DB that hit an NMI's code has to mend before it may return: its IRET would
 * unblock NMIs while the NMI's only frame lies where the next NMI puts its own. entry/nmi.inc has
 * the theory.
 */
#include "internal.h"

extern const char kaiser_entry_nmi[], kaiser_nmi_saved[], kaiser_nmi_cr3_saved[],
	kaiser_nmi_head_end[], kaiser_nmi[], kaiser_nmi_safe[], kaiser_nmi_nested_done[],
	kaiser_nmi_edge[], kaiser_nmi_edge_end[], kaiser_tail_nmi[], kaiser_tail_nmi_end[],
	kaiser_tail_nmi_nested[], kaiser_tail_nmi_nested_done[], kaiser_tail_nmi_nested_end[],
	kaiser_tail_nmi_restart[], kaiser_tail_nmi_restart_cr3[], kaiser_tail_nmi_restart_end[];

/* The hardware's frame in the NMI's IST stack; below it the head's slots. */
static uint64_t *nmi_frame(const struct kaiser_cpu *c)
{
	return (uint64_t *)((char *)c->page[KAISER_CPU_ENTRY / KAISER_PAGE_SIZE] +
			    KAISER_IST_NMI_TOP - KAISER_IST_FRAME);
}

static void fill_slots(uint64_t *frame, const struct pt_regs *regs)
{
	frame[KAISER_NMI_SLOT_AX / 8] = regs->ax;
	frame[KAISER_NMI_SLOT_CX / 8] = regs->cx;
	frame[KAISER_NMI_SLOT_R14 / 8] = regs->r14;
}

/*
 * The event hit code that NMIs are blocked in and that has the only copy of an NMI's frame. Makes
 * the save area what that NMI had found when it arrived; its exit then runs the head again.
 */
static void rebuild_nmi(struct kaiser_cpu *c, struct save_area *sa)
{
	const struct kaiser *k = c->k;
	uint64_t ip = sa->regs.ip;
	uint64_t *frame = nmi_frame(c);
	bool head = window_inside(k, ip, kaiser_entry_nmi, kaiser_nmi_head_end);

	if (head && ip < window_va(k, kaiser_nmi_saved)) {
		fill_slots(frame, &sa->regs); /* untouched so far */
		return;
	}
	if (window_inside(k, ip, kaiser_tail_nmi_restart, kaiser_tail_nmi_restart_end)) {
		/* A restart has loaded all but rax, and CR3 too unless it is about to. */
		if (ip < window_va(k, kaiser_tail_nmi_restart_cr3))
			sa->cr3 = sa->regs.ax & ~KAISER_NOFLUSH;
	} else if (!(head && ip < window_va(k, kaiser_nmi_cr3_saved)) &&
		   ip != window_va(k, kaiser_nmi_nested_done) &&
		   ip != window_va(k, kaiser_tail_nmi_nested_done)) {
		/* Between these the interrupted CR3 is in r14 only. */
		sa->cr3 = sa->regs.r14 & ~KAISER_NOFLUSH; /* set by the tail */
	}
	sa->regs.ax = frame[KAISER_NMI_SLOT_AX / 8];
	sa->regs.cx = frame[KAISER_NMI_SLOT_CX / 8];
	sa->regs.r14 = frame[KAISER_NMI_SLOT_R14 / 8];
	/* So that a second #MC, which runs all this again, finds it done. */
	sa->regs.ip = window_va(k, kaiser_entry_nmi);
}

/*
 * An NMI hit the exit of an #MC, and a second #MC that NMI: both are dropped, and the save area is
 * the first #MC's (entry/paranoid.inc). The NMI is given to what that exit leads to.
 */
static int give_nmi(struct kaiser_cpu *c, struct save_area *sa, int then)
{
	struct pt_regs *regs = &sa->regs;
	uint64_t *frame = nmi_frame(c);

	if (then == KAISER_IST_NMI_EXIT) {
		c->nmi_state |= KAISER_NMI_LATCHED;
		return then;
	}
	if (then == KAISER_IST_RETURN) {
		frame[0] = regs->ip;
		frame[1] = regs->cs;
		frame[2] = regs->flags;
		frame[3] = regs->sp;
		frame[4] = regs->ss;
		fill_slots(frame, regs);
		regs->ip = window_va(c->k, kaiser_entry_nmi); /* a third #MC finds it done */
	}
	/* Else an NMI's head is to run again: NMIs were blocked, so none was dropped. */
	return KAISER_IST_NMI_RESTART;
}

static int mend(struct kaiser_cpu *c, struct save_area *sa)
{
	const struct kaiser *k = c->k;
	uint64_t ip = sa->regs.ip;

	if (window_inside(k, ip, kaiser_nmi_edge, kaiser_nmi_edge_end) ||
	    window_inside(k, ip, kaiser_tail_nmi, kaiser_tail_nmi_end))
		return KAISER_IST_NMI_EXIT;
	if (window_inside(k, ip, kaiser_entry_nmi, kaiser_nmi_head_end) ||
	    window_inside(k, ip, kaiser_nmi, kaiser_nmi_safe) ||
	    window_inside(k, ip, kaiser_tail_nmi_nested, kaiser_tail_nmi_nested_end) ||
	    window_inside(k, ip, kaiser_tail_nmi_restart, kaiser_tail_nmi_restart_end)) {
		rebuild_nmi(c, sa);
		return KAISER_IST_NMI_RESTART;
	}
	return KAISER_IST_RETURN;
}

int kaiser_mend_nmi(struct kaiser_cpu *c, struct save_area *sa, bool dropped)
{
	int then = mend(c, sa);

	return dropped ? give_nmi(c, sa, then) : then;
}
