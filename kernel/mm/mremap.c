/* SPDX-License-Identifier: MIT */
/* Resizing and moving an area. */
#include "internal.h"

/* Moves the entries of [from, from + len) to `to`. All or nothing: tables are made first. */
static int move_entries(struct tree t, uint64_t from, uint64_t to, uint64_t len)
{
	uint64_t *e;

	for (uint64_t va = from; tree_next(t, &va, from + len); va += PAGE_SIZE)
		if (!tree_make(t, to + (va - from)))
			return -ENOMEM;
	for (uint64_t va = from; (e = tree_next(t, &va, from + len)) != NULL; va += PAGE_SIZE) {
		uint64_t old = __atomic_exchange_n(e, 0, __ATOMIC_ACQ_REL);

		__atomic_store_n(tree_find(t, to + (va - from)), old, __ATOMIC_RELEASE);
	}
	return 0;
}

/* v holds all of [old, old + old_len). old_len 0: a second view of a shared area. */
static long move_area(struct mm *mm, struct vma *v, uint64_t old, uint64_t old_len, uint64_t to,
		      uint64_t new_len)
{
	uint64_t keep = MIN(old_len, new_len);
	struct vma *n = vma_dup(v);
	int err;

	if (!n)
		return -ENOMEM;
	if (n->inode || n->anon)
		n->offset += old - v->start;
	n->start = to;
	n->end = to + new_len;
	/* So that the removal at the end has nothing left to allocate. */
	err = vma_split_at(mm, old);
	if (!err)
		err = vma_split_at(mm, old + old_len);
	vma_insert(mm, n);
	if (!err)
		err = move_entries(mm_live(mm), old, to, keep);
	if (!err) {
		err = move_entries(mm_stash(mm), old, to, keep);
		if (err) /* the way back needs no table: those it came from are still there */
			move_entries(mm_live(mm), to, old, keep);
	}
	if (keep)
		kaiser_flush_range(&mm->space, old, old + keep, false);
	if (err) {
		munmap_locked(mm, to, to + new_len);
		vma_merge(mm, old, old + old_len);
		return err;
	}
	if (old_len)
		munmap_locked(mm, old, old + old_len);
	vma_merge(mm, to, to + new_len);
	return (long)to;
}

static long mremap_fixed(struct mm *mm, uint64_t old, uint64_t old_len, uint64_t new_len,
			 uint64_t to)
{
	struct vma *v;
	int err;

	if (to & (PAGE_SIZE - 1) || !user_range_ok(to, new_len))
		return -EINVAL;
	if (to < MMAP_MIN)
		return -EPERM;
	if (old < to + new_len && to < old + old_len)
		return -EINVAL;
	v = mm_find(mm, old);
	if (!v || v->end - old < old_len)
		return -EFAULT;
	err = munmap_locked(mm, to, to + new_len);
	if (err)
		return err;
	return move_area(mm, mm_find(mm, old), old, old_len, to, new_len);
}

static long mremap_locked(struct mm *mm, uint64_t old, uint64_t old_len, uint64_t new_len,
			  uint32_t flags, uint64_t new_addr)
{
	struct vma *v = mm_find(mm, old), *next;
	long to;

	if (!v)
		return -EFAULT;
	if (old_len == 0 && (!(v->flags & MAP_SHARED) || !(flags & MREMAP_MAYMOVE)))
		return -EINVAL;
	if (flags & MREMAP_FIXED)
		return mremap_fixed(mm, old, old_len, new_len, new_addr);
	if (new_len < old_len) {
		int err = munmap_locked(mm, old + new_len, old + old_len);

		return err ? err : (long)old;
	}
	if (v->end - old < old_len)
		return -EFAULT;
	if (new_len == old_len)
		return (long)old;
	next = vma_next(mm, v);
	if (old_len && v->end == old + old_len && user_range_ok(old, new_len) &&
	    (!next || vma_range_free(mm, v->end, old + new_len))) {
		mm->total_pages += (new_len - old_len) >> PAGE_SHIFT;
		v->end = old + new_len;
		vma_merge(mm, v->start, v->end);
		return (long)old;
	}
	if (!(flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	to = vma_find_gap(mm, new_len, flags);
	return to < 0 ? to : move_area(mm, v, old, old_len, (uint64_t)to, new_len);
}

long mm_mremap(struct mm *mm, uint64_t old, uint64_t old_len, uint64_t new_len, uint32_t flags,
	       uint64_t new_addr)
{
	long r;

	if (old & (PAGE_SIZE - 1) ||
	    flags & ~(uint32_t)(MREMAP_MAYMOVE | MREMAP_FIXED | MM_BELOW_4G) ||
	    (flags & MREMAP_FIXED && !(flags & MREMAP_MAYMOVE)) || new_len == 0)
		return -EINVAL;
	if (old_len > USER_END || new_len > USER_END)
		return -ENOMEM;
	old_len = ALIGN_UP(old_len, PAGE_SIZE);
	new_len = ALIGN_UP(new_len, PAGE_SIZE);
	if (!user_range_ok(old, old_len))
		return -EFAULT;
	mutex_lock(&mm->lock);
	r = mremap_locked(mm, old, old_len, new_len, flags, new_addr);
	mutex_unlock(&mm->lock);
	return r;
}
