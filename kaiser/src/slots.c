/* SPDX-License-Identifier: MIT */
/*
 * Root slots: pairs of roots that belong to a CPU. An entry of a space's user half goes to the
 * kernel root with NX, so that a return to user mode which missed the CR3 switch faults at its
 * first fetch, and to the user root as it is. A supervisor entry of the low half (EFI, bring-up
 * code) goes to the kernel root alone, and may be executed there.
 */
#include "internal.h"

#define USER_ENTRIES 256
#define USER_ROOT    512 /* index of the user root in a pair */

int kaiser_slots_alloc(struct kaiser *k, struct kaiser_cpu *c)
{
	const struct kaiser_ops *ops = k->cfg.ops;
	unsigned top = k->cfg.window >> (12 + 9 * (k->levels - 1)) & 511;

	c->slots = k->policy.pcid ? KAISER_SLOTS_MAX : KAISER_SLOTS_BARE;
	for (unsigned i = 0; i < c->slots; i++) {
		struct kaiser_slot *s = &c->slot[i];
		s->root = ops->page_alloc(k->cfg.ctx, 1);
		if (!s->root) {
			kaiser_slots_free(k, c);
			return KAISER_E_NOMEM;
		}
		s->pa = ops->virt_to_phys(k->cfg.ctx, s->root);
		for (unsigned j = 0; j < USER_ENTRIES; j++)
			s->root[USER_ENTRIES + j] = k->kernel_half[j];
		s->root[USER_ROOT + top] =
			ops->virt_to_phys(k->cfg.ctx, c->table[0]) | PTE_P | PTE_W | PTE_A;
	}
	return KAISER_OK;
}

void kaiser_slots_free(struct kaiser *k, struct kaiser_cpu *c)
{
	for (unsigned i = 0; i < KAISER_SLOTS_MAX; i++) {
		if (c->slot[i].root)
			k->cfg.ops->page_free(k->cfg.ctx, c->slot[i].root, 1);
		c->slot[i].root = NULL;
	}
}

void kaiser_slot_change_begins(struct kaiser_slot *s)
{
	__atomic_store_n(&s->seq, s->seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

void kaiser_slot_change_ends(struct kaiser_slot *s)
{
	__atomic_store_n(&s->seq, s->seq + 1, __ATOMIC_RELEASE);
}

void kaiser_slot_write_pair(struct kaiser_slot *s, unsigned index, uint64_t kernel, uint64_t user)
{
	kaiser_slot_change_begins(s);
	__atomic_store_n(&s->root[index], kernel, __ATOMIC_RELAXED);
	__atomic_store_n(&s->root[USER_ROOT + index], user, __ATOMIC_RELAXED);
	kaiser_slot_change_ends(s);
}

static uint64_t kernel_entry(const struct kaiser_cpu *c, const struct kaiser_slot *s,
			     uint64_t entry)
{
	return (entry & PTE_U) && s->isolated && c->k->nx ? entry | PTE_NX : entry;
}

void kaiser_slot_write_entry(struct kaiser_cpu *c, struct kaiser_slot *s, unsigned index,
			     uint64_t entry)
{
	uint64_t bit = UINT64_C(1) << (index % 64);

	if (!(entry & PTE_P))
		entry = 0; /* whatever a not-present entry holds is no business of these roots */
	if (entry)
		s->used[index / 64] |= bit;
	else
		s->used[index / 64] &= ~bit;
	kaiser_slot_write_pair(s, index, kernel_entry(c, s, entry), entry & PTE_U ? entry : 0);
}

/* The user root has each user entry as it is, and none that is the kernel's alone. */
void kaiser_slot_turn(struct kaiser_cpu *c, struct kaiser_slot *s)
{
	s->isolated = !s->isolated;
	for (unsigned w = 0; w < 4; w++)
		for (uint64_t todo = s->used[w]; todo; todo &= todo - 1) {
			unsigned index = w * 64 + (unsigned)__builtin_ctzll(todo);
			uint64_t entry = s->root[USER_ROOT + index];
			if (entry)
				__atomic_store_n(&s->root[index], kernel_entry(c, s, entry),
						 __ATOMIC_RELAXED);
		}
}

/* The slot, not loaded, becomes a copy of the space: old and new entries alike are written. */
static void slot_fill(struct kaiser_cpu *c, struct kaiser_slot *s, const struct kaiser_space *sp)
{
	for (unsigned w = 0; w < 4; w++) {
		uint64_t todo = s->used[w] | __atomic_load_n(&sp->used[w], __ATOMIC_ACQUIRE);
		while (todo) {
			unsigned index = w * 64 + (unsigned)__builtin_ctzll(todo);
			todo &= todo - 1;
			kaiser_slot_write_entry(c, s, index,
						__atomic_load_n(&sp->top[index], __ATOMIC_RELAXED));
		}
	}
	s->ldt = kaiser_ldt_write_slot(c, s, sp);
}

void kaiser_slot_forget(struct kaiser_cpu *c, struct kaiser_slot *s)
{
	if (s->space_id)
		__atomic_and_fetch(&s->space->cpus, ~cpu_bit(c), __ATOMIC_SEQ_CST);
	s->space_id = 0;
	s->space = NULL;
}

/* ---- what CR3 gets, and which PCID is stale --------------------------------------------- */

static uint64_t kernel_cr3(const struct kaiser_cpu *c, unsigned index)
{
	return c->slot[index].pa | (c->k->policy.pcid ? index + 1 : 0);
}

/* Whether bit 63 of exit_cr3 speaks for the slot's user PCID. */
static bool exit_speaks_for(const struct kaiser_cpu *c, const struct kaiser_slot *s)
{
	return s == &c->slot[c->loaded] && (c->exit_cr3 & KAISER_SWITCH_BIT);
}

bool kaiser_slot_is_user_stale(const struct kaiser_cpu *c, const struct kaiser_slot *s)
{
	return exit_speaks_for(c, s) ? !(c->exit_cr3 & KAISER_NOFLUSH) : s->user_stale;
}

void kaiser_slot_user_stale(struct kaiser_cpu *c, struct kaiser_slot *s)
{
	if (!c->k->policy.pcid)
		return; /* each exit flushes */
	c->stats.user_flushes += !kaiser_slot_is_user_stale(c, s);
	if (exit_speaks_for(c, s))
		c->exit_cr3 &= ~KAISER_NOFLUSH;
	else
		s->user_stale = true;
}

void kaiser_load_slot(struct kaiser_cpu *c, unsigned index)
{
	struct kaiser_slot *old = &c->slot[c->loaded], *s = &c->slot[index];
	uint64_t cr3 = kernel_cr3(c, index), exit = cr3;
	bool pcid = c->k->policy.pcid;

	old->user_stale = kaiser_slot_is_user_stale(c, old);
	if (s->isolated)
		exit |= KAISER_SWITCH_BIT | (pcid ? KAISER_USER_PCID : 0);
	if (pcid && s->isolated && !s->user_stale)
		exit |= KAISER_NOFLUSH;
	if (pcid && !s->stale)
		cr3 |= KAISER_NOFLUSH;
	hw_write_cr3(cr3);
	c->stats.cr3_writes++;
	c->stats.cr3_flushes += !(cr3 & KAISER_NOFLUSH);
	s->stale = false;
	s->loaded_at = ++c->loads;
	c->loaded = index;
	c->foreign = false;
	c->exit_cr3 = exit;
}

void kaiser_flush_loaded(struct kaiser_cpu *c)
{
	struct kaiser_slot *s = &c->slot[c->loaded];

	s->tlb_gen = __atomic_load_n(&s->space->tlb_gen, __ATOMIC_SEQ_CST);
	s->stale = true;
	kaiser_slot_user_stale(c, s);
	kaiser_load_slot(c, c->loaded);
}

/* ---- switching -------------------------------------------------------------------------- */

/* The slot to run sp from: the one that holds it; else one that is not loaded, an empty one or the
 * one that was loaded longest ago, taken over. */
static unsigned slot_for(struct kaiser_cpu *c, struct kaiser_space *sp)
{
	unsigned victim = (c->loaded + 1) % c->slots;

	for (unsigned i = 0; i < c->slots; i++)
		if (c->slot[i].space_id == sp->id)
			return i;
	for (unsigned i = 0; i < c->slots; i++) {
		const struct kaiser_slot *s = &c->slot[i], *v = &c->slot[victim];
		if (i != c->loaded && v->space_id && (!s->space_id || s->loaded_at < v->loaded_at))
			victim = i;
	}
	kaiser_slot_forget(c, &c->slot[victim]);
	c->stats.recycles++;
	return victim;
}

/*
 * The space is loaded and stays so; flushes may have passed by while the CPU was lazy. There: raise
 * the generation, read `lazy`. Here: clear `lazy`, full barrier, read the generation. So either the
 * flush calls us, or we see that there was one.
 */
static void end_lazy(struct kaiser_cpu *c, const struct kaiser_slot *s)
{
	if (!c->lazy)
		return;
	__atomic_store_n(&c->lazy, false, __ATOMIC_SEQ_CST);
	if (s->tlb_gen == __atomic_load_n(&s->space->tlb_gen, __ATOMIC_SEQ_CST))
		return;
	c->stats.lazy_catch_ups++;
	kaiser_flush_loaded(c);
}

void kaiser_space_lazy(struct kaiser *k)
{
	struct kaiser_cpu *c = hw_this_cpu();

	(void)k;
	if (!c->lazy)
		c->stats.lazy++;
	__atomic_store_n(&c->lazy, true, __ATOMIC_RELEASE);
}

/*
 * A change of the space and this function meet as follows. There: write the entry, raise the
 * generation, read `active`, send IPIs. Here: join `active`, full barrier, read the generation,
 * copy, flush. So either the change sees us and its IPI, which waits until interrupts are on again,
 * brings the entry or the flush; or we see the new generation, and with it the entry. `gen` counts
 * what the copy must hold, `tlb_gen` what has to be flushed.
 */
void kaiser_space_switch(struct kaiser *k, struct kaiser_space *sp)
{
	struct kaiser_cpu *c = hw_this_cpu();
	struct kaiser_slot *old = &c->slot[c->loaded], *s;
	struct kaiser_space *from = old->space;
	uint64_t gen, tlb_gen;
	unsigned index;
	bool recycled, turned;

	if (!sp)
		sp = &k->empty;
	if (old->space_id == sp->id && !c->foreign) {
		end_lazy(c, old); /* loaded, and kept up to date by IPIs but for that */
		return;
	}
	kaiser_wipe_for_switch(c);
	c->stats.switches++;
	index = slot_for(c, sp);
	s = &c->slot[index];
	recycled = s->space_id != sp->id;
	__atomic_store_n(&c->lazy, false, __ATOMIC_SEQ_CST); /* or a flush passes us by */
	__atomic_or_fetch(&sp->cpus, cpu_bit(c), __ATOMIC_SEQ_CST);
	__atomic_or_fetch(&sp->active, cpu_bit(c), __ATOMIC_SEQ_CST);
	gen = __atomic_load_n(&sp->gen, __ATOMIC_SEQ_CST);
	tlb_gen = __atomic_load_n(&sp->tlb_gen, __ATOMIC_SEQ_CST);
	turned = s->isolated != kaiser_wants_isolation(k, sp);
	if (turned) {
		kaiser_slot_change_begins(s);
		kaiser_slot_turn(c, s);
		kaiser_slot_change_ends(s);
		c->stats.mode_turns += !recycled;
	}
	if (recycled || s->gen != gen)
		slot_fill(c, s, sp);
	if (recycled || turned || s->tlb_gen != tlb_gen) {
		s->stale = true;
		kaiser_slot_user_stale(c, s);
	}
	s->space_id = sp->id;
	s->space = sp;
	s->gen = gen;
	s->tlb_gen = tlb_gen;
	kaiser_load_slot(c, index);
	kaiser_ldt_load(c, s->ldt);
	if (from && from != sp)
		__atomic_and_fetch(&from->active, ~cpu_bit(c), __ATOMIC_SEQ_CST);
}

bool kaiser_slot_info(struct kaiser *k, unsigned cpu, unsigned slot, struct kaiser_slot_info *si)
{
	const struct kaiser_slot *s;

	if (cpu >= k->cfg.cpus || !k->cpu[cpu] || slot >= k->cpu[cpu]->slots)
		return false;
	s = &k->cpu[cpu]->slot[slot];
	si->space_id = s->space_id;
	si->kernel_root = s->pa;
	si->user_root = s->pa + KAISER_PAGE_SIZE;
	si->loaded = k->cpu[cpu]->entered && k->cpu[cpu]->loaded == slot;
	si->isolated = s->space_id && s->isolated;
	return true;
}
