/* SPDX-License-Identifier: MIT */
/*
 * Flushes. Without PCID every CR3 write drops all translations, so the user root's go with each
 * exit and entry, and those of a slot that is not loaded went when it was left: what remains is
 * the root that is loaded now, on the CPUs that run the space.
 *
 * A CPU that keeps a space loaded lazily, for a kernel thread, may still walk its tables
 * speculatively. It is in `active` like any other and so is told.
 */
#include "internal.h"

struct flush {
	struct kaiser_space *s; /* NULL: kernel addresses */
	uint64_t start, end;
	bool full;
};

static void flush_here(void *arg)
{
	const struct flush *f = arg;
	struct kaiser_cpu *c = hw_this_cpu();

	if (f->s && (c->slot[c->loaded].space_id != f->s->id || c->foreign))
		return; /* switched meanwhile, and that flushed */
	if (f->full) {
		hw_write_cr3(hw_read_cr3());
		c->stats.cr3_writes++;
		c->stats.flush_full++;
		return;
	}
	for (uint64_t va = f->start; va < f->end; va += KAISER_PAGE_SIZE) {
		hw_invlpg(va);
		c->stats.flush_pages++;
	}
}

static unsigned count_bits(uint64_t mask)
{
	unsigned n = 0;

	for (; mask; mask &= mask - 1)
		n++;
	return n;
}

static void flush_cpus(struct kaiser *k, const uint64_t *cpus, struct flush *f)
{
	const struct kaiser_ops *ops = k->cfg.ops;
	uint64_t flags = hw_irq_save(), self, mask;

	/* The host's table writes must be visible before the mask is read: a CPU that joins later
	 * then walks the new tables. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	self = UINT64_C(1) << ops->cpu_number(k->cfg.ctx);
	mask = __atomic_load_n(cpus, __ATOMIC_SEQ_CST);
	f->full |= (f->end - f->start) / KAISER_PAGE_SIZE > KAISER_FLUSH_PAGES_MAX;
	if (mask & self) {
		flush_here(f);
		if (mask & ~self)
			hw_this_cpu()->stats.flush_ipis += count_bits(mask & ~self);
	}
	hw_irq_restore(flags);
	if (mask & ~self)
		ops->call_cpus(k->cfg.ctx, mask & ~self, flush_here, f);
}

/* Freed tables need no more than this: every holder that could walk them is in `active`, and the
 * INVLPG of any page, like a CR3 write, drops the paging-structure caches (SDM volume 3, 4.10.4).
 */
void kaiser_flush_range(struct kaiser_space *s, uint64_t start, uint64_t end, bool freed_tables)
{
	struct flush f = {.s = s, .start = start, .end = end, .full = freed_tables};

	if (start >= end)
		return;
	__atomic_add_fetch(&s->tlb_gen, 1, __ATOMIC_SEQ_CST);
	flush_cpus(s->k, &s->active, &f);
}

void kaiser_flush_page(struct kaiser_space *s, uint64_t va)
{
	va &= ~(uint64_t)(KAISER_PAGE_SIZE - 1);
	kaiser_flush_range(s, va, va + KAISER_PAGE_SIZE, false);
}

void kaiser_flush_space(struct kaiser_space *s, bool freed_tables)
{
	(void)freed_tables;
	kaiser_flush_range(s, 0, s->k->cfg.user_end, true);
}

void kaiser_flush_kernel(struct kaiser *k, uint64_t start, uint64_t end)
{
	struct flush f = {.start = start, .end = end};

	if (start < end)
		flush_cpus(k, &k->live, &f);
}

void kaiser_flush_all(struct kaiser *k)
{
	struct flush f = {.full = true};

	flush_cpus(k, &k->live, &f);
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
		st->cr3_writes += a->cr3_writes;
		st->flush_pages += a->flush_pages;
		st->flush_full += a->flush_full;
		st->flush_ipis += a->flush_ipis;
		st->top_writes += a->top_writes;
	}
}
