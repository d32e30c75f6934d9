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

	for (unsigned i = 0; i < KAISER_SLOTS; i++) {
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
	for (unsigned i = 0; i < KAISER_SLOTS; i++) {
		if (c->slot[i].root)
			k->cfg.ops->page_free(k->cfg.ctx, c->slot[i].root, 1);
		c->slot[i].root = NULL;
	}
}

void kaiser_slot_write_entry(struct kaiser_cpu *c, struct kaiser_slot *s,
			     const struct kaiser_space *sp, unsigned index, uint64_t entry)
{
	uint64_t bit = UINT64_C(1) << (index % 64);
	bool user = (entry & (PTE_P | PTE_U)) == (PTE_P | PTE_U);
	bool poison = user && sp->isolated && c->k->nx;

	if (!(entry & PTE_P))
		entry = 0; /* whatever a not-present entry holds is no business of these roots */
	if (entry)
		s->used[index / 64] |= bit;
	else
		s->used[index / 64] &= ~bit;
	__atomic_store_n(&s->seq, s->seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_store_n(&s->root[index], poison ? entry | PTE_NX : entry, __ATOMIC_RELAXED);
	__atomic_store_n(&s->root[USER_ROOT + index], user ? entry : 0, __ATOMIC_RELAXED);
	__atomic_store_n(&s->seq, s->seq + 1, __ATOMIC_RELEASE);
}

/* The slot, not loaded, becomes a copy of the space: old and new entries alike are written. */
static void slot_fill(struct kaiser_cpu *c, struct kaiser_slot *s, const struct kaiser_space *sp)
{
	for (unsigned w = 0; w < 4; w++) {
		uint64_t todo = s->used[w] | __atomic_load_n(&sp->used[w], __ATOMIC_ACQUIRE);
		while (todo) {
			unsigned index = w * 64 + (unsigned)__builtin_ctzll(todo);
			todo &= todo - 1;
			kaiser_slot_write_entry(c, s, sp, index,
						__atomic_load_n(&sp->top[index], __ATOMIC_RELAXED));
		}
	}
}

void kaiser_slot_forget(struct kaiser_cpu *c, struct kaiser_slot *s)
{
	if (s->space_id)
		__atomic_and_fetch(&s->space->cpus, ~cpu_bit(c), __ATOMIC_SEQ_CST);
	s->space_id = 0;
	s->space = NULL;
}

void kaiser_load_slot(struct kaiser_cpu *c, unsigned index)
{
	struct kaiser_slot *s = &c->slot[index];

	hw_write_cr3(s->pa);
	c->stats.cr3_writes++;
	c->loaded = index;
	c->foreign = false;
	c->exit_cr3 = s->space->isolated ? s->pa | KAISER_SWITCH_BIT : s->pa;
}

/* The slot to run sp from: the one that holds it, else one that is not loaded, taken over. */
static unsigned slot_for(struct kaiser_cpu *c, struct kaiser_space *sp)
{
	unsigned victim = (c->loaded + 1) % KAISER_SLOTS;

	for (unsigned i = 0; i < KAISER_SLOTS; i++)
		if (c->slot[i].space_id == sp->id)
			return i;
	kaiser_slot_forget(c, &c->slot[victim]);
	c->stats.recycles++;
	return victim;
}

/*
 * A change of the space's top level and this function meet as follows. There: write the entry,
 * raise the generation, read `active`, send IPIs. Here: join `active`, full barrier, read the
 * generation, copy. So either the change sees us and its IPI, which waits until interrupts are on
 * again, brings the entry; or we see the new generation and with it the entry.
 */
void kaiser_space_switch(struct kaiser *k, struct kaiser_space *sp)
{
	struct kaiser_cpu *c = hw_this_cpu();
	struct kaiser_slot *old = &c->slot[c->loaded], *s;
	struct kaiser_space *from = old->space;
	unsigned index;
	uint64_t gen;

	if (!sp)
		sp = &k->empty;
	if (old->space_id == sp->id && !c->foreign)
		return; /* loaded, and kept up to date by IPIs */
	kaiser_wipe_for_switch(c);
	c->stats.switches++;
	index = slot_for(c, sp);
	s = &c->slot[index];
	__atomic_or_fetch(&sp->cpus, cpu_bit(c), __ATOMIC_SEQ_CST);
	__atomic_or_fetch(&sp->active, cpu_bit(c), __ATOMIC_SEQ_CST);
	gen = __atomic_load_n(&sp->gen, __ATOMIC_SEQ_CST);
	if (s->space_id != sp->id || s->gen != gen)
		slot_fill(c, s, sp);
	s->space_id = sp->id;
	s->space = sp;
	s->gen = gen;
	kaiser_load_slot(c, index);
	if (from && from != sp)
		__atomic_and_fetch(&from->active, ~cpu_bit(c), __ATOMIC_SEQ_CST);
}

bool kaiser_slot_info(struct kaiser *k, unsigned cpu, unsigned slot, struct kaiser_slot_info *si)
{
	const struct kaiser_slot *s;
	struct kaiser_space *sp;

	if (cpu >= k->cfg.cpus || !k->cpu[cpu] || slot >= KAISER_SLOTS)
		return false;
	s = &k->cpu[cpu]->slot[slot];
	sp = s->space;
	si->space_id = s->space_id;
	si->kernel_root = s->pa;
	si->user_root = s->pa + KAISER_PAGE_SIZE;
	si->loaded = k->cpu[cpu]->entered && k->cpu[cpu]->loaded == slot;
	si->isolated = sp ? sp->isolated : false;
	return true;
}
