/* SPDX-License-Identifier: MIT */
/* Another process's memory, by its tables: what its program could read and write itself, and its
 * read-only pages. */
#include "internal.h"

/* The leaf of va, present; NULL and *err if the program could not touch it either. */
static uint64_t *present(struct mm *mm, uint64_t va, bool write, int *err)
{
	*err = fault_locked(mm, va, write, false);
	return *err ? NULL : tree_find(mm_live(mm), va);
}

/* A page that the program may not write gets a copy of its own, still read-only to it. */
static int own_page(struct mm *mm, const struct vma *v, uint64_t *e, uint64_t va)
{
	struct page *p = phys_to_page(*e & PTE_ADDR), *copy;

	if (v->flags & MAP_SHARED)
		return -EIO;
	if (__atomic_load_n(&p->refs, __ATOMIC_ACQUIRE) == 1)
		return 0;
	copy = page_alloc(0, 0);
	if (!copy)
		return -ENOMEM;
	memcpy(page_to_virt(copy), page_to_virt(p), PAGE_SIZE);
	__atomic_store_n(e, page_to_phys(copy) | leaf_bits(v, true), __ATOMIC_RELEASE);
	kaiser_flush_page(&mm->space, va);
	page_put(p);
	return 0;
}

static uint64_t *writable(struct mm *mm, uint64_t va, int *err)
{
	struct vma *v = mm_find(mm, va);
	bool may = !v || v->prot & PROT_WRITE; /* a stack may grow */
	uint64_t *e = present(mm, va, may, err);

	if (e && !may)
		*err = own_page(mm, v, e, ALIGN_DOWN(va, PAGE_SIZE));
	return *err ? NULL : e;
}

static long access(struct mm *mm, uint64_t va, void *buf, size_t n, bool write)
{
	size_t done = 0;
	int err = 0;

	if (!user_range_ok(va, n))
		return -EFAULT;
	mutex_lock(&mm->lock);
	while (done < n) {
		uint64_t at = va + done, off = at & (PAGE_SIZE - 1);
		size_t part = MIN(n - done, PAGE_SIZE - off);
		uint64_t *e = write ? writable(mm, at, &err) : present(mm, at, false, &err);
		char *page;

		if (!e)
			break;
		page = (char *)phys_to_virt(*e & PTE_ADDR) + off;
		if (write)
			memcpy(page, (char *)buf + done, part);
		else
			memcpy((char *)buf + done, page, part);
		done += part;
	}
	mutex_unlock(&mm->lock);
	return done > 0 ? (long)done : err;
}

long mm_peek(struct mm *mm, uint64_t va, void *dst, size_t n)
{
	return access(mm, va, dst, n, false);
}

long mm_poke(struct mm *mm, uint64_t va, const void *src, size_t n)
{
	return access(mm, va, (void *)src, n, true);
}

bool mm_lose_page(struct mm *mm, uint64_t pa, uint64_t *va)
{
	uint64_t *e, at = 0;
	bool found = false;

	mutex_lock(&mm->lock);
	while (!found && (e = tree_next(mm_live(mm), &at, USER_END)) != NULL) {
		found = (*e & PTE_P) && (*e & PTE_ADDR) == ALIGN_DOWN(pa, PAGE_SIZE);
		if (found) {
			*va = at + (pa & (PAGE_SIZE - 1));
			page_get(phys_to_page(pa)); /* never put */
		}
		at += PAGE_SIZE;
	}
	mutex_unlock(&mm->lock);
	return found;
}
