/* SPDX-License-Identifier: MIT */
/*
 * LDTs, and stacks of 16 bits.
 *
 * An LDT is read at an address of the kernel half, in user mode too, whenever a selector of it is
 * loaded. So it must lie under both roots, and only under those of the space it belongs to. It has
 * a top-level slot of its own (config.ldt_top): the space has a tree of tables whose leaves are the
 * LDT's pages, and slots.c copies the one entry that leads to it, like an entry of the user half.
 * Pages and rights: supervisor, read-only. Every descriptor is marked accessed, so the CPU has
 * nothing to write; none but code and data of ring 3 is let in, so no gate and no 64-bit code is.
 *
 * A change builds a new tree, at the same address, and replaces the old: entry written, flushed,
 * LLDT on every CPU that runs the space, and only when all of them have answered are the old pages
 * given back. A CPU that joins meanwhile either sees the new tree or is called (slots.c). Where an
 * LDT ends counts by pages, so that one word tells both, and no CPU can see one without the other:
 * a selector beyond the last entry is #GP by a descriptor of zeros instead of by the limit, which
 * programs cannot tell apart.
 *
 * IRET to a stack segment of 16 bits loads only SP: bits 31 to 16 of ESP stay what they were in the
 * kernel, so user mode would see them, and a 16-bit program would lose its own (AMD volume 3, IRET;
 * Linux calls the cure espfix64). The IRET must happen at an address with the user's bits 31 to 16.
 * So the next top-level slot, config.ldt_top + 1, is the CPU's own: it maps the entry page once
 * more, at the place of 4 GiB at which those bits are right, and the exit pushes its frame there.
 * The page is the same in both roots, so nothing that happens on it is different. Nor is a flush
 * needed when it moves: whatever of its addresses is still cached leads to the same page. What
 * remains is that bits 63 to 32, which 64-bit code can look at afterwards, are this slot's address.
 */
#include "internal.h"

#define ENTRIES   (KAISER_PAGE_SIZE / 8)
#define PAGES_MAX (KAISER_LDT_ENTRIES / ENTRIES)
#define LINK      (PTE_P | PTE_W | PTE_A)

/* In space.ldt, where a table entry has bits that the CPU ignores. */
#define PAGES_SHIFT 52
#define PAGES_MASK  (UINT64_C(0x1f) << PAGES_SHIFT)

#define DESC_ACCESSED (UINT64_C(1) << 40)
#define DESC_CODE     (UINT64_C(1) << 43)
#define DESC_SEGMENT  (UINT64_C(1) << 44)
#define DESC_DPL3     (UINT64_C(3) << 45)
#define DESC_LONG     (UINT64_C(1) << 53)

uint64_t kaiser_slot_va(const struct kaiser *k, unsigned top)
{
	unsigned shift = 12 + 9 * (k->levels - 1);

	return ~UINT64_C(0) << (shift + 9) | (uint64_t)top << shift;
}

uint64_t kaiser_ldt_va(const struct kaiser *k)
{
	return kaiser_slot_va(k, k->cfg.ldt_top);
}

unsigned kaiser_ldt_pages(uint64_t ldt)
{
	return (unsigned)((ldt & PAGES_MASK) >> PAGES_SHIFT);
}

/* ---- the tree of a space -------------------------------------------------------------- */

static void *virt(const struct kaiser *k, uint64_t entry)
{
	return k->cfg.ops->phys_to_virt(k->cfg.ctx, entry & PTE_ADDR);
}

static void give_back(struct kaiser *k, void *page)
{
	k->cfg.ops->page_free(k->cfg.ctx, page, 0);
}

/* The table of the leaves; NULL: there is no LDT. */
static uint64_t *leaves(const struct kaiser *k, uint64_t ldt)
{
	uint64_t *t;

	if (!ldt)
		return NULL;
	t = virt(k, ldt & ~PAGES_MASK);
	for (unsigned level = k->levels - 2; level > 0; level--)
		t = virt(k, t[0]);
	return t;
}

static void tree_free(struct kaiser *k, uint64_t ldt)
{
	uint64_t *t;

	if (!ldt)
		return;
	t = leaves(k, ldt);
	for (unsigned i = 0; i < PAGES_MAX && t[i]; i++)
		give_back(k, virt(k, t[i]));
	t = virt(k, ldt & ~PAGES_MASK);
	for (unsigned level = k->levels - 1; level > 0; level--) {
		uint64_t *next = level > 1 ? virt(k, t[0]) : NULL;
		give_back(k, t);
		t = next;
	}
}

/* A new tree with the descriptors in it, as space.ldt has it; 0: no memory. */
static uint64_t tree_make(struct kaiser *k, const uint64_t *descriptors, unsigned count)
{
	const struct kaiser_ops *ops = k->cfg.ops;
	unsigned pages = (count + ENTRIES - 1) / ENTRIES;
	uint64_t ldt = 0, *at = &ldt, *t = NULL;

	for (unsigned level = k->levels - 1; level > 0; level--) {
		t = ops->page_alloc(k->cfg.ctx, 0);
		if (!t)
			goto no_memory;
		*at = ops->virt_to_phys(k->cfg.ctx, t) | LINK;
		at = &t[0];
	}
	for (unsigned p = 0; p < pages; p++) {
		uint64_t *page = ops->page_alloc(k->cfg.ctx, 0);
		if (!page)
			goto no_memory;
		for (unsigned i = 0; i < ENTRIES && p * ENTRIES + i < count; i++) {
			uint64_t d = descriptors[p * ENTRIES + i];
			page[i] = d ? d | DESC_ACCESSED : 0;
		}
		t[p] = ops->virt_to_phys(k->cfg.ctx, page) | PTE_P | PTE_A | PTE_D |
		       (k->nx ? PTE_NX : 0);
	}
	return ldt | (uint64_t)pages << PAGES_SHIFT;
no_memory:
	/* What there is of it is a chain, whose last table may have leaves. */
	for (t = ldt ? virt(k, ldt) : NULL; t;) {
		uint64_t *next = t[0] & PTE_W ? virt(k, t[0]) : NULL;
		for (unsigned i = 0; !next && i < PAGES_MAX && t[i]; i++)
			give_back(k, virt(k, t[i]));
		give_back(k, t);
		t = next;
	}
	return 0;
}

static bool descriptor_ok(uint64_t d)
{
	return d == 0 ||
	       ((d & (DESC_SEGMENT | DESC_DPL3)) == (DESC_SEGMENT | DESC_DPL3) && !(d & DESC_LONG));
}

/* ---- on a CPU ------------------------------------------------------------------------- */

bool kaiser_ldt_config_ok(const struct kaiser *k)
{
	unsigned top = k->cfg.ldt_top, window = k->cfg.window >> (12 + 9 * (k->levels - 1)) & 511;

	return top == 0 || (top >= 256 && top < 511 && window != top && window != top + 1 &&
			    !k->kernel_half[top - 256] && !k->kernel_half[top + 1 - 256]);
}

int kaiser_ldt_cpu_alloc(struct kaiser *k, struct kaiser_cpu *c)
{
	const struct kaiser_ops *ops = k->cfg.ops;

	if (!k->cfg.ldt_top)
		return KAISER_OK;
	for (unsigned level = 0; level < k->levels - 1; level++) {
		c->stack16_table[level] = ops->page_alloc(k->cfg.ctx, 0);
		if (!c->stack16_table[level]) {
			kaiser_ldt_cpu_free(k, c);
			return KAISER_E_NOMEM;
		}
	}
	return KAISER_OK;
}

void kaiser_ldt_cpu_free(struct kaiser *k, struct kaiser_cpu *c)
{
	for (unsigned level = 0; level < KAISER_LEVELS_MAX - 1; level++) {
		if (c->stack16_table[level])
			give_back(k, c->stack16_table[level]);
		c->stack16_table[level] = NULL;
	}
}

uint64_t kaiser_ldt_write_slot(struct kaiser_cpu *c, struct kaiser_slot *s,
			       const struct kaiser_space *sp)
{
	const struct kaiser *k = c->k;
	uint64_t ldt = __atomic_load_n(&sp->ldt, __ATOMIC_ACQUIRE), stack16 = 0;
	unsigned top = k->cfg.ldt_top;

	if (!top || (!ldt && !s->root[top]))
		return ldt;
	if (ldt)
		stack16 = k->cfg.ops->virt_to_phys(k->cfg.ctx, c->stack16_table[k->levels - 2]) |
			  LINK;
	kaiser_slot_write_pair(s, top, ldt & ~PAGES_MASK, ldt & ~PAGES_MASK);
	kaiser_slot_write_pair(s, top + 1, stack16, stack16);
	return ldt;
}

/* The GDT's entry and LDTR. The roots have the LDT by now: LLDT reads nothing of it, but what comes
 * next may. */
void kaiser_ldt_load(struct kaiser_cpu *c, uint64_t ldt)
{
	uint64_t *gdt = c->page[KAISER_CPU_DESC / KAISER_PAGE_SIZE];
	uint64_t base = kaiser_ldt_va(c->k);
	uint64_t limit = (uint64_t)kaiser_ldt_pages(ldt) * KAISER_PAGE_SIZE - 1;
	bool had = gdt[KAISER_LDT_SEL / 8];

	if (!ldt && !had)
		return;
	gdt[KAISER_LDT_SEL / 8] = !ldt ? 0
				       : (limit & 0xffff) | (base & 0xffffff) << 16 |
						  UINT64_C(0x82) << 40 | (base >> 24 & 0xff) << 56;
	gdt[KAISER_LDT_SEL / 8 + 1] = !ldt ? 0 : base >> 32;
	hw_load_ldt(ldt ? KAISER_LDT_SEL : 0);
	c->iret_top = c->entry_top;
	/* Each exit to user mode has to look at SS from now on. */
	kaiser_wipe_set(c, ldt ? c->wipe | KAISER_WIPE_LDT : c->wipe & ~(uint32_t)KAISER_WIPE_LDT);
}

static void stack16_unmap(struct kaiser_cpu *c)
{
	for (unsigned level = 0; level < c->k->levels - 1; level++)
		c->stack16_table[level][c->stack16_va >> (12 + 9 * level) & 511] = 0;
	c->stack16_va = 0;
}

static void stack16_map(struct kaiser_cpu *c, uint64_t va)
{
	const struct kaiser *k = c->k;
	const struct kaiser_ops *ops = k->cfg.ops;
	void *page = c->page[KAISER_CPU_ENTRY / KAISER_PAGE_SIZE];

	c->stack16_table[0][va >> 12 & 511] = ops->virt_to_phys(k->cfg.ctx, page) | PTE_P | PTE_W |
					      PTE_A | PTE_D | (k->nx ? PTE_NX : 0);
	for (unsigned level = 1; level < k->levels - 1; level++)
		c->stack16_table[level][va >> (12 + 9 * level) & 511] =
			ops->virt_to_phys(k->cfg.ctx, c->stack16_table[level - 1]) | LINK;
	c->stack16_va = va;
}

/* From the exit, interrupts off: the frame that goes to user mode may have a stack segment of 16
 * bits. One of 32 does not mind. */
void kaiser_ldt_exit(struct kaiser_cpu *c, const struct pt_regs *regs)
{
	uint64_t va = kaiser_slot_va(c->k, c->k->cfg.ldt_top + 1) | (regs->sp & 0xffff0000);
	bool needed = regs->ss & 4;

	if (c->stack16_va && (!needed || c->stack16_va != va))
		stack16_unmap(c);
	if (needed && !c->stack16_va)
		stack16_map(c, va);
	c->iret_top = needed ? va + (c->entry_top & (KAISER_PAGE_SIZE - 1)) : c->entry_top;
}

/* ---- calls of the host ---------------------------------------------------------------- */

struct change {
	struct kaiser_space *s;
	uint64_t gen;
};

/* On each CPU that runs the space, interrupts off. */
static void change_here(void *arg)
{
	const struct change *ch = arg;
	struct kaiser_cpu *c = hw_this_cpu();
	struct kaiser_slot *sl = &c->slot[c->loaded];
	uint64_t ldt;

	if (sl->space_id != ch->s->id || c->foreign)
		return;
	sl->ldt = ldt = kaiser_ldt_write_slot(c, sl, ch->s);
	if (sl->gen < ch->gen)
		sl->gen = ch->gen;
	kaiser_flush_loaded(c);
	kaiser_ldt_load(c, ldt);
}

int kaiser_space_set_ldt(struct kaiser_space *s, const uint64_t *descriptors, unsigned count)
{
	struct kaiser *k = s->k;
	struct change ch = {.s = s};
	uint64_t old, ldt = 0;

	if (count > KAISER_LDT_ENTRIES || (count && !descriptors))
		return KAISER_E_ARG;
	if (!k->cfg.ldt_top)
		return KAISER_E_STATE;
	for (unsigned i = 0; i < count; i++)
		if (!descriptor_ok(descriptors[i]))
			return KAISER_E_ARG;
	if (count) {
		ldt = tree_make(k, descriptors, count);
		if (!ldt)
			return KAISER_E_NOMEM;
	}
	old = __atomic_exchange_n(&s->ldt, ldt, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&s->tlb_gen, 1, __ATOMIC_SEQ_CST);
	ch.gen = __atomic_add_fetch(&s->gen, 1, __ATOMIC_SEQ_CST);

	kaiser_call_cpus(k, __atomic_load_n(&s->active, __ATOMIC_SEQ_CST), change_here, &ch);
	/* Nobody's any more: no CPU has it loaded, and no slot is loaded with it. */
	tree_free(k, old);
	return KAISER_OK;
}

unsigned kaiser_space_get_ldt(const struct kaiser_space *s, uint64_t *descriptors, unsigned count)
{
	unsigned have = kaiser_ldt_pages(s->ldt) * ENTRIES;
	const uint64_t *t = leaves(s->k, s->ldt);

	for (unsigned i = 0; i < count && i < have; i++)
		descriptors[i] = ((const uint64_t *)virt(s->k, t[i / ENTRIES]))[i % ENTRIES];
	return have;
}

void kaiser_ldt_evicted(struct kaiser_space *s)
{
	tree_free(s->k, s->ldt);
	s->ldt = 0;
}
