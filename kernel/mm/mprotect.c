/* SPDX-License-Identifier: MIT */
/*
 * Changing rights. A private area that becomes PROT_NONE moves its pages to the stash, and gets
 * them back when it is made accessible again; a shared one just drops them, the object keeps them.
 * Tables are made before anything moves, so running out of memory changes nothing.
 */
#include "internal.h"

#define PROT_ALL (PROT_READ | PROT_WRITE | PROT_EXEC)

/* Makes tables in `to` for every page that `from` has in the range. */
static int prepare(struct tree from, struct tree to, uint64_t start, uint64_t end)
{
	for (uint64_t va = start; tree_next(from, &va, end); va += PAGE_SIZE)
		if (!tree_make(to, va))
			return -ENOMEM;
	return 0;
}

/* The pages of a private area change trees; their entries get these bits. */
static void move(struct tree from, struct tree to, const struct vma *v, uint64_t bits)
{
	uint64_t *e;

	for (uint64_t va = v->start; (e = tree_next(from, &va, v->end)) != NULL; va += PAGE_SIZE) {
		uint64_t old = __atomic_exchange_n(e, 0, __ATOMIC_ACQ_REL);

		__atomic_store_n(tree_find(to, va), (old & PTE_ADDR) | bits, __ATOMIC_RELEASE);
	}
}

static void rewrite(struct mm *mm, const struct vma *v)
{
	uint64_t *e;

	for (uint64_t va = v->start; (e = tree_next(mm_live(mm), &va, v->end)) != NULL;
	     va += PAGE_SIZE) {
		/* A private page that lacks W may be shared: only a write fault can tell. */
		bool writable = v->flags & MAP_SHARED || *e & PTE_W;

		__atomic_store_n(e, (*e & PTE_ADDR) | leaf_bits(v, writable), __ATOMIC_RELEASE);
	}
}

static int change(struct mm *mm, struct vma *v, uint32_t prot)
{
	bool was_none = !(v->prot & PROT_ALL), none = !(prot & PROT_ALL);
	int err = 0;

	if (none && !was_none && !(v->flags & MAP_SHARED))
		err = prepare(mm_live(mm), mm_stash(mm), v->start, v->end);
	else if (was_none && !none)
		err = prepare(mm_stash(mm), mm_live(mm), v->start, v->end);
	if (err)
		return err;
	v->prot = prot;
	if (none && v->flags & MAP_SHARED)
		zap_range(mm, v->start, v->end);
	else if (none && !was_none)
		move(mm_live(mm), mm_stash(mm), v, PTE_P);
	else if (was_none && !none)
		move(mm_stash(mm), mm_live(mm), v, leaf_bits(v, false));
	else
		rewrite(mm, v);
	return 0;
}

static int mprotect_locked(struct mm *mm, uint64_t start, uint64_t end, uint32_t prot)
{
	struct vma *first = vma_after(mm, start), *v = first;
	uint64_t at = start;
	int err = 0;

	if (prot & PROT_GROWSDOWN) {
		if (!v || v->start > start || !(v->flags & MAP_GROWSDOWN))
			return -EINVAL;
		at = start = v->start;
	}
	prot &= PROT_ALL;
	for (; at < end; v = vma_next(mm, v)) {
		if (!v || v->start > at)
			return -ENOMEM;
		if (prot & ~v->max_prot)
			err = -EACCES;
		at = v->end;
	}
	if (err)
		return err;
	if (first->start < start || at > end) {
		if (vma_split_at(mm, start) != 0 || vma_split_at(mm, end) != 0)
			err = -ENOMEM;
		first = vma_after(mm, start);
	}
	for (v = first; !err && v && v->start < end; v = vma_next(mm, v))
		if (v->prot != prot)
			err = change(mm, v, prot);
	kaiser_flush_range(&mm->space, start, end, false);
	vma_merge(mm, start, end);
	return err;
}

int mm_mprotect(struct mm *mm, uint64_t addr, uint64_t len, uint32_t prot)
{
	int err;

	if (addr & (PAGE_SIZE - 1))
		return -EINVAL;
	if (len == 0)
		return 0;
	if (len > USER_END)
		return -ENOMEM;
	len = ALIGN_UP(len, PAGE_SIZE);
	if (!user_range_ok(addr, len))
		return -ENOMEM;
	if (prot & ~(uint32_t)(PROT_ALL | PROT_GROWSDOWN))
		return -EINVAL;
	mutex_lock(&mm->lock);
	err = mprotect_locked(mm, addr, addr + len, prot);
	mutex_unlock(&mm->lock);
	return err;
}
