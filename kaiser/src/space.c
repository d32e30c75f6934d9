/* SPDX-License-Identifier: MIT */
/* Spaces: life, and changes of their top level while CPUs run them. */
#include "internal.h"

int kaiser_space_init(struct kaiser *k, struct kaiser_space *s, uint64_t *top)
{
	if (!k || !s || !top || ((uintptr_t)top & (KAISER_PAGE_SIZE - 1)))
		return KAISER_E_ARG;
	*s = (struct kaiser_space){
		.k = k,
		.top = top,
		.id = __atomic_add_fetch(&k->next_space_id, 1, __ATOMIC_RELAXED),
	};
	return KAISER_OK;
}

struct change {
	struct kaiser_space *s;
	unsigned index;
	uint64_t entry, gen;
	bool flush;
};

/* On each CPU that runs the space, interrupts off. */
static void change_here(void *arg)
{
	const struct change *ch = arg;
	struct kaiser_cpu *c = hw_this_cpu();
	struct kaiser_slot *sl = &c->slot[c->loaded];

	if (sl->space_id != ch->s->id)
		return;
	kaiser_slot_write_entry(c, sl, ch->index, ch->entry);
	if (sl->gen < ch->gen)
		sl->gen = ch->gen;
	if (ch->flush && !c->foreign)
		kaiser_flush_loaded(c);
}

int kaiser_space_set_top(struct kaiser_space *s, unsigned index, uint64_t entry)
{
	struct change ch = {.s = s, .index = index, .entry = entry};
	uint64_t old, flags, bit = UINT64_C(1) << (index % 64);

	if (index >= 256)
		return KAISER_E_ARG;
	old = s->top[index];
	__atomic_store_n(&s->top[index], entry, __ATOMIC_RELEASE);
	if (entry & PTE_P)
		__atomic_or_fetch(&s->used[index / 64], bit, __ATOMIC_SEQ_CST);
	ch.flush = (old & PTE_P) && old != entry;
	ch.gen = __atomic_add_fetch(&s->gen, 1, __ATOMIC_SEQ_CST);
	if (ch.flush) /* CPUs that only hold the space catch up by it */
		__atomic_add_fetch(&s->tlb_gen, 1, __ATOMIC_SEQ_CST);

	flags = hw_irq_save();
	hw_this_cpu()->stats.top_writes++;
	hw_irq_restore(flags);
	kaiser_call_cpus(s->k, __atomic_load_n(&s->active, __ATOMIC_SEQ_CST), change_here, &ch);
	if (!(entry & PTE_P)) /* only now: a CPU that copied meanwhile must have cleared it too */
		__atomic_and_fetch(&s->used[index / 64], ~bit, __ATOMIC_SEQ_CST);
	return KAISER_OK;
}

static void evict_here(void *arg)
{
	struct kaiser_space *s = arg;
	struct kaiser_cpu *c = hw_this_cpu();

	if (c->slot[c->loaded].space_id == s->id)
		kaiser_space_switch(s->k, NULL);
	for (unsigned i = 0; i < c->slots; i++)
		if (c->slot[i].space_id == s->id)
			kaiser_slot_forget(c, &c->slot[i]);
}

void kaiser_space_evict(struct kaiser_space *s)
{
	kaiser_call_cpus(s->k, __atomic_load_n(&s->cpus, __ATOMIC_SEQ_CST), evict_here, s);
	if (s->opted_out)
		kaiser_space_isolate(s, true);
	kaiser_ldt_evicted(s);
}

/* A foreign table may be an odd page's neighbour of nothing: an NMI that finds bit 12 set in CR3
 * would take it for a user root of ours and load the page before it. */
int kaiser_load_foreign(struct kaiser *k, kaiser_pa_t root)
{
	struct kaiser_cpu *c = hw_this_cpu();

	if (root == 0)
		root = k->cfg.kernel_root;
	if (root & (KAISER_PAGE_SIZE - 1))
		return KAISER_E_ARG; /* those bits would be a PCID */
	if (root & KAISER_SWITCH_BIT)
		return KAISER_E_FOREIGN;
	kaiser_space_switch(k, NULL);
	c->foreign = true;
	load_flushed(c, root); /* PCID 0 */
	return KAISER_OK;
}

void kaiser_cpu_leave(struct kaiser *k)
{
	struct kaiser_cpu *c = hw_this_cpu();
	struct kaiser_space *from;

	kaiser_load_foreign(k, 0);
	from = c->slot[c->loaded].space;
	for (unsigned i = 0; i < c->slots; i++)
		kaiser_slot_forget(c, &c->slot[i]);
	if (from)
		__atomic_and_fetch(&from->active, ~cpu_bit(c), __ATOMIC_SEQ_CST);
	__atomic_and_fetch(&k->live, ~cpu_bit(c), __ATOMIC_SEQ_CST);
	kaiser_pcid_leave(k);
	load_flushed(c, k->cfg.kernel_root); /* since the last write others flushed without us */
	c->entered = false;
}
