/* SPDX-License-Identifier: MIT */
/*
 * Page-table trees of a user half, of four levels or five; user addresses stay below 47 bits in
 * both, so that with five the top level has one entry. Entries between levels are P|W|U: rights are
 * the leaf's alone. The live tree's top level belongs to libkaiser, so it is written by
 * kaiser_space_set_top() only. A not-present entry is always zero. The order of every removal:
 * entry cleared, every CPU's TLB flushed, and only then the page or table given back. mm->lock is
 * held throughout.
 *
 * A table is sparse, and walking 512 entries to find two is most of what fork and munmap would do.
 * So a table's struct page has a bit for each group of eight entries, one cache line, that may hold
 * something: set when tree_make() gives an entry out, and never cleared, since a group that is
 * looked at in vain costs little.
 */
#include "internal.h"
#include "printk.h"

#define TABLE_ENTRIES 512
#define GROUP         8
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

static uint64_t *groups_of(const uint64_t *table)
{
	return &phys_to_page(virt_to_phys(table))->groups;
}

uint64_t *table_new(void)
{
	uint64_t *table = page_zalloc();

	if (table)
		*groups_of(table) = 0;
	return table;
}

/* The index of the first entry from i on that is not zero; TABLE_ENTRIES: none. */
static unsigned next_entry(const uint64_t *table, unsigned i)
{
	uint64_t m = *groups_of(table) & (i < TABLE_ENTRIES ? UINT64_MAX << i / GROUP : 0);

	for (; m; m &= m - 1) {
		unsigned group = (unsigned)__builtin_ctzll(m) * GROUP;

		for (i = MAX(i, group); i < group + GROUP; i++)
			if (table[i])
				return i;
	}
	return TABLE_ENTRIES;
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

/* Makes the table that entry i of `table`, of level l, is to lead to. NULL: out of memory. */
static uint64_t *make_below(struct tree t, uint64_t *table, unsigned l, unsigned i)
{
	uint64_t *fresh = table_new();
	uint64_t link;

	if (!fresh)
		return NULL;
	link = virt_to_phys(fresh) | PTE_LINK;
	*groups_of(table) |= BIT(i / GROUP);
	if (l == top_level() && !t.stash) {
		int err = kaiser_space_set_top(&t.mm->space, i, link);

		kassert(err == KAISER_OK);
	} else {
		__atomic_store_n(&table[i], link, __ATOMIC_RELEASE);
	}
	return fresh;
}

uint64_t *tree_make(struct tree t, uint64_t va)
{
	uint64_t *table;
	unsigned i;

	kassert(va < USER_TOP);
	if (t.stash && !t.mm->stash)
		t.mm->stash = table_new();
	table = top_of(t);
	for (unsigned l = top_level(); table && l > 0; l--) {
		i = index_of(va, l);
		table = table[i] & PTE_P ? table_of(table[i]) : make_below(t, table, l, i);
	}
	if (!table)
		return NULL;
	i = index_of(va, 0);
	*groups_of(table) |= BIT(i / GROUP);
	return &table[i];
}

uint64_t *tree_next(struct tree t, uint64_t *va, uint64_t end)
{
	uint64_t *top = top_of(t);

	while (top && *va < end) {
		uint64_t *table = top;

		for (unsigned l = top_level();; l--) {
			unsigned i = index_of(*va, l), found = next_entry(table, i);

			if (found != i)
				*va = ALIGN_DOWN(*va, span(l)) + (found - i) * span(l);
			if (*va >= end)
				return NULL;
			if (found == TABLE_ENTRIES)
				break;
			if (l == 0)
				return &table[found];
			table = table_of(table[found]);
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
	if (level > 0)
		for (unsigned i = 0; (i = next_entry(table, i)) < TABLE_ENTRIES; i++)
			collect(out, table_of(table[i]), level - 1);
	list_add(&out->tables, &phys_to_page(virt_to_phys(table))->link);
}

static void prune_level(struct tree t, struct pruned *out, uint64_t *table, unsigned level,
			uint64_t base, uint64_t lo, uint64_t hi)
{
	unsigned i = lo > base ? index_of(lo, level) : 0;

	for (; (i = next_entry(table, i)) < TABLE_ENTRIES; i++) {
		uint64_t start = base + i * span(level), end = start + span(level);
		uint64_t e = table[i];

		if (start >= hi)
			return;
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
	collect(&out, top, top_level());
	free_tables(&out.tables);
}
