/* SPDX-License-Identifier: MIT */
/*
 * The adversary and the judge. The adversary walks every present path of a loaded root, at once and
 * after each change, sets accessed bits as a CPU would, and forgets nothing it need not. The judge
 * looks up the host's own tables, never the library's copies, for what it holds.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model.h"

#define TOP_LEVEL 3

static const uint16_t user_index[4][8] = {
	{0, 1, 2, 31, 32, 33, 34, 511}, /* around the library's threshold of 33 pages */
	{0, 511},
	{0, 511},
	{0, 1, 255},
};
static const unsigned user_count[4] = {8, 2, 2, 3};

uint64_t page_va(unsigned page)
{
	uint64_t va = 0;
	unsigned rest = page % PAGES;

	for (unsigned level = 0; level <= TOP_LEVEL; level++) {
		va |= (uint64_t)user_index[level][rest % user_count[level]] << (12 + 9 * level);
		rest /= user_count[level];
	}
	return va;
}

void fail(const char *format, ...)
{
	va_list ap;

	if (m.failed)
		return;
	m.failed = true;
	va_start(ap, format);
	vsnprintf(m.message, sizeof(m.message), format, ap);
	va_end(ap);
}

/* ---- the adversary ---- */

static unsigned rights_of(uint64_t e)
{
	return (e & PTE_W ? TLB_W : 0) | (e & PTE_NX ? 0 : TLB_X) | (e & PTE_U ? TLB_U : 0);
}

static uint64_t *table_at(uint64_t entry)
{
	return (uint64_t *)(uintptr_t)(entry & PTE_ADDR);
}

/* Walks the entry for va at `level`; returns the next table, or NULL. */
static uint64_t *walk_entry(struct cpu *c, uint64_t *entry, uint64_t va, unsigned level,
			    unsigned *rights)
{
	struct tlb_entry e = {.va = va, .level = (uint8_t)level};

	if (!(*entry & PTE_P))
		return NULL;
	*entry |= PTE_A;
	*rights &= rights_of(*entry);
	e.rights = (uint8_t)*rights;
	e.pa = *entry & PTE_ADDR;
	e.table = level > 0;
	e.global = level == 0 && (*entry & PTE_G);
	tlb_insert(&c->tlb, &e);
	return level ? table_at(*entry) : NULL;
}

static void walk_user(struct cpu *c, uint64_t *table, uint64_t va, unsigned level, unsigned rights)
{
	for (unsigned i = 0; i < user_count[level]; i++) {
		unsigned index = user_index[level][i], r = rights;
		uint64_t at = va | (uint64_t)index << (12 + 9 * level), *next;
		next = walk_entry(c, &table[index], at, level, &r);
		if (next)
			walk_user(c, next, at, level - 1, r);
	}
}

static void walk_one(struct cpu *c, uint64_t *root, uint64_t va)
{
	unsigned rights = TLB_W | TLB_X | TLB_U;

	for (unsigned level = TOP_LEVEL; root; level--) {
		root = walk_entry(c, &root[va >> (12 + 9 * level) & 511], va, level, &rights);
		if (!level)
			break;
	}
}

static void walk_loaded(struct cpu *c, uint64_t va)
{
	walk_one(c, table_at(c->tlb.cr3), va);
}

/* Everything of the user half, and of the kernel half what tells the roots and CPUs apart and what
 * changes. */
void adversary_walk(struct cpu *c)
{
	uint64_t *root = table_at(c->tlb.cr3);
	uint64_t stride = WINDOW + (c->number + 1) * (uint64_t)KAISER_CPU_STRIDE;
	uint64_t other = WINDOW + ((c->number + 1) % m.cpus + 1) * (uint64_t)KAISER_CPU_STRIDE;

	walk_user(c, root, 0, TOP_LEVEL, TLB_W | TLB_X | TLB_U);
	walk_one(c, root, WINDOW + KAISER_WIN_TEXT);
	walk_one(c, root, stride + KAISER_CPU_ENTRY);
	walk_one(c, root, stride + KAISER_CPU_PRIVATE);
	walk_one(c, root, other + KAISER_CPU_ENTRY);
	for (unsigned i = 0; i < KPAGES; i++)
		walk_one(c, root, kpage_va(i));
	ldt_adversary(c, walk_loaded);
}

void adversary_touch(uint64_t va)
{
	for (unsigned i = 0; i < m.cpus; i++)
		if (!m.cpu[i].gone)
			walk_one(&m.cpu[i], table_at(m.cpu[i].tlb.cr3), va);
}

/* ---- what is true ---- */

struct judge {
	struct cpu *c;
	const char *when;
	bool user_root, foreign, poison;
	struct kaiser_space *ks; /* whose user half is loaded; NULL: nobody's */
	const struct space *space;
};

/* The tables' answer for e: its page or table, and the rights there. False if there is none. */
static bool truth(const struct judge *j, const struct tlb_entry *e, uint64_t *pa, unsigned *rights)
{
	uint64_t *table, entry;
	unsigned level = TOP_LEVEL;

	*rights = TLB_W | TLB_X | TLB_U;
	if (!(e->va >> 63)) {
		if (!j->ks)
			return false;
		table = j->ks->top;
		if (j->user_root && !(table[e->va >> 39 & 511] & PTE_U))
			return false;
		if (j->poison && !j->user_root && (table[e->va >> 39 & 511] & PTE_U))
			*rights &= ~(unsigned)TLB_X;
	} else if ((e->va >> 39 & 511) == LDT_TOP) {
		if (!j->ks || !j->ks->ldt)
			return false;
		*pa = j->ks->ldt & PTE_ADDR;
		if (level == e->level)
			return true;
		table = table_at(*pa);
		level--;
	} else if ((e->va >> 39 & 511) == LDT_TOP + 1) {
		return stack16_truth(j->c, j->ks, e, pa, rights);
	} else if (j->user_root) {
		if (e->va >> 39 != WINDOW >> 39)
			return false;
		if (e->table && e->level == TOP_LEVEL) {
			*pa = m.window_table[j->c->number] & PTE_ADDR;
			*rights = rights_of(m.window_table[j->c->number]);
			return true;
		}
		*rights = rights_of(m.window_table[j->c->number]);
		table = table_at(m.window_table[j->c->number]);
		level--;
	} else {
		table = m.kernel_top;
	}
	for (;; level--) {
		entry = table[e->va >> (12 + 9 * level) & 511];
		if (!(entry & PTE_P))
			return false;
		*rights &= rights_of(entry);
		*pa = entry & PTE_ADDR;
		if (level == e->level)
			return true;
		table = table_at(entry);
	}
}

static bool excused(const struct judge *j, const struct tlb_entry *e)
{
	for (const struct revoke *r = m.revokes; r; r = r->next) {
		if (r->space && r->space != j->space)
			continue;
		for (unsigned i = 0; i < r->n; i++)
			if (r->e[i].va == e->va && r->e[i].pa == e->pa &&
			    r->e[i].level == e->level && r->e[i].table == e->table)
				return true;
	}
	return false;
}

static bool judge_entry(void *arg, struct tlb_entry *e)
{
	const struct judge *j = arg;
	unsigned rights = 0;
	uint64_t pa = 0;
	bool there = truth(j, e, &pa, &rights);

	if (there && pa == e->pa && !(e->rights & ~rights))
		return true;
	/* A kernel thread touches no user memory: what counts is where a walk could lead. */
	if (j->c->lazy && !j->user_root && !e->table && !(e->va >> 63))
		return true;
	if (excused(j, e))
		return true;
	fail("%s: CPU %u, CR3 %#lx: may use %s of level %u for %#lx -> %#lx rights %u%s; the "
	     "host's "
	     "tables: %s%#lx rights %u",
	     j->when, j->c->number, (unsigned long)j->c->tlb.cr3,
	     e->table ? "a paging-structure entry" : "a translation", e->level,
	     (unsigned long)e->va, (unsigned long)e->pa, e->rights, e->global ? " GLOBAL" : "",
	     there ? "" : "nothing there, ", (unsigned long)pa, rights);
	return false;
}

/* What the host believes; not to be relied on while a change is under way. */
bool is_isolated(const struct space *s)
{
	return m.isolating && !(s && s->opted_out);
}

static void find_space(struct judge *j)
{
	uint64_t root = j->c->tlb.cr3 & PTE_ADDR & ~(uint64_t)KAISER_SWITCH_BIT;
	struct kaiser_slot_info si;
	unsigned slot = 0;

	while (kaiser_slot_info(&m.k, j->c->number, slot, &si) && si.kernel_root != root)
		slot++;
	if (!kaiser_slot_info(&m.k, j->c->number, slot, &si)) {
		j->foreign = true;
		return;
	}
	if (si.space_id == m.k.empty.id)
		j->ks = &m.k.empty;
	for (unsigned i = 0; i < SPACES; i++)
		if (m.space[i].exists && m.space[i].ks.id == si.space_id) {
			j->ks = &m.space[i].ks;
			j->space = &m.space[i];
		}
	j->poison = (m.conf & CONF_NX) && is_isolated(j->space) && !m.changing &&
		    !(j->space && j->space->changing);
}

/* Everything this CPU could use now. */
void check_cpu(struct cpu *c, const char *when)
{
	struct judge j = {.c = c, .when = when};

	if (c->gone || m.failed)
		return;
	j.user_root = c->tlb.cr3 & KAISER_SWITCH_BIT;
	find_space(&j);
	m.did.checks++;
	tlb_usable(&c->tlb, judge_entry, &j);
}

void check_all(const char *when)
{
	for (unsigned i = 0; i < m.cpus;
	     i++) /* who is leaving was not told; it flushes at the end */
		if (m.k.live >> i & 1)
			check_cpu(&m.cpu[i], when);
}

/* ---- what the host took back ---- */

void revoke_begin(struct revoke *r, const struct space *s)
{
	r->next = m.revokes;
	r->space = s;
	r->n = 0;
	m.revokes = r;
}

void revoke_add(struct revoke *r, uint64_t va, unsigned level, bool table, uint64_t pa)
{
	r->e[r->n++] = (struct revoked){va, pa, (uint8_t)level, table};
}

void revoke_end(struct revoke *r, const char *what)
{
	struct revoke **at = &m.revokes;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	check_all(what);
}

/* ---- between rounds, when nothing runs ---- */

static void check_slot(struct cpu *c)
{
	struct kaiser_space *want = host_space(c->space);
	struct kaiser_slot_info si;
	const uint64_t *root = table_at(c->tlb.cr3 & ~(uint64_t)KAISER_SWITCH_BIT);

	for (unsigned slot = 0;; slot++) {
		if (!kaiser_slot_info(&m.k, c->number, slot, &si)) {
			fail("CPU %u: CR3 %#lx is no slot's", c->number, (unsigned long)c->tlb.cr3);
			return;
		}
		if (si.kernel_root == (uint64_t)(uintptr_t)root)
			break;
	}
	if (si.space_id != want->id && !c->lazy) {
		fail("CPU %u runs the space %lu, not %lu", c->number, (unsigned long)si.space_id,
		     (unsigned long)want->id);
		return;
	}
	if (si.space_id != want->id)
		return;
	for (unsigned i = 0; i < 256; i++) {
		uint64_t e = want->top[i] & PTE_P ? want->top[i] & ~PTE_A : 0;
		uint64_t u = e & PTE_U ? e : 0;
		if ((root[512 + i] & ~PTE_A) != u || (root[i] & ~(PTE_A | PTE_NX)) != (e & ~PTE_NX))
			fail("CPU %u: top-level entry %u of the loaded root is out of date",
			     c->number, i);
	}
}

void check_quiet(void)
{
	for (unsigned i = 0; i < m.cpus && !m.failed; i++) {
		struct cpu *c = &m.cpu[i];
		if (c->gone)
			continue;
		adversary_walk(c);
		check_cpu(c, "at rest");
		if (!c->foreign)
			check_slot(c);
		if (c->user && is_isolated(c->space < 0 ? NULL : &m.space[c->space]) !=
				       !!(c->tlb.cr3 & KAISER_SWITCH_BIT))
			fail("CPU %u: user mode on the wrong root, %#lx", i,
			     (unsigned long)c->tlb.cr3);
	}
}
