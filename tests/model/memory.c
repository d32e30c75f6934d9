/* SPDX-License-Identifier: MIT */
/* What steps do to memory: each takes something out of tables, flushes, and gives it back. */
#include <string.h>

#include "model.h"

void op_map(const struct step *st)
{
	struct space *s = hold(st->space);

	if (!s)
		return;
	lock(&s->lock);
	for (unsigned i = 0; i <= st->n % 4u; i++) {
		uint64_t pa = (uint64_t)arena_get(0);
		if (!map_page(s, (st->page + i) % PAGES, pa, st->arg))
			arena_put((void *)pa, 0);
	}
	unlock(&s->lock);
	drop(s);
}

/* Pages [page, page + n]: taken out, flushed as a range, given back. Unlocked early, so that other
 * flushes of the space may overtake this one, or after all of it. */
void op_unmap(const struct step *st)
{
	struct space *s = hold(st->space);
	struct taken t = {.pages = 0};
	unsigned first = st->page % PAGES, last = first + st->n % 16u;
	bool early = st->arg & 2;

	if (!s)
		return;
	if (last >= PAGES)
		last = PAGES - 1;
	lock(&s->lock);
	revoke_begin(&t.revoke, s);
	for (unsigned page = first; page <= last; page++)
		take_page(s, &t, page_va(page));
	if (early)
		unlock(&s->lock);
	if (first == last)
		kaiser_flush_page(&s->ks, page_va(first));
	else
		kaiser_flush_range(&s->ks, page_va(first), page_va(last) + PAGE_BYTES, false);
	revoke_end(&t.revoke, "after unmap");
	give_back(&t);
	if (!early)
		unlock(&s->lock);
	drop(s);
}

/* W or X taken away, or given: the latter needs no flush. */
void op_protect(const struct step *st)
{
	struct space *s = hold(st->space);
	struct revoke r;
	unsigned first = st->page % PAGES, last = first + st->n % 8u;
	uint64_t bit = st->arg & 1 ? PTE_W : PTE_NX;

	if (!s)
		return;
	if (bit == PTE_NX && !(m.conf & CONF_NX))
		bit = PTE_W;
	if (last >= PAGES)
		last = PAGES - 1;
	lock(&s->lock);
	revoke_begin(&r, s);
	for (unsigned page = first; page <= last; page++) {
		uint64_t *e = entry_at(s, page_va(page), 0);
		if (!e || !(*e & PTE_P))
			continue;
		revoke_add(&r, page_va(page), 0, false, *e & PTE_ADDR);
		write_entry(e, *e ^ bit);
		adversary_touch(page_va(page));
	}
	kaiser_flush_range(&s->ks, page_va(first), page_va(last) + PAGE_BYTES, false);
	revoke_end(&r, "after protect");
	unlock(&s->lock);
	drop(s);
}

void op_free_table(const struct step *st)
{
	struct space *s = hold(st->space);
	struct taken t = {.pages = 0};
	uint64_t va = page_va(st->page % PAGES) & ~UINT64_C(0x1fffff);
	uint64_t start = va, end = va + (UINT64_C(1) << 21);

	if (!s)
		return;
	lock(&s->lock);
	revoke_begin(&t.revoke, s);
	take_table(s, &t, va);
	if (t.pages && (st->arg & 2)) { /* as a host that counts only the pages it unmapped */
		start = t.revoke.e[0].va;
		end = t.revoke.e[t.pages - 1].va + PAGE_BYTES;
	}
	kaiser_flush_range(&s->ks, start, end, true);
	revoke_end(&t.revoke, "after freeing a table");
	give_back(&t);
	unlock(&s->lock);
	drop(s);
}

void op_unmap_all(const struct step *st)
{
	struct space *s = hold(st->space);
	struct taken t = {.pages = 0};

	if (!s)
		return;
	lock(&s->lock);
	revoke_begin(&t.revoke, s);
	for (unsigned page = 0; page < PAGES; page += 8)
		take_table(s, &t, page_va(page));
	kaiser_flush_space(&s->ks, true);
	revoke_end(&t.revoke, "after unmapping all");
	give_back(&t);
	unlock(&s->lock);
	drop(s);
}

/* A top-level entry is replaced: the old table is the host's again when that call returns. */
void op_top(const struct step *st)
{
	struct space *s = hold(st->space);
	uint64_t va = page_va(st->page % PAGES), *e, *old, *copy;
	struct revoke r;

	if (!s)
		return;
	lock(&s->lock);
	e = entry_at(s, va, 3);
	if (*e & PTE_P) {
		old = (uint64_t *)(*e & PTE_ADDR);
		copy = arena_get(0);
		memcpy(copy, old, PAGE_BYTES);
		revoke_begin(&r, s);
		revoke_add(&r, va & ~((UINT64_C(1) << 39) - 1), 3, true, (uint64_t)old);
		kaiser_space_set_top(&s->ks, va >> 39 & 511,
				     (uint64_t)copy | PTE_P | PTE_W | PTE_U);
		revoke_end(&r, "after replacing a top-level entry");
		arena_put(old, 0);
	}
	unlock(&s->lock);
	drop(s);
}

/* ---- the kernel's own memory ---- */

void op_kmap(const struct step *st)
{
	lock(&m.kernel_lock);
	for (unsigned i = 0; i <= st->n % 3u; i++) {
		uint64_t va = kpage_va((st->page + i) % KPAGES);
		uint64_t *e = pte_of(m.kernel_top, va, 0), pa;
		if (*e & PTE_P)
			continue;
		pa = (uint64_t)arena_get(0);
		page_ref(pa);
		write_entry(e, pa | PTE_P | PTE_NX | (st->arg & 1 ? PTE_W : 0));
		adversary_touch(va);
	}
	unlock(&m.kernel_lock);
}

void op_kunmap(const struct step *st, bool all)
{
	struct taken t = {.pages = 0};
	unsigned first = all ? 0 : st->page % KPAGES, last = all ? KPAGES - 1 : first + st->n % 3u;

	if (last >= KPAGES)
		last = KPAGES - 1;
	lock(&m.kernel_lock);
	revoke_begin(&t.revoke, NULL);
	for (unsigned page = first; page <= last; page++) {
		uint64_t va = kpage_va(page), *e = pte_of(m.kernel_top, va, 0);
		if (!(*e & PTE_P))
			continue;
		t.page[t.pages++] = *e & PTE_ADDR;
		revoke_add(&t.revoke, va, 0, false, *e & PTE_ADDR);
		write_entry(e, 0);
	}
	if (all)
		kaiser_flush_all(&m.k);
	else
		kaiser_flush_kernel(&m.k, kpage_va(first), kpage_va(last) + PAGE_BYTES);
	revoke_end(&t.revoke, all ? "after flushing all" : "after a kernel flush");
	give_back(&t);
	unlock(&m.kernel_lock);
}
