/* SPDX-License-Identifier: MIT */
/*
 * LDTs. A space's LDT is a tree of the library's in a top-level slot of its own, supervisor and
 * read-only under both roots; a change replaces the tree and frees the old one. The slot after it
 * is the CPU's: it shows the entry page at whatever place the last exit to a 16-bit stack needed,
 * and moves without a flush, so a stale entry there must still lead to this CPU's own pages.
 */
#include "model.h"

#define PAGES_MAX 3
#define PER_PAGE  (PAGE_BYTES / 8)

uint64_t ldt_va(unsigned page)
{
	return kaiser_ldt_va(&m.k) + (uint64_t)page * PAGE_BYTES;
}

static void revoke_tree(struct revoke *r, uint64_t entry)
{
	for (unsigned level = 3; level > 0; level--) {
		uint64_t *table = (uint64_t *)(entry & PTE_ADDR);

		revoke_add(r, ldt_va(0), level, true, (uint64_t)table);
		if (level > 1) {
			entry = table[0];
			continue;
		}
		for (unsigned page = 0; page < PAGES_MAX && table[page]; page++)
			revoke_add(r, ldt_va(page), 0, false, table[page] & PTE_ADDR);
	}
}

/* What the stack's slot showed goes with the LDT, and not before. */
static void revoke_stacks(struct revoke *r)
{
	for (unsigned i = 0; i < m.cpus; i++) {
		struct kaiser_cpu *c = m.k.cpu[i];
		uint64_t base = kaiser_slot_va(&m.k, LDT_TOP + 1), at;

		for (unsigned k = 0; k < STACK16_PLACES; k++) {
			at = base | stack16_sp(k);
			revoke_add(r, at & ~(uint64_t)(PAGE_BYTES - 1), 0, false,
				   (uint64_t)c->page[KAISER_CPU_ENTRY / PAGE_BYTES]);
			for (unsigned level = 1; level <= 3; level++)
				revoke_add(r, at & ~((UINT64_C(1) << (12 + 9 * level)) - 1), level,
					   true, (uint64_t)c->stack16_table[level - 1]);
		}
	}
}

/* Segments of ring 3, another one each time. */
void op_ldt(const struct step *st)
{
	static uint64_t descriptors[PAGES_MAX * PER_PAGE];
	unsigned count = st->n % (PAGES_MAX + 1u) * PER_PAGE;
	struct space *s = hold(st->space);
	struct revoke r;

	if (!s)
		return;
	lock(&s->lock);
	for (unsigned i = 0; i < count; i++)
		descriptors[i] = UINT64_C(0x00cff2000000ffff) | (uint64_t)st->arg << 16;
	revoke_begin(&r, s);
	if (s->ks.ldt)
		revoke_tree(&r, s->ks.ldt);
	if (!count)
		revoke_stacks(&r);
	if (kaiser_space_set_ldt(&s->ks, descriptors, count))
		fail("kaiser_space_set_ldt refuses %u descriptors", count);
	revoke_end(&r, "after a change of the LDT");
	unlock(&s->lock);
	drop(s);
}

/* Bits 31 to 16 of a 16-bit program's ESP: two within one page table, two far apart. */
uint32_t stack16_sp(unsigned n)
{
	static const uint32_t sp[STACK16_PLACES] = {0x10000, 0x20000, 0x7fff0000, 0xffff0000};

	return sp[n % STACK16_PLACES];
}

/* As the exit does when the space that runs has an LDT; a frame of a 32-bit stack for n = 0. */
void ldt_exit(struct cpu *c, unsigned n)
{
	struct kaiser_cpu *kc = m.k.cpu[c->number];
	struct pt_regs regs = {.ss = n ? 7 : 0x2b, .sp = stack16_sp(n)};

	if (kc->wipe & KAISER_WIPE_LDT)
		kaiser_ldt_exit(kc, &regs);
}

void ldt_adversary(struct cpu *c, void (*walk)(struct cpu *c, uint64_t va))
{
	for (unsigned page = 0; page < PAGES_MAX; page++)
		walk(c, ldt_va(page));
	for (unsigned k = 0; k < STACK16_PLACES; k++)
		walk(c, kaiser_slot_va(&m.k, LDT_TOP + 1) | stack16_sp(k));
}

/* The stack's slot: the CPU's own entry page, through the CPU's own tables, while there is an LDT.
 */
bool stack16_truth(const struct cpu *c, const struct kaiser_space *ks, const struct tlb_entry *e,
		   uint64_t *pa, unsigned *rights)
{
	const struct kaiser_cpu *kc = m.k.cpu[c->number];

	if (!ks || !ks->ldt)
		return false;
	*pa = e->level ? (uint64_t)kc->stack16_table[e->level - 1]
		       : (uint64_t)kc->page[KAISER_CPU_ENTRY / PAGE_BYTES];
	*rights = TLB_W | (e->level || !(m.conf & CONF_NX) ? TLB_X : 0);
	return true;
}
