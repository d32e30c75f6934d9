/* SPDX-License-Identifier: MIT */
/* A space's tables: pages mapped, and taken out again together with the tables that held them. */
#include "model.h"

uint64_t *entry_at(struct space *s, uint64_t va, unsigned level)
{
	uint64_t *t = s->top;

	for (unsigned l = 3; l > level; l--) {
		uint64_t e = t[va >> (12 + 9 * l) & 511];
		if (!(e & PTE_P))
			return NULL;
		t = (uint64_t *)(e & PTE_ADDR);
	}
	return &t[va >> (12 + 9 * level) & 511];
}

void write_entry(uint64_t *e, uint64_t v)
{
	*e = v;
	model_yield();
}

static void add_table(struct space *s, uint64_t va, unsigned level)
{
	uint64_t v = (uint64_t)arena_get(0) | PTE_P | PTE_W | PTE_U;

	if (level == 3)
		kaiser_space_set_top(&s->ks, va >> 39 & 511, v);
	else
		write_entry(entry_at(s, va, level), v);
}

bool map_page(struct space *s, unsigned page, uint64_t pa, unsigned rights)
{
	uint64_t va = page_va(page), *e;

	for (unsigned level = 3; level > 0; level--) {
		e = entry_at(s, va, level);
		if (!(*e & PTE_P))
			add_table(s, va, level);
	}
	e = entry_at(s, va, 0);
	if (*e & PTE_P)
		return false;
	page_ref(pa);
	write_entry(e, pa | PTE_P | PTE_U | (rights & TLB_W ? PTE_W : 0) |
			       (rights & TLB_X || !(m.conf & CONF_NX) ? 0 : PTE_NX));
	adversary_touch(va);
	return true;
}

void take_page(struct space *s, struct taken *t, uint64_t va)
{
	uint64_t *e = entry_at(s, va, 0), pa;

	if (!e || !(*e & PTE_P))
		return;
	pa = *e & PTE_ADDR;
	revoke_add(&t->revoke, va, 0, false, pa);
	t->page[t->pages++] = pa;
	write_entry(e, 0);
}

static bool empty_table(const uint64_t *t)
{
	for (unsigned i = 0; i < 512; i++)
		if (t[i] & PTE_P)
			return false;
	return true;
}

/* Takes out the table that maps va's 2 MiB with its pages, and what above it is empty then. */
void take_table(struct space *s, struct taken *t, uint64_t va)
{
	for (unsigned page = 0; page < PAGES; page++)
		if (page_va(page) >> 21 == va >> 21)
			take_page(s, t, page_va(page));
	for (unsigned level = 1; level <= 3; level++) {
		uint64_t *e = entry_at(s, va, level), *table;
		uint64_t start = va & ~((UINT64_C(1) << (12 + 9 * level)) - 1);
		if (!e || !(*e & PTE_P))
			continue;
		table = (uint64_t *)(*e & PTE_ADDR);
		if (!empty_table(table))
			return;
		revoke_add(&t->revoke, start, level, true, (uint64_t)table);
		t->table[t->tables++] = table;
		if (level == 3)
			kaiser_space_set_top(&s->ks, va >> 39 & 511, 0);
		else
			write_entry(e, 0);
	}
}

void give_back(struct taken *t)
{
	for (unsigned i = 0; i < t->pages; i++)
		page_unref(t->page[i]);
	for (unsigned i = 0; i < t->tables; i++)
		arena_put(t->table[i], 0);
}
