/* SPDX-License-Identifier: MIT */
/*
 * Wiping the entry page. While user mode runs it may hold constants, window addresses and the
 * running thread's own user values. Heads and tails leave such user values on the entry stack and
 * in the scratch words; events from user mode leave them on their IST stack. All of that goes when
 * the space changes, with the TLS entries of the GDT, which are the program's as well. What an
 * event that hit CPL 0 leaves goes at the next exit: kaiser_exit_work().
 */
#include "internal.h"

/* How deep heads go: three words and two hardware frames, aligned. */
#define ENTRY_STACK_USED 0xc0

static const uint16_t ist_top[] = {
	[KAISER_IST_NMI] = KAISER_IST_NMI_TOP,
	[KAISER_IST_MC] = KAISER_IST_MC_TOP,
	[KAISER_IST_DB] = KAISER_IST_DB_TOP,
	[KAISER_IST_DF] = KAISER_IST_DF_TOP,
};

static void wipe(struct kaiser_cpu *c, unsigned start, unsigned end)
{
	volatile uint64_t *page = c->page[KAISER_CPU_ENTRY / KAISER_PAGE_SIZE];

	for (unsigned i = start / 8; i < end / 8; i++)
		page[i] = 0;
}

static void wipe_ists(struct kaiser_cpu *c, uint32_t mask)
{
	for (unsigned ist = KAISER_IST_NMI; ist <= KAISER_IST_DF; ist++)
		if (mask & (1u << ist))
			wipe(c, ist_top[ist] - KAISER_IST_BYTES, ist_top[ist]);
}

void kaiser_wipe_for_switch(struct kaiser_cpu *c)
{
	wipe(c, KAISER_ENTRY_STACK_TOP - ENTRY_STACK_USED, KAISER_SCRATCH_DI + 8);
	wipe_ists(c, c->wipe_at_switch);
	c->wipe_at_switch = 0;
	kaiser_tls_clear(c);
	kaiser_iomap_clear(c);
}

/* SYSRET gives way as long as a bit is set: it does not look at them, but compares RIP with
 * user_end. */
void kaiser_wipe_set(struct kaiser_cpu *c, uint32_t bits)
{
	c->wipe = bits;
	c->user_end = bits ? 0 : c->k->cfg.user_end - KAISER_PAGE_SIZE;
}

/* From the exit by IRET, interrupts off. An NMI in between runs on the kernel root, wipes behind
 * itself and sets no flag. */
void kaiser_exit_work(const struct pt_regs *regs)
{
	struct kaiser_cpu *c = hw_this_cpu();

	wipe_ists(c, c->wipe);
	kaiser_wipe_set(c, c->wipe & KAISER_WIPE_LDT);
	if (c->wipe)
		kaiser_ldt_exit(c, regs);
}
