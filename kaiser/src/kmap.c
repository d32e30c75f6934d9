/* SPDX-License-Identifier: MIT */
/*
 * The window in the host's kernel half: by its map hook or, if it has none, written into the tables
 * below its kernel_root. Those that had to be made stay, empty at worst: every kernel root leads to
 * them, and a CPU may have the path to them cached. What is in the way is not touched, for the host
 * said that nothing is mapped there: a page, a large page, or an upper entry that takes away what
 * the pages below are to have.
 */
#include "internal.h"

/* The leaf for va; NULL, and why, if there is none and `make` is not set or cannot be had. */
static uint64_t *leaf(struct kaiser *k, uint64_t va, bool make, int *err)
{
	const struct kaiser_ops *ops = k->cfg.ops;
	uint64_t *t = ops->phys_to_virt(k->cfg.ctx, k->cfg.kernel_root);

	for (unsigned level = k->levels - 1; level > 0; level--) {
		uint64_t *e = &t[va >> (12 + 9 * level) & 511], *n;
		if (!(*e & PTE_P)) {
			*err = KAISER_E_NOMEM;
			n = make ? ops->page_alloc(k->cfg.ctx, 0) : NULL;
			if (!n)
				return NULL;
			/* A cleared table first, then the way to it. */
			__atomic_store_n(e,
					 ops->virt_to_phys(k->cfg.ctx, n) | PTE_P | PTE_W | PTE_A,
					 __ATOMIC_RELEASE);
		} else if (*e & (PTE_PS | PTE_NX) || !(*e & PTE_W)) {
			*err = KAISER_E_MAP;
			return NULL;
		}
		t = ops->phys_to_virt(k->cfg.ctx, *e & PTE_ADDR);
	}
	return &t[va >> 12 & 511];
}

int kaiser_kmap(struct kaiser *k, uint64_t va, const void *page, unsigned prot)
{
	const struct kaiser_ops *ops = k->cfg.ops;
	kaiser_pa_t pa = ops->virt_to_phys(k->cfg.ctx, page);
	int err = KAISER_OK;
	uint64_t *e;

	if (ops->map)
		return ops->map(k->cfg.ctx, va, pa, prot) ? KAISER_E_MAP : KAISER_OK;
	e = leaf(k, va, true, &err);
	if (!e)
		return err;
	if (*e & PTE_P)
		return KAISER_E_MAP;
	__atomic_store_n(e,
			 pa | PTE_P | PTE_A | PTE_D | (prot & KAISER_PROT_W ? PTE_W : 0) |
				 (k->nx && !(prot & KAISER_PROT_X) ? PTE_NX : 0),
			 __ATOMIC_RELEASE);
	return KAISER_OK;
}

void kaiser_kunmap(struct kaiser *k, uint64_t va)
{
	uint64_t *e;
	int err;

	if (k->cfg.ops->unmap) {
		k->cfg.ops->unmap(k->cfg.ctx, va);
		return;
	}
	e = leaf(k, va, false, &err);
	if (!e)
		return;
	__atomic_store_n(e, 0, __ATOMIC_RELEASE);
	hw_invlpg(va); /* CPUs that have not entered, this one at boot */
	kaiser_flush_kernel(k, va, va + KAISER_PAGE_SIZE);
}
