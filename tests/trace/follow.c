/* SPDX-License-Identifier: MIT */
#include "follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define P         UINT64_C(1)
#define W         UINT64_C(2)
#define U         UINT64_C(4)
#define PS        UINT64_C(0x80)
#define G         UINT64_C(0x100)
#define NX        (UINT64_C(1) << 63)
#define ADDR      UINT64_C(0x000ffffffffff000)
#define USER_ROOT UINT64_C(0x1000)

struct follow f;

/* ---- page-table entries in memory, by physical address ---- */

struct pte {
	uint64_t at, value;
	uint64_t done; /* what the writer had come back from when it wrote */
	uint32_t writer;
	bool used;
};

static struct pte *ptes;
static unsigned pte_room, pte_count;

static struct pte *find(uint64_t at)
{
	unsigned i = (unsigned)((at >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 40) & (pte_room - 1);

	while (ptes[i].used && ptes[i].at != at)
		i = (i + 1) & (pte_room - 1);
	return &ptes[i];
}

static struct pte *pte_of(uint64_t at)
{
	struct pte *old = ptes, *p;
	unsigned n = pte_room;

	if (pte_count * 2 >= pte_room) {
		pte_room = pte_room ? pte_room * 2 : 1u << 16;
		ptes = calloc(pte_room, sizeof(*ptes));
		if (!ptes)
			exit(2);
		for (unsigned i = 0; i < n; i++)
			if (old[i].used)
				*find(old[i].at) = old[i];
		free(old);
	}
	p = find(at);
	if (!p->used) {
		*p = (struct pte){.at = at, .used = true};
		pte_count++;
	}
	return p;
}

/* What matters to whoever cached `was`: accessed and dirty bits do not, nor does a right added. */
static bool revokes(uint64_t was, uint64_t now)
{
	if (!(now & P))
		return true;
	return ((was ^ now) & (ADDR | PS)) || (was & ~now & (W | U)) || (~was & now & NX);
}

static void change(struct cpu *c, struct pte *p, uint64_t now)
{
	if ((p->value & P) && revokes(p->value, now)) {
		f.changes++;
		c->wrote = true;
		p->writer = (uint32_t)(c - f.cpu);
		p->done = c->done;
	}
	p->value = now;
}

/* ---- the judge ---- */

struct judge {
	struct cpu *c;
	const char *what;
	uint64_t *count;
	uint64_t va; /* of an access; 0: any */
};

static bool stale(const struct cpu *c, const struct tlb_entry *e)
{
	const struct pte *p = find(e->from);

	if (!p->used || !revokes(e->made, p->value))
		return false;
	if (f.cpu[p->writer].done == p->done) {
		f.excused++;
		return false;
	}
	return !(c->lazy && !e->table && !(e->va >> 63) && !(c->tlb.cr3 & USER_ROOT));
}

static bool judge_entry(void *arg, struct tlb_entry *e)
{
	const struct judge *j = arg;

	if (!stale(j->c, e))
		return true;
	f.stale++;
	++*j->count;
	if (f.reports) {
		const struct pte *p = find(e->from);
		f.reports--;
		printf("STALE at %s: t=%lu CPU %u CR3 %#lx RIP %#lx [%s]: may use %s of level %u "
		       "for "
		       "%#lx: %#lx, while %#lx holds %#lx since CPU %u wrote it\n",
		       j->what, (unsigned long)j->c->time, (unsigned)(j->c - f.cpu),
		       (unsigned long)j->c->tlb.cr3, (unsigned long)j->c->rip, j->c->text,
		       e->table ? "a paging-structure entry" : "a translation", e->level,
		       (unsigned long)e->va, (unsigned long)e->made, (unsigned long)e->from,
		       (unsigned long)p->value, p->writer);
	}
	return true;
}

static void check_all(struct cpu *c, const char *what, uint64_t *count)
{
	struct judge j = {.c = c, .what = what, .count = count};

	f.checks++;
	tlb_usable(&c->tlb, judge_entry, &j);
}

void follow_access(struct cpu *c, uint64_t va, uint64_t pa, const char *what)
{
	struct judge j = {.c = c, .what = what, .count = &f.stale_access, .va = va};

	(void)pa;
	c->n.accesses++;
	for (unsigned level = 0; level < 3; level++)
		tlb_lookup(&c->tlb, va, false, level, judge_entry, &j);
}

/* ---- what happens ---- */

/* Which PCID a root had when its CR3 value was last seen. */
static struct {
	uint64_t root, pcid;
} roots[256];

static uint64_t pcid_of(uint64_t root)
{
	for (unsigned i = 0; i < 256; i++)
		if (roots[i].root == root)
			return roots[i].pcid;
	return 0;
}

static void remember_root(uint64_t cr3)
{
	unsigned i = 0;

	while (i < 255 && roots[i].root && roots[i].root != (cr3 & ADDR))
		i++;
	roots[i].root = cr3 & ADDR;
	roots[i].pcid = cr3 & (TLB_PCIDS - 1);
}

/* One step of a walk: the entry at physical address `at`. Its place in the table is nine bits of
 * the address that is walked to. */
void follow_walk(struct cpu *c, unsigned level, uint64_t at, uint64_t entry)
{
	struct judge j = {.c = c, .what = "walk", .count = &f.stale_access};
	struct pte *p = pte_of(at);
	struct tlb_entry e = {.level = (uint8_t)level, .from = at, .made = entry};
	unsigned shift = 12 + 9 * level;

	c->n.walks++;
	if (level == 3 && c->guess) {
		c->guess = false;
		follow_cr3(c, (at & ADDR) | pcid_of(at & ADDR));
	}
	if (level == 3) {
		c->walk_va = 0;
		c->walk_rights = TLB_W | TLB_X | TLB_U;
	}
	c->walk_va |= (at >> 3 & 511) << shift;
	if (c->walk_va >> 47)
		c->walk_va |= UINT64_C(0xffff) << 48;
	if (p->value && revokes(p->value, entry)) {
		f.unseen++;
		change(c, p, entry);
	}
	p->value = entry;
	for (unsigned l = 0; l <= level; l++) { /* what might be used in this walk's place */
		tlb_lookup(&c->tlb, c->walk_va, true, l, judge_entry, &j);
		if (l == level)
			tlb_lookup(&c->tlb, c->walk_va, false, l, judge_entry, &j);
	}
	if (!(entry & P) || !c->known)
		return;
	c->walk_rights &=
		(entry & W ? TLB_W : 0u) | (entry & U ? TLB_U : 0u) | (entry & NX ? 0u : TLB_X);
	e.va = c->walk_va;
	e.table = level > 0 && !(entry & PS);
	e.pa = entry & ADDR & ~(e.table ? 0 : (UINT64_C(1) << shift) - 1);
	e.rights = (uint8_t)c->walk_rights;
	e.global = !e.table && (entry & G);
	tlb_insert(&c->tlb, &e);
}

void follow_write(struct cpu *c, uint64_t pa, unsigned bytes, const uint32_t *words)
{
	for (uint64_t at = pa & ~UINT64_C(7); at < pa + bytes; at += 8) {
		struct pte *p = pte_room ? find(at) : NULL;
		uint64_t v;
		if (!p || !p->used)
			continue;
		v = p->value;
		for (unsigned i = 0; i < 8; i++)
			if (at + i >= pa && at + i < pa + bytes) {
				unsigned b = (unsigned)(at + i - pa);
				v &= ~(UINT64_C(0xff) << (8 * i));
				v |= (uint64_t)(words[b / 4] >> (8 * (b % 4)) & 0xff) << (8 * i);
			}
		change(c, p, v);
	}
}

void follow_cr3(struct cpu *c, uint64_t v)
{
	c->n.cr3++;
	c->n.cr3_kept += v >> 63;
	c->n.user_roots += (v & USER_ROOT) != 0;
	if (!tlb_write_cr3(&c->tlb, v)) {
		printf("#GP: CR3 %#lx at RIP %#lx\n", (unsigned long)v, (unsigned long)c->rip);
		exit(2);
	}
	c->known = true;
	c->guess = false;
	remember_root(v);
	check_all(c, "load", &f.stale_load);
}

void follow_cr3_unknown(struct cpu *c)
{
	c->guess = true;
}

void follow_cr4(struct cpu *c, uint64_t v)
{
	c->n.cr4++;
	if (!tlb_write_cr4(&c->tlb, v)) {
		printf("#GP: CR4 %#lx at RIP %#lx\n", (unsigned long)v, (unsigned long)c->rip);
		exit(2);
	}
}

void follow_invpcid(struct cpu *c, uint64_t type, uint64_t pcid, uint64_t va)
{
	c->n.invpcid++;
	if (!tlb_invpcid(&c->tlb, type, pcid, va)) {
		printf("#GP: INVPCID %lu, %#lx, %#lx\n", (unsigned long)type, (unsigned long)pcid,
		       (unsigned long)va);
		exit(2);
	}
}

void follow_done(struct cpu *c)
{
	c->done++;
	if (!c->wrote)
		return;
	c->wrote = false;
	for (unsigned i = 0; i < f.cpus; i++)
		check_all(&f.cpu[i], "flush", &f.stale_flush);
}
