/* SPDX-License-Identifier: MIT */
/*
 * Each CPU keeps a few single pages, so that most faults take no shared lock. A cache is touched by
 * its own CPU alone and with interrupts off, which is all the locking it needs. Until this_cpu()
 * works there are no caches, and the buddy allocator is used directly.
 */
#include "cpu.h"
#include "internal.h"
#include "printk.h"

enum { CACHE_MAX = 64, CACHE_BATCH = 32 };

struct page_cache {
	struct list pages; /* newest first: it is the one still in the data cache */
	unsigned count;
};

static struct page_cache caches[MAX_CPUS];

static struct page_cache *my_cache(void)
{
	struct cpu *c;
	struct page_cache *pc;

	if (!percpu_ready)
		return NULL;
	c = this_cpu();
	pc = c->page_cache;
	if (!pc) {
		pc = &caches[c->id];
		list_init(&pc->pages);
		c->page_cache = pc;
	}
	return pc;
}

struct page *page_cache_get(void)
{
	struct page_cache *pc = my_cache();
	struct page *p;

	if (!pc)
		return NULL;
	if (pc->count == 0)
		pc->count = buddy_take(&pc->pages, CACHE_BATCH);
	if (pc->count == 0)
		return NULL;
	p = list_first(&pc->pages, struct page, link);
	kassert(p->state == PAGE_CACHED);
	list_del(&p->link);
	pc->count--;
	return p;
}

bool page_cache_put(struct page *p)
{
	struct page_cache *pc = my_cache();

	if (!pc)
		return false;
	if (pc->count == CACHE_MAX) {
		buddy_give(&pc->pages, CACHE_BATCH);
		pc->count -= CACHE_BATCH;
	}
	list_add(&pc->pages, &p->link);
	pc->count++;
	return true;
}

bool page_cache_drain(void)
{
	struct page_cache *pc = my_cache();

	if (!pc || pc->count == 0)
		return false;
	buddy_give(&pc->pages, pc->count);
	pc->count = 0;
	return true;
}

uint64_t page_cache_count(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < MAX_CPUS; i++)
		n += __atomic_load_n(&caches[i].count, __ATOMIC_RELAXED);
	return n;
}
