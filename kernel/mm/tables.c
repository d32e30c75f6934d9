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
	uint64_t m;

	if (i < TABLE_ENTRIES && table[i])
		return i; /* most walks are from one entry to its neighbour */
	m = *groups_of(table) & (i < TABLE_ENTRIES ? UINT64_MAX << i / GROUP : 0);
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

/*
 * What one flush is to cover. A table that maps nothing but what goes is unlinked as it is, with
 * all below it, and its pages are found in it afterwards; so only the tables at a range's two ends
 * have their entries cleared one by one, at most 1,022, and their pages remembered here. Where
 * memory is out there is room for a few only, and a flush for each so many.
 */
enum { FEW = 64, MANY = PAGE_SIZE / sizeof(uint32_t) };

struct gather {
	struct tree t;
	struct page *tables, *leaf_tables; /* unlinked */
	uint64_t first, last;              /* hull of what went since the last flush */
	uint32_t *frames, few[FEW];        /* page frame numbers whose entries were cleared */
	unsigned n, room;
};

static void gather_init(struct gather *g, struct tree t)
{
	g->t = t;
	g->tables = NULL;
	g->leaf_tables = NULL;
	g->first = UINT64_MAX;
	g->last = 0;
	g->frames = g->few;
	g->n = 0;
	g->room = FEW;
}

static void put_leaf(struct mm *mm, uint64_t e)
{
	mm->rss_pages--;
	page_put(phys_to_page(e & PTE_ADDR));
}

static void put_frames(struct gather *g)
{
	while (g->n > 0)
		put_leaf(g->t.mm, (uint64_t)g->frames[--g->n] << PAGE_SHIFT);
}

static void free_tables(struct page *p)
{
	for (struct page *next; p; p = next) {
		next = p->unlinked;
		page_free(p, 0);
	}
}

static void put_tables(struct gather *g)
{
	for (struct page *p = g->leaf_tables; p; p = p->unlinked) {
		uint64_t *table = page_to_virt(p);

		for (unsigned i = 0; (i = next_entry(table, i)) < TABLE_ENTRIES; i++)
			put_leaf(g->t.mm, table[i]);
	}
	free_tables(g->leaf_tables);
	free_tables(g->tables);
}

/* After it nobody can reach what was gathered. No CPU sees the stash. */
static void flush_gathered(struct gather *g, bool freed_tables)
{
	if (!g->t.stash && g->first < g->last)
		kaiser_flush_range(&g->t.mm->space, g->first, MIN(g->last, USER_END), freed_tables);
	g->first = UINT64_MAX;
	g->last = 0;
}

static void gather_finish(struct gather *g)
{
	flush_gathered(g, g->tables || g->leaf_tables);
	put_frames(g);
	put_tables(g);
	if (g->frames != g->few)
		page_free(phys_to_page(virt_to_phys(g->frames)), 0);
}

static void gather_make_room(struct gather *g)
{
	struct page *p = g->frames == g->few ? page_alloc(0, 0) : NULL;

	if (!p) {
		flush_gathered(g, false);
		put_frames(g);
		return;
	}
	g->frames = page_to_virt(p);
	g->room = MANY;
	memcpy(g->frames, g->few, sizeof(g->few));
}

/* Moves a table and those below it to the lists. */
static void collect(struct gather *g, uint64_t *table, unsigned level)
{
	struct page **to = level > 0 ? &g->tables : &g->leaf_tables;
	struct page *p = phys_to_page(virt_to_phys(table));

	if (level > 0)
		for (unsigned i = 0; (i = next_entry(table, i)) < TABLE_ENTRIES; i++)
			collect(g, table_of(table[i]), level - 1);
	p->unlinked = *to;
	*to = p;
}

/* Unlinks what leads to tables all of whose addresses lie in [lo, hi). */
static void unlink_tables(struct gather *g, uint64_t *table, unsigned level, uint64_t base,
			  uint64_t lo, uint64_t hi)
{
	unsigned i = lo > base ? index_of(lo, level) : 0;

	for (; (i = next_entry(table, i)) < TABLE_ENTRIES; i++) {
		uint64_t start = base + i * span(level), end = start + span(level);
		uint64_t e = table[i];

		if (start >= hi)
			return;
		if (start < lo || end > hi) {
			if (level > 1)
				unlink_tables(g, table_of(e), level - 1, start, lo, hi);
			continue;
		}
		if (level == top_level() && !g->t.stash) {
			/* Flushes: nothing below can be reached when it returns. */
			int err = kaiser_space_set_top(&g->t.mm->space, i, 0);

			kassert(err == KAISER_OK);
		} else {
			__atomic_store_n(&table[i], 0, __ATOMIC_RELEASE);
			g->first = MIN(g->first, start);
			g->last = MAX(g->last, end);
		}
		collect(g, table_of(e), level - 1);
	}
}

static void clear_leaves(struct gather *g, uint64_t start, uint64_t end)
{
	uint64_t va = start, *e;

	for (; (e = tree_next(g->t, &va, end)) != NULL; va += PAGE_SIZE) {
		if (g->n == g->room)
			gather_make_room(g);
		g->first = MIN(g->first, va);
		g->last = MAX(g->last, va + PAGE_SIZE);
		g->frames[g->n++] =
			(uint32_t)((__atomic_exchange_n(e, 0, __ATOMIC_ACQ_REL) & PTE_ADDR) >>
				   PAGE_SHIFT);
	}
}

static void zap_tree(struct tree t, uint64_t start, uint64_t end, uint64_t lo, uint64_t hi)
{
	struct gather g;

	if (!top_of(t))
		return;
	gather_init(&g, t);
	unlink_tables(&g, top_of(t), top_level(), 0, lo, hi);
	clear_leaves(&g, start, end);
	gather_finish(&g);
}

void unmap_range(struct mm *mm, uint64_t start, uint64_t end, uint64_t lo, uint64_t hi)
{
	kassert(lo <= start && end <= hi);
	zap_tree(mm_live(mm), start, end, lo, hi);
	zap_tree(mm_stash(mm), start, end, lo, hi);
}

void zap_range(struct mm *mm, uint64_t start, uint64_t end)
{
	unmap_range(mm, start, end, start, end);
}

void tree_destroy(struct tree t)
{
	struct gather g;

	if (!top_of(t))
		return;
	gather_init(&g, t);
	collect(&g, top_of(t), top_level());
	put_tables(&g);
}
