/* SPDX-License-Identifier: MIT */
/* The list of areas of an address space: sorted by address, never overlapping. mm->lock is held in
 * all of these. */
#include "internal.h"
#include "slab.h"
#include "vfs.h"

struct vma *vma_after(struct mm *mm, uint64_t addr)
{
	list_for_each_entry (v, &mm->areas, struct vma, link)
		if (v->end > addr)
			return v;
	return NULL;
}

struct vma *mm_find(struct mm *mm, uint64_t addr)
{
	struct vma *v = vma_after(mm, addr);

	return v && v->start <= addr ? v : NULL;
}

struct vma *vma_prev(struct mm *mm, struct vma *v)
{
	return v->link.prev == &mm->areas ? NULL : container_of(v->link.prev, struct vma, link);
}

struct vma *vma_next(struct mm *mm, struct vma *v)
{
	return v->link.next == &mm->areas ? NULL : list_next(v, struct vma, link);
}

static uint64_t vma_pages(const struct vma *v)
{
	return (v->end - v->start) >> PAGE_SHIFT;
}

struct vma *vma_new(uint64_t start, uint64_t end, uint32_t prot, uint32_t flags)
{
	struct vma *v = kzalloc(sizeof(*v));

	if (!v)
		return NULL;
	list_init(&v->link);
	list_init(&v->map_link);
	v->start = start;
	v->end = end;
	v->prot = prot;
	v->max_prot = PROT_READ | PROT_WRITE | PROT_EXEC;
	v->flags = flags;
	return v;
}

struct vma *vma_dup(const struct vma *v)
{
	struct vma *n = kmalloc(sizeof(*n));

	if (!n)
		return NULL;
	*n = *v;
	list_init(&n->link);
	list_init(&n->map_link);
	if (n->inode)
		inode_get(n->inode);
	if (n->anon)
		shared_anon_get(n->anon);
	return n;
}

void vma_free(struct vma *v)
{
	filemap_remove(v);
	if (v->inode)
		inode_put(v->inode);
	if (v->anon)
		shared_anon_put(v->anon);
	kfree(v);
}

void vma_insert(struct mm *mm, struct vma *v)
{
	struct vma *next = vma_after(mm, v->start);

	list_add_tail(next ? &next->link : &mm->areas, &v->link);
	v->mm = mm;
	filemap_add(v);
	mm->total_pages += vma_pages(v);
}

void vma_remove(struct mm *mm, struct vma *v)
{
	list_del(&v->link);
	mm->total_pages -= vma_pages(v);
}

int vma_split_at(struct mm *mm, uint64_t addr)
{
	struct vma *v = mm_find(mm, addr), *upper;

	if (!v || v->start == addr)
		return 0;
	upper = vma_dup(v);
	if (!upper)
		return -ENOMEM;
	if (v->inode || v->anon)
		upper->offset += addr - v->start;
	upper->start = addr;
	v->end = addr;
	list_add(&v->link, &upper->link);
	filemap_add(upper);
	return 0;
}

static bool alike(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && a->prot == b->prot && a->flags == b->flags &&
	       !(a->flags & MAP_GROWSDOWN) && a->inode == b->inode && a->anon == b->anon &&
	       a->max_prot == b->max_prot && strcmp(a->name, b->name) == 0 &&
	       ((!a->inode && !a->anon) || a->offset + (a->end - a->start) == b->offset);
}

void vma_merge(struct mm *mm, uint64_t start, uint64_t end)
{
	struct vma *v = vma_after(mm, start ? start - 1 : 0);

	while (v && v->start <= end) {
		struct vma *next = vma_next(mm, v);

		if (next && alike(v, next)) {
			v->end = next->end;
			list_del(&next->link);
			vma_free(next);
		} else {
			v = next;
		}
	}
}

bool vma_covers(struct mm *mm, uint64_t start, uint64_t end)
{
	struct vma *v = vma_after(mm, start);

	while (start < end) {
		if (!v || v->start > start)
			return false;
		start = v->end;
		v = vma_next(mm, v);
	}
	return true;
}

/* The lowest address that v claims. */
static uint64_t claim(const struct vma *v)
{
	uint64_t gap = v->flags & MAP_GROWSDOWN ? STACK_GAP : 0;

	return v->start > gap ? v->start - gap : 0;
}

bool vma_range_free(struct mm *mm, uint64_t start, uint64_t end)
{
	struct vma *v = vma_after(mm, start);

	return !v || end <= claim(v);
}

long vma_find_gap(struct mm *mm, uint64_t len, uint32_t flags)
{
	uint64_t top = mm->mmap_top;

	if (flags & MM_BELOW_4G)
		top = MIN(top, BIT(32) - PAGE_SIZE);
	if (len > top)
		return -ENOMEM;
	for (struct list *l = mm->areas.prev; l != &mm->areas; l = l->prev) {
		struct vma *v = container_of(l, struct vma, link);

		if (v->end <= top && top - v->end >= len)
			break;
		top = MIN(top, claim(v));
	}
	if (top < MMAP_MIN || top - MMAP_MIN < len)
		return -ENOMEM;
	return (long)(top - len);
}
