/* SPDX-License-Identifier: MIT */
/*
 * The page tables below a user root's one kernel-half entry. They belong to the CPU, not to a
 * space, and map four pages: so no user root reaches another CPU's window, and none changes while
 * the CPU is up but for what iomap.c and extra.c put there. Table 0 is what the top-level entry
 * points at.
 */
#include "internal.h"

/* The table that the entry for va in table t points at, made if need be; NULL: no memory. */
static uint64_t *next_table(struct kaiser *k, struct kaiser_cpu *c, uint64_t *t, uint64_t va,
			    unsigned level)
{
	const struct kaiser_ops *ops = k->cfg.ops;
	uint64_t *e = &t[va >> (12 + 9 * level) & 511], *n;

	if (*e & PTE_P)
		return ops->phys_to_virt(k->cfg.ctx, *e & PTE_ADDR);
	if (c->tables == KAISER_WINDOW_TABLES)
		return NULL;
	n = ops->page_alloc(k->cfg.ctx, 0);
	if (!n)
		return NULL;
	c->table[c->tables++] = n;
	*e = ops->virt_to_phys(k->cfg.ctx, n) | PTE_P | PTE_W | PTE_A;
	return n;
}

static int map_user(struct kaiser *k, struct kaiser_cpu *c, uint64_t va, void *page, uint64_t bits)
{
	const struct kaiser_ops *ops = k->cfg.ops;
	uint64_t *t = c->table[0];

	for (unsigned level = k->levels - 2; level > 0; level--) {
		t = next_table(k, c, t, va, level);
		if (!t)
			return KAISER_E_NOMEM;
	}
	/* Accessed and dirty beforehand: the CPU has nothing to write here. */
	t[va >> 12 & 511] = ops->virt_to_phys(k->cfg.ctx, page) | PTE_P | PTE_A | PTE_D | bits;
	return KAISER_OK;
}

int kaiser_window_tables_build(struct kaiser *k, struct kaiser_cpu *c)
{
	uint64_t nx = k->nx ? PTE_NX : 0, base = cpu_base(k, c->number);
	int err;

	c->table[0] = k->cfg.ops->page_alloc(k->cfg.ctx, 0);
	if (!c->table[0])
		return KAISER_E_NOMEM;
	c->tables = 1;
	err = map_user(k, c, k->cfg.window + KAISER_WIN_IDT, k->idt, nx);
	if (!err)
		err = map_user(k, c, k->cfg.window + KAISER_WIN_TEXT, k->text_user, 0);
	if (!err)
		err = map_user(k, c, base + KAISER_CPU_DESC,
			       c->page[KAISER_CPU_DESC / KAISER_PAGE_SIZE], nx);
	if (!err)
		err = map_user(k, c, base + KAISER_CPU_ENTRY,
			       c->page[KAISER_CPU_ENTRY / KAISER_PAGE_SIZE], nx | PTE_W);
	if (err)
		kaiser_window_tables_free(k, c);
	return err;
}

void kaiser_window_tables_free(struct kaiser *k, struct kaiser_cpu *c)
{
	while (c->tables > 0)
		k->cfg.ops->page_free(k->cfg.ctx, c->table[--c->tables], 0);
}

/* The CPU may be running: each entry is one store, the lower tables' first. */
int kaiser_window_map(struct kaiser *k, struct kaiser_cpu *c, uint64_t va, void *page,
		      uint64_t bits)
{
	return map_user(k, c, va, page, bits);
}

uint64_t *kaiser_window_leaf(const struct kaiser *k, const struct kaiser_cpu *c, uint64_t va)
{
	uint64_t *t = c->table[0];

	for (unsigned level = k->levels - 2; level > 0; level--)
		t = k->cfg.ops->phys_to_virt(k->cfg.ctx,
					     t[va >> (12 + 9 * level) & 511] & PTE_ADDR);
	return &t[va >> 12 & 511];
}
