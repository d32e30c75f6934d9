/* SPDX-License-Identifier: MIT */
/* Making and removing areas. */
#include "internal.h"
#include "vfs.h"

#define VMA_FLAGS (MAP_SHARED | MAP_PRIVATE | MAP_GROWSDOWN | MAP_STACK | MAP_NORESERVE)
#define USER_TOP  BIT(47)

int munmap_locked(struct mm *mm, uint64_t start, uint64_t end)
{
	struct vma *v = vma_after(mm, start), *prev, *after, *next;

	if (!v || v->start >= end)
		return 0;
	if (vma_split_at(mm, start) != 0 || vma_split_at(mm, end) != 0)
		return -ENOMEM;
	v = vma_after(mm, start);
	after = vma_after(mm, end);
	prev = vma_prev(mm, v);
	unmap_range(mm, start, end, prev ? prev->end : 0, after ? after->start : USER_TOP);
	for (; v != after; v = next) {
		next = vma_next(mm, v);
		vma_remove(mm, v);
		vma_free(v);
	}
	return 0;
}

int mm_munmap(struct mm *mm, uint64_t addr, uint64_t len)
{
	int err;

	if (addr & (PAGE_SIZE - 1) || len == 0 || len > USER_END)
		return -EINVAL;
	len = ALIGN_UP(len, PAGE_SIZE);
	if (!user_range_ok(addr, len))
		return -EINVAL;
	mutex_lock(&mm->lock);
	err = munmap_locked(mm, addr, addr + len);
	mutex_unlock(&mm->lock);
	return err;
}

/* Where a new area goes; with MAP_FIXED what is there has been unmapped. */
static long place(struct mm *mm, uint64_t addr, uint64_t len, uint32_t flags)
{
	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		struct vma *v;
		int err;

		if (addr & (PAGE_SIZE - 1))
			return -EINVAL;
		if (!user_range_ok(addr, len))
			return -ENOMEM;
		if (addr < MMAP_MIN)
			return -EPERM;
		v = vma_after(mm, addr);
		if (flags & MAP_FIXED_NOREPLACE && v && v->start < addr + len)
			return -EEXIST;
		err = munmap_locked(mm, addr, addr + len);
		return err ? err : (long)addr;
	}
	addr = ALIGN_DOWN(addr, PAGE_SIZE);
	if (addr >= MMAP_MIN && user_range_ok(addr, len) && vma_range_free(mm, addr, addr + len))
		return (long)addr;
	return vma_find_gap(mm, len, flags);
}

long mmap_limited(struct mm *mm, uint64_t addr, uint64_t len, uint32_t prot, uint32_t flags,
		  struct inode *inode, uint64_t offset, uint32_t max_prot)
{
	bool shared = flags & MAP_SHARED;
	struct vma *v;
	long at;

	if (len == 0 || shared == !!(flags & MAP_PRIVATE) || offset & (PAGE_SIZE - 1))
		return -EINVAL;
	if (len > USER_END)
		return -ENOMEM;
	len = ALIGN_UP(len, PAGE_SIZE);
	if (flags & MAP_ANONYMOUS)
		inode = NULL;
	if (inode && offset + len < offset)
		return -EOVERFLOW;

	/* Everything that can fail is made before anything is unmapped. */
	v = vma_new(0, len, prot & (PROT_READ | PROT_WRITE | PROT_EXEC), flags & VMA_FLAGS);
	if (!v)
		return -ENOMEM;
	v->max_prot = max_prot;
	if (inode) {
		inode_get(inode);
		v->inode = inode;
		v->offset = offset;
	} else if (shared) {
		v->anon = shared_anon_create(len);
		if (!v->anon) {
			vma_free(v);
			return -ENOMEM;
		}
	}
	mutex_lock(&mm->lock);
	at = place(mm, addr, len, flags);
	if (at >= 0) {
		v->start = (uint64_t)at;
		v->end = v->start + len;
		vma_insert(mm, v);
		vma_merge(mm, v->start, v->end);
		if (flags & MAP_POPULATE)
			populate_locked(mm, (uint64_t)at, (uint64_t)at + len);
	}
	mutex_unlock(&mm->lock);
	if (at < 0)
		vma_free(v);
	return at;
}

long mm_mmap(struct mm *mm, uint64_t addr, uint64_t len, uint32_t prot, uint32_t flags,
	     struct inode *inode, uint64_t offset)
{
	return mmap_limited(mm, addr, len, prot, flags, inode, offset,
			    PROT_READ | PROT_WRITE | PROT_EXEC);
}

static bool brk_grow(struct mm *mm, uint64_t start, uint64_t end)
{
	struct vma *v;

	if (!vma_range_free(mm, start, end))
		return false;
	v = vma_new(start, end, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	if (!v)
		return false;
	strlcpy(v->name, "[heap]", sizeof(v->name));
	vma_insert(mm, v);
	vma_merge(mm, start, end);
	return true;
}

uint64_t mm_brk(struct mm *mm, uint64_t brk)
{
	uint64_t from, to, result;

	mutex_lock(&mm->lock);
	if (brk >= mm->brk_start && brk <= USER_END - PAGE_SIZE) {
		from = ALIGN_UP(mm->brk, PAGE_SIZE);
		to = ALIGN_UP(brk, PAGE_SIZE);
		if (to == from || (to < from && munmap_locked(mm, to, from) == 0) ||
		    (to > from && brk_grow(mm, from, to)))
			mm->brk = brk;
	}
	result = mm->brk;
	mutex_unlock(&mm->lock);
	return result;
}
