/* SPDX-License-Identifier: MIT */
/* Memory that processes share without a file: a two-level array of pages, filled on demand. */
#include "internal.h"
#include "printk.h"
#include "slab.h"
#include "spinlock.h"

enum { LEAF_PAGES = PAGE_SIZE / sizeof(struct page *) };

struct shared_anon {
	int refs;        /* atomic */
	spinlock_t lock; /* the pointers below */
	uint64_t pages, nleaves;
	struct page ***leaves;
};

struct shared_anon *shared_anon_create(uint64_t bytes)
{
	struct shared_anon *a = kzalloc(sizeof(*a));

	if (!a)
		return NULL;
	a->refs = 1;
	a->pages = bytes >> PAGE_SHIFT;
	a->nleaves = (a->pages + LEAF_PAGES - 1) / LEAF_PAGES;
	a->leaves = kzalloc(a->nleaves * sizeof(*a->leaves));
	if (!a->leaves) {
		kfree(a);
		return NULL;
	}
	return a;
}

void shared_anon_get(struct shared_anon *a)
{
	__atomic_add_fetch(&a->refs, 1, __ATOMIC_RELAXED);
}

void shared_anon_put(struct shared_anon *a)
{
	int refs = __atomic_sub_fetch(&a->refs, 1, __ATOMIC_ACQ_REL);

	kassert(refs >= 0);
	if (refs > 0)
		return;
	for (uint64_t i = 0; i < a->nleaves; i++) {
		if (!a->leaves[i])
			continue;
		for (unsigned j = 0; j < LEAF_PAGES; j++)
			if (a->leaves[i][j])
				page_put(a->leaves[i][j]);
		page_free_virt(a->leaves[i]);
	}
	kfree(a->leaves);
	kfree(a);
}

struct page *shared_anon_page(struct shared_anon *a, uint64_t pos)
{
	uint64_t n = pos >> PAGE_SHIFT;
	struct page *page = NULL, *fresh = NULL;
	struct page **leaf = NULL;

	if (n >= a->pages)
		return err_ptr(-EIO);
	/* Without the lock for allocations: the loop ends when there is nothing left to make. */
	for (;;) {
		spin_lock(&a->lock);
		if (!a->leaves[n / LEAF_PAGES] && leaf) {
			a->leaves[n / LEAF_PAGES] = leaf;
			leaf = NULL;
		}
		if (a->leaves[n / LEAF_PAGES]) {
			struct page **slot = &a->leaves[n / LEAF_PAGES][n % LEAF_PAGES];

			if (!*slot && fresh) {
				*slot = fresh;
				fresh = NULL;
			}
			page = *slot;
			if (page)
				page_get(page);
		}
		spin_unlock(&a->lock);
		if (page)
			break;
		if (!leaf && !a->leaves[n / LEAF_PAGES])
			leaf = page_zalloc();
		if (!fresh)
			fresh = page_alloc(0, PAGE_ZERO);
		if (!fresh || (!leaf && !a->leaves[n / LEAF_PAGES])) {
			page = err_ptr(-ENOMEM);
			break;
		}
	}
	if (leaf)
		page_free_virt(leaf);
	if (fresh)
		page_free(fresh, 0);
	return page;
}
