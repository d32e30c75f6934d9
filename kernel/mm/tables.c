/* SPDX-License-Identifier: MIT */
/*
 * Page-table trees of a user half, of four levels or five; user addresses stay below 47 bits in
 * both, so that with five the top level has one entry. Entries between levels are P|W|U: rights are
 * the leaf's alone. The live tree's top level belongs to libkaiser, so it is written by
 * kaiser_space_set_top() only. A not-present entry is always zero. The order of every removal:
 * entry cleared, every CPU's TLB flushed, and only then the page or table given back. mm->lock is
 * held throughout.
 */
#include "internal.h"
#include "printk.h"

#define TABLE_ENTRIES 512
#define PTE_LINK      (PTE_P | PTE_W | PTE_U)
#define USER_TOP      BIT(47) /* of what a tree may hold */

/* Level 0 holds the leaves. */
static unsigned top_level(void)
{
	return paging_levels - 1;
}

static uint64_t span(unsigned level)
{
	return BIT(PAGE_SHIFT + 9 * level);
}

static unsigned index_of(uint64_t va, unsigned level)
{
	return (unsigned)(va >> (PAGE_SHIFT + 9 * level)) & (TABLE_ENTRIES - 1);
}

static uint64_t *table_of(uint64_t e)
{
	return phys_to_virt(e & PTE_ADDR);
}

static uint64_t *top_of(struct tree t)
{
	return t.stash ? t.mm->stash : t.mm->space.top;
}

uint64_t *tree_find(struct tree t, uint64_t va)
{
	uint64_t *table = top_of(t);

	for (unsigned l = top_level(); table && l > 0; l--) {
		uint64_t e = table[index_of(va, l)];

		table = e & PTE_P ? table_of(e) : NULL;
	}
	return table ? &table[index_of(va, 0)] : NULL;
}

uint64_t *tree_make(struct tree t, uint64_t va)
{
	uint64_t *table;

	kassert(va < USER_TOP);
	if (t.stash && !t.mm->stash)
		t.mm->stash = page_zalloc();
	table = top_of(t);
	for (unsigned l = top_level(); table && l > 0; l--) {
		uint64_t *e = &table[index_of(va, l)];

		if (!(*e & PTE_P)) {
			void *fresh = page_zalloc();
			uint64_t link;

			if (!fresh)
				return NULL;
			link = virt_to_phys(fresh) | PTE_LINK;
			if (l == top_level() && !t.stash) {
				int err = kaiser_space_set_top(&t.mm->space, index_of(va, l), link);

				kassert(err == KAISER_OK);
			} else {
				__atomic_store_n(e, link, __ATOMIC_RELEASE);
			}
		}
		table = table_of(*e);
	}
	return table ? &table[index_of(va, 0)] : NULL;
}

uint64_t *tree_next(struct tree t, uint64_t *va, uint64_t end)
{
	uint64_t *top = top_of(t);

	while (top && *va < end) {
		uint64_t *table = top;
		unsigned l;

		for (l = top_level(); l > 0; l--) {
			uint64_t e = table[index_of(*va, l)];

			if (!(e & PTE_P))
				break;
			table = table_of(e);
		}
		if (l > 0) {
			*va = ALIGN_DOWN(*va, span(l)) + span(l);
			continue;
		}
		for (unsigned i = index_of(*va, 0); i < TABLE_ENTRIES && *va < end; i++) {
			if (table[i])
				return &table[i];
			*va += PAGE_SIZE;
		}
	}
	return NULL;
}

/* ---- removal ------------------------------------------------------------------------------ */

static void put_leaf(uint64_t e)
{
	page_put(phys_to_page(e & PTE_ADDR));
}

static void zap_tree(struct tree t, uint64_t start, uint64_t end)
{
	enum { BATCH = 128 };
	uint64_t gone[BATCH], va = start, *e;

	do {
		uint64_t first = UINT64_MAX;
		unsigned n = 0;

		while (n < BATCH && (e = tree_next(t, &va, end)) != NULL) {
			first = MIN(first, va);
			gone[n++] = __atomic_exchange_n(e, 0, __ATOMIC_ACQ_REL);
			va += PAGE_SIZE;
		}
		if (n == 0)
			return;
		if (!t.stash)
			kaiser_flush_range(&t.mm->space, first, MIN(va, end), false);
		t.mm->rss_pages -= n;
		while (n > 0)
			put_leaf(gone[--n]);
	} while (va < end);
}

void zap_range(struct mm *mm, uint64_t start, uint64_t end)
{
	zap_tree(mm_live(mm), start, end);
	zap_tree(mm_stash(mm), start, end);
}

struct pruned {
	struct list tables;
	uint64_t first, last; /* hull of what they mapped */
};

/* Moves a table and those below it to the list. */
static void collect(struct pruned *out, uint64_t *table, unsigned level)
{
	for (unsigned i = 0; level > 0 && i < TABLE_ENTRIES; i++)
		if (table[i] & PTE_P)
			collect(out, table_of(table[i]), level - 1);
	list_add(&out->tables, &phys_to_page(virt_to_phys(table))->link);
}

static void prune_level(struct tree t, struct pruned *out, uint64_t *table, unsigned level,
			uint64_t base, uint64_t lo, uint64_t hi)
{
	unsigned n = level == top_level() ? TABLE_ENTRIES / 2 : TABLE_ENTRIES;

	for (unsigned i = lo > base ? index_of(lo, level) : 0; i < n; i++) {
		uint64_t start = base + i * span(level), end = start + span(level);
		uint64_t e = table[i];

		if (start >= hi)
			return;
		if (!(e & PTE_P))
			continue;
		if (start < lo || end > hi) {
			if (level > 1)
				prune_level(t, out, table_of(e), level - 1, start, lo, hi);
			continue;
		}
		if (level == top_level() && !t.stash) {
			int err = kaiser_space_set_top(&t.mm->space, i, 0);

			kassert(err == KAISER_OK);
		} else {
			__atomic_store_n(&table[i], 0, __ATOMIC_RELEASE);
		}
		collect(out, table_of(e), level - 1);
		out->first = MIN(out->first, start);
		out->last = MAX(out->last, end);
	}
}

static void free_tables(struct list *tables)
{
	list_for_each_entry_safe (p, next, tables, struct page, link) {
		list_del(&p->link);
		page_free(p, 0);
	}
}

void tree_prune(struct tree t, uint64_t lo, uint64_t hi)
{
	struct pruned out = {LIST_INIT(out.tables), UINT64_MAX, 0};

	if (!top_of(t))
		return;
	prune_level(t, &out, top_of(t), top_level(), 0, lo, hi);
	if (list_empty(&out.tables))
		return;
	if (!t.stash)
		kaiser_flush_range(&t.mm->space, out.first, MIN(out.last, USER_END), true);
	free_tables(&out.tables);
}

void tree_destroy(struct tree t)
{
	struct pruned out = {LIST_INIT(out.tables), 0, 0};
	uint64_t va = 0, *e, *top = top_of(t);

	if (!top)
		return;
	for (; (e = tree_next(t, &va, USER_TOP)) != NULL; va += PAGE_SIZE)
		put_leaf(*e);
	for (unsigned i = 0; i < TABLE_ENTRIES / 2; i++)
		if (top[i] & PTE_P)
			collect(&out, table_of(top[i]), top_level() - 1);
	free_tables(&out.tables);
	page_free_virt(top);
}
