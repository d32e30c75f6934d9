/* SPDX-License-Identifier: MIT */
/*
 * Isolation on and off while CPUs run: for the machine, and for one space. What counts at a gate is
 * decided by value: a head looks at CR3, an exit at the exit CR3. So CPUs may differ, and a change
 * reaches them one by one, each by one call that runs with interrupts off and turns its loaded
 * slot: NX in the kernel root's user half, the exit CR3, a flush of both PCIDs. Slots that are not
 * loaded are turned when they are loaded (slots.c).
 *
 * No CPU is ever on the wrong root. User mode runs on whatever root the last exit loaded; the call
 * interrupts it, and the exit after the call loads what the call decided. An NMI, #MC or #DB takes
 * CR3 as it finds it and puts it back. No exit can be half way when the call runs, for interrupts
 * are off from where it reads the exit CR3 to user mode.
 *
 * The tails of spaces that are not isolated exist in the kernel view only while such a space may
 * run:
 *	opening: text first, then the first CPU that may jump there
 *	closing: the last CPU's call returned, then text
 * So nobody executes the bytes that change, and each CPU has gone through a CR3 write or an IRET
 * between the change and its first use of them: SDM volume 3, 9.1.3 asks for that. The obvious
 * order, to flip a switch and then patch, lets a CPU leave through int3.
 */
#include "internal.h"

bool kaiser_wants_isolation(const struct kaiser *k, const struct kaiser_space *s)
{
	return __atomic_load_n(&k->policy.isolate, __ATOMIC_SEQ_CST) &&
	       !__atomic_load_n(&s->opted_out, __ATOMIC_SEQ_CST);
}

/* On each CPU, interrupts off. While a table of the host's is loaded there is no exit; coming back
 * from it turns the slot. */
void kaiser_mode_here(void *arg)
{
	struct kaiser *k = arg;
	struct kaiser_cpu *c = hw_this_cpu();
	struct kaiser_slot *s = &c->slot[c->loaded];

	if (c->foreign || s->isolated == kaiser_wants_isolation(k, s->space))
		return;
	kaiser_slot_change_begins(s);
	kaiser_slot_turn(c, s);
	kaiser_flush_loaded(c);
	kaiser_slot_change_ends(s);
	c->stats.mode_turns++;
}

/* `open`: whether a space that is not isolated may run from here on. */
static void set_tails(struct kaiser *k, bool open)
{
	if (k->tails_open != open)
		kaiser_views_set_open(k, open);
	k->tails_open = open;
}

void kaiser_set_mode(struct kaiser *k, enum kaiser_mode mode)
{
	struct kaiser_policy p = k->policy;

	kaiser_policy_decide(&p, mode);
	k->policy.asked = mode;
	k->policy.reason = mode == KAISER_AUTO ? p.reason
			   : p.isolate         ? "switched on at run time"
					       : "switched off at run time";
	if (!p.isolate)
		set_tails(k, true);
	__atomic_store_n(&k->policy.isolate, p.isolate, __ATOMIC_SEQ_CST);
	kaiser_call_cpus(k, __atomic_load_n(&k->live, __ATOMIC_SEQ_CST), kaiser_mode_here, k);
	if (p.isolate && k->opted_out == 0)
		set_tails(k, false);
}

void kaiser_space_isolate(struct kaiser_space *s, bool isolate)
{
	struct kaiser *k = s->k;

	if (s->opted_out == !isolate)
		return;
	if (!isolate) {
		k->opted_out++;
		set_tails(k, true);
	}
	__atomic_store_n(&s->opted_out, !isolate, __ATOMIC_SEQ_CST);
	kaiser_call_cpus(k, __atomic_load_n(&s->active, __ATOMIC_SEQ_CST), kaiser_mode_here, k);
	if (isolate && --k->opted_out == 0 && k->policy.isolate)
		set_tails(k, false);
}
