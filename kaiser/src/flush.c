/* SPDX-License-Identifier: MIT */
/*
 * Flushes. A space's translations may be cached under two PCIDs a slot, on every CPU that holds it.
 *  - A CPU that runs it is called. It flushes the loaded kernel PCID with INVLPG or a CR3 write;
 * the user PCID with INVPCID, or by leaving it to its next exit's CR3 write (bit 63 of the exit
 * CR3).
 *  - A CPU that holds it in a slot not loaded is not called: the space's tlb_gen has grown, and the
 *    next switch to that slot flushes both (slots.c).
 *  - A CPU that keeps it loaded for a kernel thread is called only if page tables are freed, since
 * it may walk those speculatively, and set accessed bits in them; else it catches up like that too.
 * Kernel addresses are cached under every kernel PCID of every CPU: the loaded one is flushed, the
 * others are marked stale and flushed when they are loaded; user PCIDs only if they map the window.
 *
 * Without PCID every CR3 write drops everything, so there only the loaded root counts.
 *
 * INVLPG drops the paging-structure caches of the current PCID, whatever the address; INVPCID of
 * one address only those that lead to it. Where tables are freed all is flushed: SDM volume
 * 3, 4.10.4.
 */
#include "internal.h"

struct flush {
	struct kaiser_space *s; /* NULL: kernel addresses */
	uint64_t start, end;
	uint64_t gen; /* of the space, with this flush */
	bool full;
	bool freed_tables;
	bool window; /* user roots map some of it */
};

static void flush_pages(struct kaiser_cpu *c, const struct flush *f)
{
	for (uint64_t va = f->start; va < f->end; va += KAISER_PAGE_SIZE)
		hw_invlpg(va);
	c->stats.flush_pages += (f->end - f->start) / KAISER_PAGE_SIZE;
}

static void flush_user_pages(struct kaiser_cpu *c, struct kaiser_slot *s, const struct flush *f)
{
	uint64_t pcid = (unsigned)(s - c->slot + 1) | KAISER_USER_PCID;

	if (!c->k->policy.pcid || !s->isolated || kaiser_slot_is_user_stale(c, s))
		return;
	if (!c->k->policy.invpcid) {
		kaiser_slot_user_stale(c, s);
		return;
	}
	for (uint64_t va = f->start; va < f->end; va += KAISER_PAGE_SIZE)
		hw_invpcid(INVPCID_ADDRESS, pcid, va);
	c->stats.invpcid_pages += (f->end - f->start) / KAISER_PAGE_SIZE;
}

/* Only the flush that is next in order may flush by pages: one before it may still be on its way,
 * and would then be taken for done. */
static void flush_space_here(void *arg)
{
	const struct flush *f = arg;
	struct kaiser_cpu *c = hw_this_cpu();
	struct kaiser_slot *s = &c->slot[c->loaded];

	if (s->space_id != f->s->id || c->foreign || s->tlb_gen >= f->gen)
		return; /* switched meanwhile, or flushed later than asked: it is or will be done */
	if (f->full || s->tlb_gen + 1 != f->gen) {
		kaiser_flush_loaded(c);
		c->stats.flush_full++;
		return;
	}
	flush_pages(c, f);
	flush_user_pages(c, s, f);
	s->tlb_gen = f->gen;
}

static void flush_kernel_here(void *arg)
{
	const struct flush *f = arg;
	struct kaiser_cpu *c = hw_this_cpu();

	if (f->full) {
		load_flushed(c, hw_read_cr3()); /* bit 63 reads as 0 */
		c->stats.flush_full++;
	} else {
		flush_pages(c, f);
	}
	if (!c->k->policy.pcid)
		return;
	for (unsigned i = 0; i < c->slots; i++) {
		if (i != c->loaded || c->foreign)
			c->slot[i].stale = true;
		if (f->window)
			kaiser_slot_user_stale(c, &c->slot[i]);
	}
}

/* Everything, under every PCID, what somebody made global too. A change of CR4.PGE does that: so it
 * is flipped, whatever it is, and put back. */
static void flush_all_here(void *arg)
{
	struct kaiser_cpu *c = hw_this_cpu();
	uint64_t cr4;

	(void)arg;
	c->stats.flush_full++;
	if (c->k->policy.invpcid) {
		hw_invpcid(INVPCID_ALL, 0, 0);
		c->stats.invpcid_all++;
	} else if (c->k->pge) {
		cr4 = hw_read_cr4();
		hw_write_cr4(cr4 ^ CR4_PGE);
		hw_write_cr4(cr4);
		c->stats.pge_toggles++;
		c->stats.pge_was_off += !(cr4 & CR4_PGE);
	} else {
		load_flushed(c, hw_read_cr3());
	}
}

static unsigned count_bits(uint64_t mask)
{
	unsigned n = 0;

	for (; mask; mask &= mask - 1)
		n++;
	return n;
}

static uint64_t lazy_cpus(const struct kaiser *k, uint64_t mask)
{
	uint64_t lazy = 0;

	for (; mask; mask &= mask - 1) {
		unsigned cpu = (unsigned)__builtin_ctzll(mask);
		if (__atomic_load_n(&k->cpu[cpu]->lazy, __ATOMIC_SEQ_CST))
			lazy |= UINT64_C(1) << cpu;
	}
	return lazy;
}

static void flush_cpus(struct kaiser *k, const uint64_t *cpus, void (*here)(void *arg),
		       struct flush *f)
{
	uint64_t flags = hw_irq_save(), self, mask, lazy = 0;
	struct kaiser_cpu *c;

	/* The host's table writes must be visible before the mask is read: a CPU that joins later
	 * then walks the new tables. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	mask = __atomic_load_n(cpus, __ATOMIC_SEQ_CST);
	if (!mask) { /* as before the first CPU has entered, when this one is not known yet */
		hw_irq_restore(flags);
		return;
	}
	c = hw_this_cpu();
	self = cpu_bit(c);
	f->full |= (f->end - f->start) / KAISER_PAGE_SIZE > KAISER_FLUSH_PAGES_MAX;
	if (f->s && !f->freed_tables)
		lazy = lazy_cpus(k, mask);
	mask &= ~lazy;
	if (mask & self)
		here(f);
	mask &= ~self;
	c->stats.flush_ipis += count_bits(mask);
	c->stats.flush_lazy += count_bits(lazy);
	hw_irq_restore(flags);
	if (mask)
		kaiser_call_cpus(k, mask, here, f);
}

/* Whole pages, and none outside the user half: INVPCID of a non-canonical address is #GP. */
static void flush_space(struct kaiser_space *s, struct flush *f)
{
	const uint64_t half = UINT64_C(1) << (s->k->levels == 5 ? 56 : 47);

	f->s = s;
	f->start &= ~(uint64_t)(KAISER_PAGE_SIZE - 1);
	if (f->end > half)
		f->end = half;
	if (f->start >= f->end)
		return;
	f->end = (f->end + KAISER_PAGE_SIZE - 1) & ~(uint64_t)(KAISER_PAGE_SIZE - 1);
	f->gen = __atomic_add_fetch(&s->tlb_gen, 1, __ATOMIC_SEQ_CST);
	flush_cpus(s->k, &s->active, flush_space_here, f);
}

void kaiser_flush_range(struct kaiser_space *s, uint64_t start, uint64_t end, bool freed_tables)
{
	struct flush f = {
		.start = start, .end = end, .full = freed_tables, .freed_tables = freed_tables};

	flush_space(s, &f);
}

void kaiser_flush_page(struct kaiser_space *s, uint64_t va)
{
	kaiser_flush_range(s, va, va + 1, false);
}

void kaiser_flush_space(struct kaiser_space *s, bool freed_tables)
{
	struct flush f = {.end = s->k->cfg.user_end, .full = true, .freed_tables = freed_tables};

	flush_space(s, &f);
}

void kaiser_flush_kernel(struct kaiser *k, uint64_t start, uint64_t end)
{
	uint64_t window_end =
		k->cfg.window + kaiser_window_bytes_for(k->cfg.cpus, k->cfg.extra_pages);
	struct flush f = {.start = start, .end = end};

	f.window = start < window_end && end > k->cfg.window;
	if (start < end)
		flush_cpus(k, &k->live, flush_kernel_here, &f);
}

void kaiser_flush_all(struct kaiser *k)
{
	struct flush f = {.full = true};

	flush_cpus(k, &k->live, flush_all_here, &f);
}

void kaiser_stats(struct kaiser *k, struct kaiser_stats *st)
{
	*st = (struct kaiser_stats){0};
	for (unsigned i = 0; i < k->cfg.cpus; i++) {
		if (!k->cpu[i])
			continue;
		const struct kaiser_stats *a = &k->cpu[i]->stats;
		st->switches += a->switches;
		st->recycles += a->recycles;
		st->lazy += a->lazy;
		st->lazy_catch_ups += a->lazy_catch_ups;
		st->cr3_writes += a->cr3_writes;
		st->cr3_flushes += a->cr3_flushes;
		st->user_flushes += a->user_flushes;
		st->flush_pages += a->flush_pages;
		st->flush_full += a->flush_full;
		st->flush_ipis += a->flush_ipis;
		st->flush_lazy += a->flush_lazy;
		st->invpcid_pages += a->invpcid_pages;
		st->invpcid_all += a->invpcid_all;
		st->pge_toggles += a->pge_toggles;
		st->pge_was_off += a->pge_was_off;
		st->top_writes += a->top_writes;
		st->mode_turns += a->mode_turns;
	}
}
