/* SPDX-License-Identifier: MIT */
#include "tlb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPAN(level) (UINT64_C(1) << (12 + 9 * (level)))

static void *get(void *old, size_t n)
{
	void *p = realloc(old, n);

	if (!p) {
		fprintf(stderr, "model: out of memory\n");
		exit(2);
	}
	return p;
}

/* ---- one PCID's entries ---- */

static unsigned bucket(const struct tlb_set *s, const struct tlb_entry *e)
{
	uint64_t h = (e->va >> 12) * 8 + e->level * 2 + e->table;

	return (unsigned)(h * UINT64_C(0x9e3779b97f4a7c15) >> 40) & (s->buckets - 1);
}

static void index_add(struct tlb_set *s, unsigned place)
{
	unsigned b = bucket(s, &s->e[place]);

	while (s->index[b] >> 32 == s->epoch)
		b = (b + 1) & (s->buckets - 1);
	s->index[b] = (uint64_t)s->epoch << 32 | place;
}

/* Forgets the index in one step: what carries an older epoch is free. */
static void index_clear(struct tlb_set *s)
{
	if (++s->epoch == 0) {
		memset(s->index, 0, s->buckets * sizeof(*s->index));
		s->epoch = 1;
	}
}

static void grow(struct tlb_set *s)
{
	s->room = s->room ? s->room * 2 : 64;
	s->buckets = s->room * 2;
	s->e = get(s->e, s->room * sizeof(*s->e));
	s->index = get(s->index, s->buckets * sizeof(*s->index));
	memset(s->index, 0, s->buckets * sizeof(*s->index));
	s->epoch = 1;
	for (unsigned i = 0; i < s->n; i++)
		index_add(s, i);
}

static bool same(const struct tlb_entry *a, const struct tlb_entry *b)
{
	return a->va == b->va && a->pa == b->pa && a->level == b->level && a->rights == b->rights &&
	       a->table == b->table && a->global == b->global;
}

static bool set_insert(struct tlb_set *s, const struct tlb_entry *e)
{
	if (s->n == s->room)
		grow(s);
	for (unsigned b = bucket(s, e); s->index[b] >> 32 == s->epoch;
	     b = (b + 1) & (s->buckets - 1))
		if (same(&s->e[(uint32_t)s->index[b]], e))
			return false;
	s->e[s->n] = *e;
	index_add(s, s->n++);
	return true;
}

static void set_clear(struct tlb_set *s)
{
	if (s && s->n) {
		s->n = 0;
		index_clear(s);
	}
}

/* What INVLPG and INVPCID of one address drop: every translation that covers it, and
 * paging-structure entries: those that cover it, or all. */
static void set_drop(struct tlb_set *s, uint64_t va, bool all_tables)
{
	unsigned kept = 0;

	if (!s || !s->n)
		return;
	for (unsigned i = 0; i < s->n; i++) {
		const struct tlb_entry *e = &s->e[i];
		bool covers = va - e->va < SPAN(e->level);
		if (!(covers || (e->table && all_tables)))
			s->e[kept++] = *e;
	}
	if (kept == s->n)
		return;
	s->n = kept;
	index_clear(s);
	for (unsigned i = 0; i < kept; i++)
		index_add(s, i);
}

static void set_free(struct tlb_set *s)
{
	free(s->e);
	free(s->index);
}

static struct tlb_set *set_of(struct tlb *t, unsigned pcid)
{
	if (!t->set[pcid])
		t->set[pcid] = memset(get(NULL, sizeof(struct tlb_set)), 0, sizeof(struct tlb_set));
	return t->set[pcid];
}

/* ---- the processor ---- */

void tlb_init(struct tlb *t)
{
	memset(t, 0, sizeof(*t));
}

void tlb_free(struct tlb *t)
{
	for (unsigned i = 0; i < TLB_PCIDS; i++) {
		if (t->set[i])
			set_free(t->set[i]);
		free(t->set[i]);
	}
	set_free(&t->global);
	tlb_init(t);
}

unsigned tlb_pcid(const struct tlb *t)
{
	return t->cr4 & TLB_CR4_PCIDE ? t->cr3 & (TLB_PCIDS - 1) : 0;
}

static void drop_all(struct tlb *t, bool global)
{
	for (unsigned i = 0; i < TLB_PCIDS; i++)
		set_clear(t->set[i]);
	if (global)
		set_clear(&t->global);
}

/* 4.10.4.1: all of the PCID but GLOBAL ones, unless bit 63 says it need not. */
bool tlb_write_cr3(struct tlb *t, uint64_t v)
{
	if (!(t->cr4 & TLB_CR4_PCIDE) && (v & TLB_CR3_NOFLUSH))
		return false;
	t->cr3 = v & ~TLB_CR3_NOFLUSH;
	if (!(v & TLB_CR3_NOFLUSH))
		set_clear(t->set[tlb_pcid(t)]);
	return true;
}

bool tlb_write_cr4(struct tlb *t, uint64_t v)
{
	uint64_t old = t->cr4, changed = old ^ v;

	if ((changed & v & TLB_CR4_PCIDE) && (t->cr3 & (TLB_PCIDS - 1)))
		return false;
	if ((changed & TLB_CR4_PGE) || (changed & old & TLB_CR4_PCIDE))
		drop_all(t, true);
	else if (changed & v & TLB_CR4_SMEP)
		set_clear(t->set[tlb_pcid(t)]);
	t->cr4 = v;
	return true;
}

/* All paging-structure entries of the current PCID, whatever address they are of. */
void tlb_invlpg(struct tlb *t, uint64_t va)
{
	set_drop(t->set[tlb_pcid(t)], va, true);
	set_drop(&t->global, va, false);
}

bool tlb_invpcid(struct tlb *t, uint64_t type, uint64_t pcid, uint64_t va)
{
	unsigned sign = t->cr4 & TLB_CR4_LA57 ? 56 : 47;

	if (type > 3 || pcid >= TLB_PCIDS)
		return false;
	if (type < 2 && !(t->cr4 & TLB_CR4_PCIDE) && pcid)
		return false;
	if (type == 0 && (va + (UINT64_C(1) << sign)) >> sign >> 1)
		return false; /* not canonical */
	switch (type) {
	case 0:
		set_drop(t->set[pcid], va, false);
		break;
	case 1:
		set_clear(t->set[pcid]);
		break;
	default:
		drop_all(t, type == 2);
	}
	return true;
}

bool tlb_insert(struct tlb *t, const struct tlb_entry *e)
{
	struct tlb_entry n = *e;

	n.va &= ~(SPAN(n.level) - 1);
	n.global = e->global && !e->table && (t->cr4 & TLB_CR4_PGE);
	return set_insert(n.global ? &t->global : set_of(t, tlb_pcid(t)), &n);
}

void tlb_usable(struct tlb *t, tlb_fn fn, void *arg)
{
	struct tlb_set *sets[2] = {t->set[tlb_pcid(t)], &t->global};

	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 0; sets[k] && i < sets[k]->n; i++)
			if (!fn(arg, &sets[k]->e[i]))
				return;
}

void tlb_lookup(struct tlb *t, uint64_t va, bool table, unsigned level, tlb_fn fn, void *arg)
{
	struct tlb_set *sets[2] = {t->set[tlb_pcid(t)], &t->global};
	struct tlb_entry want = {.level = (uint8_t)level, .table = table};

	want.va = va & ~(SPAN(level) - 1);
	for (unsigned k = 0; k < 2; k++) {
		struct tlb_set *s = sets[k];
		if (!s || !s->n)
			continue;
		for (unsigned b = bucket(s, &want); s->index[b] >> 32 == s->epoch;
		     b = (b + 1) & (s->buckets - 1)) {
			struct tlb_entry *e = &s->e[(uint32_t)s->index[b]];
			if (e->va == want.va && e->level == level && e->table == table)
				if (!fn(arg, e))
					return;
		}
	}
}
